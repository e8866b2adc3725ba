package dockerimport

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	c.Repository = "acme/web"
	change(c)
	return c
}

// rootfs writes a tar of these files, changed at noon, and returns the input.
func rootfs(t *testing.T, names ...string) postprocessors.Input {
	t.Helper()
	dir := t.TempDir()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range names {
		head := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(name)), ModTime: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "web.tar"), buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	in := postprocessortest.Input(dir, artifact.Artifact{Builder: "docker", ID: "Container", Arch: "arm64", Files: []artifact.File{{Path: "web.tar"}}})
	in.Host = builders.Host{Layout: filepath.Join(dir, "layout")}
	return in
}

func blob(t *testing.T, layout, sum string, into any) {
	t.Helper()
	algorithm, hex, _ := strings.Cut(sum, ":")
	text, err := os.ReadFile(filepath.Join(layout, "blobs", algorithm, hex))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	in := rootfs(t, "etc/os-release", "bin/web")
	c := config(func(c *Config) {
		c.Tag, c.Changes = "1.0", []string{`CMD ["web"]`, "ENV A=1", "EXPOSE 80"}
	})
	if err := c.Check(in); err != nil {
		t.Fatal(err)
	}
	res, err := c.Process(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	a := res.Artifact
	if res.Keep || a.ID != "acme/web:1.0" || len(a.Tags) != 1 || a.Tags[0] != a.ID || a.Image == nil || a.Image.Architecture != "arm64" {
		t.Fatalf("%+v", res)
	}
	var m ocispec.Manifest
	blob(t, in.Host.Layout, a.Image.Digest, &m)
	var img ocispec.Image
	blob(t, in.Host.Layout, m.Config.Digest.String(), &img)
	if diff := cmp.Diff(ocispec.ImageConfig{Cmd: []string{"web"}, Env: []string{"A=1"}, ExposedPorts: map[string]struct{}{"80/tcp": {}}}, img.Config); diff != "" {
		t.Error(diff)
	}
	if len(img.RootFS.DiffIDs) != 1 || img.OS != "linux" || img.Created.Format(time.TimeOnly) != "12:00:00" {
		t.Errorf("%+v", img)
	}
	if left, err := os.ReadDir(in.Host.Layout); err != nil || len(left) != 2 {
		t.Errorf("in the layout: %v, %v", left, err)
	}
	again, err := c.Process(t.Context(), in)
	if err != nil || again.Artifact.Image.Digest != a.Image.Digest {
		t.Errorf("again: %+v, %v", again, err)
	}
	unpack := "gzip -dc blobs/sha256/" + m.Layers[0].Digest.Encoded() + " | tee layer | tar -tf - && sha256sum <layer"
	cmd := exec.Command("sh", "-c", unpack)
	cmd.Dir = in.Host.Layout
	out, err := cmd.CombinedOutput()
	if want := "etc/os-release\nbin/web\n" + img.RootFS.DiffIDs[0].Encoded() + "  -\n"; err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}

// TestCompressed takes what docker import takes, and the files of compress.
func TestCompressed(t *testing.T) {
	t.Parallel()
	want, missing := "", ""
	for _, tool := range []string{"cat", "gzip -c", "xz -c", "bzip2 -c", "zstd -qc", "lz4 -qc"} {
		name, _, _ := strings.Cut(tool, " ")
		if _, err := exec.LookPath(name); err != nil {
			missing += " " + name
			continue
		}
		in := rootfs(t, "a", "b")
		cmd := exec.Command("sh", "-c", tool+" <web.tar >packed && mv packed web.tar")
		cmd.Dir = in.Dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		res, err := config(func(*Config) {}).Process(t.Context(), in)
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		if got := res.Artifact.Image.Digest; want == "" {
			want = got
		} else if got != want {
			t.Errorf("%s: another image", tool)
		}
	}
	if missing != "" {
		t.Skip("cannot run here: there is no" + missing)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{})
	for _, c := range []struct {
		change       func(*Config)
		option, want string
	}{
		{func(c *Config) { c.Repository = "" }, "repository", "is not a name"},
		{func(c *Config) { c.Repository = "web:1" }, "repository", "without a tag"},
		{func(c *Config) { c.Tag = "a b" }, "tag", "is not a tag"},
		{func(c *Config) { c.Platform = "a/b/c/d" }, "platform", "is not a platform"},
		{func(c *Config) { c.Changes = []string{"RUN x"} }, "changes", "unknown instruction RUN"},
	} {
		postprocessortest.Refuses(t, config(c.change), in, c.option, c.want)
	}
}

func TestProcessRefuses(t *testing.T) {
	t.Parallel()
	two := rootfs(t, "a")
	two.Artifact.Files = append(two.Artifact.Files, artifact.File{Path: "b"})
	image := rootfs(t, "a")
	image.Artifact.Files, image.Artifact.Image = nil, &artifact.Image{}
	text := rootfs(t, "a")
	if err := os.WriteFile(text.Path("web.tar"), bytes.Repeat([]byte("text "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	cut := rootfs(t, "a", "b")
	if err := os.Truncate(cut.Path("web.tar"), 1200); err != nil {
		t.Fatal(err)
	}
	for want, in := range map[string]postprocessors.Input{
		"the artifact has 2 files":         two,
		"the artifact is an image already": image,
		"is not a tar":                     text,
		"read the tar":                     cut,
		"an archive of an image":           rootfs(t, "oci-layout", "blobs/sha256/0"),
	} {
		_, err := config(func(*Config) {}).Process(t.Context(), in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if left, _ := filepath.Glob(filepath.Join(in.Host.Layout, "ingest", "*")); len(left) > 0 {
			t.Errorf("%s: left %v", want, left)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := config(func(*Config) {}).Process(ctx, rootfs(t, "a")); err == nil {
		t.Error("not cancelled")
	}
}
