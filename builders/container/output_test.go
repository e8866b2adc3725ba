package container

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/buildkitd"
	"github.com/ingot-build/ingot/internal/artifact"
)

func imageConfig(t *testing.T, img *artifact.Image) dockerspec.DockerOCIImage {
	t.Helper()
	text, err := readBlob(img.Layout, ocispec.Descriptor{Digest: digestOf(img.Digest)})
	if err != nil {
		t.Fatal(err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if text, err = readBlob(img.Layout, m.Config); err != nil {
		t.Fatal(err)
	}
	var c dockerspec.DockerOCIImage
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// A committed image has the changes, the author and the message, and can be
// what the next build starts from.
func TestCommitThenLayout(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		c.Author, c.Message = "Ann", "the first"
		c.Changes = []string{"ENV GREETING=hello", "WORKDIR /srv", "USER www-data", `CMD ["/bin/date"]`}
	})
	s := b.begin()
	b.apply(s, sh("mkdir -p /srv; echo layered > /srv/file"))
	a, err := s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := imageConfig(t, a.Image)
	last := c.History[len(c.History)-1]
	if c.Author != "Ann" || last.Comment != "the first" || !last.EmptyLayer || c.Config.WorkingDir != "/srv" || c.Config.User != "www-data" {
		t.Errorf("configuration: %+v", c)
	}
	if h := c.History[len(c.History)-2]; h.CreatedBy != "shell: /bin/sh -c mkdir -p /srv; echo layered > /srv/file" || h.EmptyLayer {
		t.Errorf("history: %+v", c.History)
	}
	index, err := json.Marshal(ocispec.Index{Manifests: []ocispec.Descriptor{{
		MediaType: a.Image.MediaType, Digest: digestOf(a.Image.Digest), Size: a.Image.Size,
		Annotations: map[string]string{ocispec.AnnotationRefName: "v1"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.host.Layout, ocispec.ImageIndexFile), index, 0o644); err != nil {
		t.Fatal(err)
	}
	from := func(layout string) *bench {
		return newBench(t, func(c *Config) { c.Bootstrap, c.OCILayout = nil, layout })
	}
	for _, tag := range []string{"", ":v1", "@" + a.ID} {
		b2 := from(b.host.Layout + tag)
		s := b2.begin()
		s.(builders.Forcer).Force()
		b2.apply(s, sh("cat file; echo $GREETING; id -un"))
		if got := strings.Join(b2.output(), " "); got != "layered hello www-data" {
			t.Errorf("%q: got %q", tag, got)
		}
	}
	for layout, want := range map[string]string{
		b.host.Layout + ":v2": `has no image tagged "v2"; it has ["v1"]`,
		t.TempDir():           "is no OCI image layout",
		b.host.Layout + "@" + digest.FromString("x").String(): "has no image sha256:",
	} {
		if _, err := from(layout).builder.Resolve(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", layout, err)
		}
	}
}

// names returns the names in a tar file.
func names(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.TrimPrefix(h.Name, "./"))
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	needDebian(t)
	for format, want := range map[string]string{formatRootfs: "made", formatDocker: "manifest.json", formatOCI: "oci-layout"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *Config) { c.Commit, c.ExportPath, c.ExportFormat = false, "out/image.tar", format })
			path := filepath.Join(b.host.Dir, "out/image.tar")
			s := b.begin()
			b.apply(s, sh("echo x > /made"))
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("before the end: %v", err)
			}
			a, err := s.Seal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := names(t, path); !slices.Contains(got, want) {
				t.Errorf("no %s in %q", want, got)
			}
			if ok, err := b.builder.Exists(t.Context(), a); !ok || err != nil {
				t.Errorf("exists: %v, %v", ok, err)
			}
			if err := os.Truncate(path, 1); err != nil {
				t.Fatal(err)
			}
			if ok, err := b.builder.Exists(t.Context(), a); ok || err != nil {
				t.Errorf("exists with another size: %v, %v", ok, err)
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A result that is discarded, or that was not asked for, is nowhere.
func TestDiscard(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Commit, c.Discard = false, true })
	s := b.begin()
	b.apply(s, sh("echo x > /made"))
	a, err := s.Seal(t.Context())
	if err != nil || a.Image != nil || len(a.Files) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	if ok, err := b.builder.Exists(t.Context(), a); !ok || err != nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
	b = newBench(t, func(c *Config) { c.Commit, c.ExportPath = false, "image.tar" })
	s = b.begin()
	b.apply(s, sh("echo x > /made"))
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(b.host.Dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Sealing twice the same, from nothing but the base.
func TestSealBase(t *testing.T) {
	t.Parallel()
	var digests []string
	for range 2 {
		b := newBench(t, func(c *Config) { c.Changes = []string{"LABEL only=changes"} })
		a, err := b.begin().Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := imageConfig(t, a.Image).Config.Labels; !cmp.Equal(got, map[string]string{"only": "changes"}) {
			t.Errorf("labels: %v", got)
		}
		digests = append(digests, a.Image.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("got %v", digests)
	}
}

func TestForeignPlatform(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Platform = "linux/s390x" })
	if files, _ := filepath.Glob("/proc/sys/fs/binfmt_misc/qemu-s390x"); len(files) != 0 {
		t.Skip("cannot run here: this host has an emulator for s390x")
	}
	base, err := b.builder.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.builder.Begin(t.Context(), base, builders.Env{})
	if err == nil || !strings.Contains(err.Error(), "linux/s390x") || builders.Hint(err) == "" {
		t.Errorf("got %v (hint %q)", err, builders.Hint(err))
	}
}

// A daemon that is killed in the middle of a step is one clear error; the next
// session gets a new daemon.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	needDebian(t)
	own := t.TempDir()
	if err := os.Symlink(filepath.Join(cache, "bases"), filepath.Join(own, "bases")); err != nil {
		t.Fatal(err)
	}
	daemon := filepath.Join(own, "buildkit")
	t.Cleanup(func() {
		if err := buildkitd.Stop(context.Background(), daemon); err != nil {
			t.Error(err)
		}
	})
	b := newBench(t, nil)
	b.host.Cache = own
	var err error
	if b.builder, err = debianConfig().Open(b.host); err != nil {
		t.Fatal(err)
	}
	s := b.begin()
	failed := make(chan error, 1)
	go func() { failed <- try(t, s, sh("echo under way; sleep 654321")) }()
	b.await("under way")
	kill(t, daemon)
	err = <-failed
	if !errors.Is(err, builders.ErrConnectionLost) || err.Error() != "buildkitd went away: the connection to the machine was lost" || builders.Hint(err) == "" {
		t.Errorf("got %v (hint %q)", err, builders.Hint(err))
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if running("654321") {
		t.Error("the command outlives its daemon")
	}
	s = b.begin()
	b.apply(s, sh("echo again"))
	if !b.has("again") {
		t.Errorf("output: %q", b.output())
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// kill kills the daemon of a folder, found by the root folder in its command.
func kill(t *testing.T, dir string) {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		text, err := os.ReadFile(f)
		args := strings.Split(string(text), "\x00")
		if err != nil || !slices.Contains(args, filepath.Join(dir, "root")) {
			continue
		}
		var pid int
		for _, c := range filepath.Base(filepath.Dir(f)) {
			pid = pid*10 + int(c-'0')
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the daemon is not running")
}
