package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const containerBuild = `
  provisioner "file" {
    source      = "${path.root}/context/motd"
    destination = "/etc/motd"
  }
  provisioner "file" {
    source      = "${path.root}/context/site/"
    destination = "/srv/site"
  }
  provisioner "shell" { inline = ["mkdir -p /opt/app && date > /opt/app/made"] }
  provisioner "shell" { inline = ["useradd --system app"] }
  provisioner "shell" { inline = ["chown -R app /opt/app"] }
  provisioner "shell" { inline = ["find /srv/site -type f | sort | xargs sha256sum > /opt/app/sums"] }
  provisioner "shell" { inline = ["rm -rf /usr/share/doc"] }
}
`

const containerfile = `FROM base
COPY motd /etc/motd
COPY site /srv/site
RUN mkdir -p /opt/app && date > /opt/app/made
RUN useradd --system app
RUN chown -R app /opt/app
RUN find /srv/site -type f | sort | xargs sha256sum > /opt/app/sums
RUN rm -rf /usr/share/doc
ENV SITE=/srv/site
CMD ["cat", "/opt/app/sums"]
`

const siteFiles = 100

// benchContainer measures what a second build costs. Both sides have the same
// base and the same BuildKit daemon, and both write an OCI layout.
func benchContainer(ctx context.Context, s *stand) ([]row, error) {
	k, err := s.startBuildKit(ctx)
	if err != nil {
		return nil, err
	}
	defer k.stop()
	base, err := k.base(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.writeContext(); err != nil {
		return nil, err
	}
	layout, err1 := s.write("layout.pkr.hcl", containerTemplate(fmt.Sprintf("  oci_layout = %q", k.layout)))
	packages, err2 := s.write("packages.pkr.hcl", containerTemplate(bootstrapBlock))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	known := &side{name: "ingot", turn: k.build("known", layout, false)}
	peer := &side{name: "buildctl build", turn: k.buildctl(base, "peer", false)}
	boot := &side{name: "ingot, bootstrap", turn: k.build("boot", packages, false)}
	solved := &side{name: "ingot, nothing kept", turn: k.build("solved", layout, true)}
	exported := &side{name: "buildctl, nothing kept", turn: k.buildctl(base, "exported", true)}
	if err := s.compare(ctx, known, peer, boot, solved, exported); err != nil {
		return nil, err
	}
	return []row{
		newRow("unchanged", known, peer, 1.5),
		newRow("bootstrap", boot, peer, 0, "as unchanged, with the base from bootstrap: asking the mirror whether it changed is in it, buildctl asks nobody"),
		newRow("re-solved", solved, exported, 1.5, "what the build before wrote is deleted on both sides: every step comes from BuildKit's cache and the image is exported again"),
	}, nil
}

const bootstrapBlock = `  bootstrap {
    suite = "bookworm"
  }`

func containerTemplate(base string) string {
	return `
source "docker" "web" {
` + base + `
  commit  = true
  changes = ["ENV SITE=/srv/site", "CMD [\"cat\", \"/opt/app/sums\"]"]
}

build {
  sources = ["source.docker.web"]
` + containerBuild
}

// writeContext writes the files that both sides upload.
func (s *stand) writeContext() error {
	_, err1 := s.write("context/motd", "welcome\n")
	_, err2 := s.write("context/Dockerfile", containerfile)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for i := range siteFiles {
		if _, err := s.write(fmt.Sprintf("context/site/%03d.html", i), fmt.Sprintf("<p>%d</p>\n", i)); err != nil {
			return err
		}
	}
	return nil
}

// buildKit is a BuildKit daemon of the bench's own.
type buildKit struct {
	*stand
	address, layout string // of the daemon; of the base's image
	stop            func()
}

func (s *stand) startBuildKit(ctx context.Context) (*buildKit, error) {
	const commands = "github.com/moby/buildkit/cmd/"
	s.say("building buildctl")
	if err := s.goBuild(ctx, commands+"buildctl"); err != nil {
		return nil, err
	}
	daemon := filepath.Join(filepath.Dir(s.ingot), "buildkitd")
	if find(daemon) == "" {
		s.say("building buildkitd")
		if err := s.goBuild(ctx, commands+"buildkitd"); err != nil {
			return nil, err
		}
		daemon = s.path("buildkitd")
	}
	address := "unix://" + s.path("buildkitd.sock")
	stop, err := s.serve(ctx, "running server", daemon, "--addr", address, "--root", s.path("buildkit"),
		"--containerd-worker=false", "--oci-worker=true")
	if err != nil {
		return nil, err
	}
	return &buildKit{stand: s, address: address, layout: s.path("base"), stop: stop}, nil
}

// base makes the image that both sides start from, as an OCI layout, and
// returns its digest.
func (k *buildKit) base(ctx context.Context) (string, error) {
	k.say("making the base with mmdebstrap")
	archive := k.path("base.tar")
	template, err := k.write("base.pkr.hcl", `
source "docker" "base" {
`+bootstrapBlock+`
  export_path   = "`+archive+`"
  export_format = "oci"
}

build {
  sources = ["source.docker.base"]
}
`)
	if err != nil {
		return "", err
	}
	c := command{argv: []string{k.ingot, "build", template}, env: []string{"BUILDKIT_HOST=" + k.address}}
	if _, err := k.run(ctx, c); err != nil {
		return "", err
	}
	if err := os.Mkdir(k.layout, 0o755); err != nil {
		return "", err
	}
	if _, err := k.output(ctx, "tar", "-x", "-f", archive, "-C", k.layout); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(k.layout, ocispec.ImageIndexFile))
	if err != nil {
		return "", err
	}
	var index ocispec.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return "", err
	}
	if len(index.Manifests) != 1 {
		return "", fmt.Errorf("%s has %d images, not one", archive, len(index.Manifests))
	}
	return index.Manifests[0].Digest.String(), nil
}

// buildctl is a turn of the peer. Forgetful removes what it exported before.
func (k *buildKit) buildctl(base, name string, forgetful bool) turn {
	out := k.path("work", name)
	return k.after(out, forgetful, command{argv: []string{
		k.path("buildctl"), "--addr", k.address, "build", "--frontend", "dockerfile.v0",
		"--local", "context=" + k.path("context"), "--local", "dockerfile=" + k.path("context"),
		"--opt", "context:base=oci-layout://base@" + base, "--oci-layout", "base=" + k.layout,
		"--output", "type=oci,tar=false,dest=" + out,
	}})
}

// build is a turn of ours, in a folder of its own. Forgetful removes what was
// recorded before, and the images.
func (k *buildKit) build(name, template string, forgetful bool) turn {
	dir := k.path("work", name)
	return k.after(filepath.Join(dir, ".ingot", "registry"), forgetful, command{
		argv: []string{k.ingot, "build", template}, dir: dir, env: []string{"BUILDKIT_HOST=" + k.address},
	})
}

// after is a turn of a command that may have to do without what it left.
func (k *buildKit) after(left string, forgetful bool, c command) turn {
	return func(ctx context.Context) (sample, error) {
		if err := os.MkdirAll(cmp.Or(c.dir, k.dir), 0o755); err != nil {
			return sample{}, err
		}
		if forgetful {
			if err := os.RemoveAll(left); err != nil {
				return sample{}, err
			}
		}
		return k.run(ctx, c)
	}
}
