package main

import (
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
	peer := func() *side { return &side{name: "buildctl build", turn: k.buildctl(base)} }
	known := &side{name: "ingot", turn: k.build("known", layout, false)}
	solved := &side{name: "ingot, nothing recorded", turn: k.build("solved", layout, true)}
	boot := &side{name: "ingot, bootstrap", turn: k.build("boot", packages, false)}
	them := peer()
	if err := s.compare(ctx, known, them, solved, boot); err != nil {
		return nil, err
	}
	return []row{
		newRow("unchanged", known, them, 1.5),
		newRow("re-solved", solved, them, 1.5, "ingot's record of the build is deleted before each turn: every step comes from BuildKit's cache and the image is exported again"),
		newRow("bootstrap", boot, them, 0, "as unchanged, with the base from bootstrap: asking the mirror whether it changed is in it, buildctl asks nobody"),
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
	s.say("building buildkitd and buildctl")
	const commands = "github.com/moby/buildkit/cmd/"
	if err := s.goBuild(ctx, commands+"buildkitd", commands+"buildctl"); err != nil {
		return nil, err
	}
	socket := s.path("buildkitd.sock")
	stop, err := s.serve(ctx, "running server", s.path("buildkitd"), "--addr", "unix://"+socket,
		"--root", s.path("buildkit"), "--containerd-worker=false", "--oci-worker=true")
	if err != nil {
		return nil, err
	}
	return &buildKit{stand: s, address: "unix://" + socket, layout: s.path("base"), stop: stop}, nil
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

// buildctl is a turn of the peer.
func (k *buildKit) buildctl(base string) turn {
	argv := []string{
		k.path("buildctl"), "--addr", k.address, "build", "--frontend", "dockerfile.v0",
		"--local", "context=" + k.path("context"), "--local", "dockerfile=" + k.path("context"),
		"--opt", "context:base=oci-layout://base@" + base, "--oci-layout", "base=" + k.layout,
		"--output", "type=oci,tar=false,dest=" + k.path("buildctl-out"),
	}
	return k.command(argv...)
}

// build is a turn of ours, in a folder of its own. Forgetful removes what was
// recorded before.
func (k *buildKit) build(name, template string, forgetful bool) turn {
	dir := k.path("work", name)
	c := command{argv: []string{k.ingot, "build", template}, dir: dir, env: []string{"BUILDKIT_HOST=" + k.address}}
	return func(ctx context.Context) (sample, error) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return sample{}, err
		}
		if forgetful {
			if err := os.RemoveAll(filepath.Join(dir, ".ingot", "registry")); err != nil {
				return sample{}, err
			}
		}
		return k.run(ctx, c)
	}
}
