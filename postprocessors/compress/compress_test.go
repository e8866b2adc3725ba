package compress

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

// files writes files, the first of them of some size, and returns an
// artifact of them.
func files(t *testing.T, dir string, names ...string) artifact.Artifact {
	t.Helper()
	a := artifact.Artifact{Builder: "docker", ID: "Container"}
	for i, name := range names {
		text := []byte("hello from " + name + "\n")
		for r := rand.New(rand.NewPCG(1, 2)); i == 0 && len(text) < 1<<18; {
			text = append(append(text, byte(r.Uint32())), "a line that comes often"...)
		}
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, name)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o640); err != nil {
			t.Fatal(err)
		}
		a.Files = append(a.Files, artifact.File{Path: name, Size: int64(len(text))})
	}
	return a
}

// TestFormats unpacks what is written with the programs of each format.
func TestFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		output, format string
		unpack         string // into the folder "got", from $F
	}{
		{"", "", "tar -xzf $F -C got"},
		{"x.tar", "", "tar -xf $F -C got"},
		{"x.tar.gz", "", "gzip -t $F && tar -xzf $F -C got"},
		{"x.tgz", "", "gzip -t $F && tar -xzf $F -C got"},
		{"x.zip", "", "unzip -q $F -d got"},
		{"x.tar.lz4", "", "lz4 -dc $F | tar -x -C got"},
		{"x.tar.bgzf", "", "bgzip -dc $F | tar -x -C got"},
		{"x.tar.xz", "", "xz -dc $F | tar -x -C got"},
		{"x.tar.bzip2", "", "bzip2 -dc $F | tar -x -C got"},
		{"x.tar.bz2", "", "bzip2 -dc $F | tar -x -C got"},
		{"x.box", "", "tar -xzf $F -C got"},
		{"x.gz", "", "gzip -dc <$F >got/a"},
		{"x.lz4", "", "lz4 -dc $F >got/a"},
		{"x.bgzf", "", "bgzip -t $F && bgzip -dc $F >got/a"},
		{"x.xz", "", "xz -dc $F >got/a"},
		{"x.bzip2", "", "bzip2 -dc <$F >got/a"},
		{"x.out", "zip", "unzip -q $F -d got"},
		{"x.zip", ".tar.xz", "xz -dc <$F | tar -x -C got"},
	} {
		t.Run(c.output+c.format, func(t *testing.T) {
			t.Parallel()
			tool, _, _ := strings.Cut(c.unpack, " ")
			if _, err := exec.LookPath(tool); err != nil {
				t.Skip("cannot run here: there is no " + tool)
			}
			for _, level := range []int{-1, 9} {
				roundTrip(t, c.output, c.format, c.unpack, level)
			}
		})
	}
}

func roundTrip(t *testing.T, output, format, unpack string, level int) {
	t.Helper()
	dir := t.TempDir()
	a := files(t, dir, "a", "sub/b")
	if strings.Contains(unpack, "got/a") {
		a = files(t, dir, "a")
	}
	want := "packer_web_docker"
	p := config(func(c *Config) {
		if c.Format = format; output != "" {
			c.Output, want = output, output
		}
		if output != "x.tar" && level > 0 {
			c.CompressionLevel = &level
		}
	})
	in := postprocessortest.Input(dir, a)
	if err := p.Check(in); err != nil {
		t.Fatal(err)
	}
	res, err := p.Process(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if res.Keep || len(res.Artifact.Files) != 1 || res.Artifact.Files[0].Path != want {
		t.Fatalf("%+v", res)
	}
	st, err := os.Stat(filepath.Join(dir, want))
	if err != nil || st.Size() != res.Artifact.Files[0].Size || st.Mode().Perm() != 0o644 {
		t.Fatalf("%v, %v", st, err)
	}
	cmd := exec.Command("sh", "-c", "mkdir got && "+unpack)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "F="+want)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", unpack, err, out)
	}
	for _, f := range a.Files {
		was, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		if is, err := os.ReadFile(filepath.Join(dir, "got", f.Path)); err != nil || !bytes.Equal(is, was) {
			t.Errorf("%s at level %d: %s differs: %v", want, level, f.Path, err)
		}
	}
}

// TestNames is about the names in archives, none of which is absolute.
func TestNames(t *testing.T) {
	t.Parallel()
	other := t.TempDir()
	for _, c := range []struct {
		archive string
		files   []string
		want    []string
	}{
		{"tar", []string{"out/a"}, []string{"a"}},
		{"zip", []string{"out/a"}, []string{"out/a"}},
		{"tar", []string{"out/a", "out/b"}, []string{"a", "b"}},
		{"zip", []string{"out/a", "out/b"}, []string{"out/a", "out/b"}},
		{"tar", []string{"one/a", "two/a"}, []string{"one/a", "two/a"}},
		{"zip", []string{other + "/one/a", other + "/two"}, []string{"one/a", "two"}},
		{"tar", []string{other + "/one/a"}, []string{"a"}},
		{"zip", []string{"../a"}, []string{"a"}},
	} {
		dir := filepath.Join(t.TempDir(), "here")
		in := postprocessortest.Input(dir, files(t, dir, c.files...))
		list, err := list(in, "x", form{archive: c.archive})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range list {
			got = append(got, m.name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s of %v: %s", c.archive, c.files, diff)
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := postprocessortest.Input(dir, artifact.Artifact{})
	level := func(output string, n int) *Config {
		return config(func(c *Config) { c.Output, c.CompressionLevel = output, &n })
	}
	for _, c := range []struct {
		config       *Config
		option, want string
	}{
		{config(func(c *Config) { c.Output = "" }), "output", "must not be empty"},
		{config(func(c *Config) { c.Output = "{{.Nope}}" }), "output", "Nope"},
		{config(func(c *Config) { c.Output = "." }), "output", "is a folder"},
		{config(func(c *Config) { c.Format = "rar" }), "format", `"rar" is not known`},
		{level("x", 10), "compression_level", "10 is not in the range of tar.gz, 0 to 9"},
		{level("x.zip", -2), "compression_level", "-2 is not in the range"},
		{level("x.bzip2", 0), "compression_level", "0 is not in the range of bzip2, 1 to 9"},
		{level("x.tar", 3), "compression_level", "tar is not compressed"},
	} {
		postprocessortest.Refuses(t, c.config, in, c.option, c.want)
	}
}

func TestProcessRefuses(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		output string
		files  []string
	}{
		"the artifact has no files":               {"x.zip", nil},
		"the artifact has 2 files, and gz is for": {"x.gz", []string{"a", "b"}},
		"a.tar is a file of the artifact itself":  {"a.tar", []string{"a.tar"}},
		"sub is not a regular file":               {"x.tar", []string{"sub/a"}},
	} {
		dir := t.TempDir()
		a := files(t, dir, c.files...)
		if len(c.files) > 0 && c.files[0] == "sub/a" {
			a.Files[0].Path = "sub"
		}
		_, err := config(func(p *Config) { p.Output = c.output }).Process(t.Context(), postprocessortest.Input(dir, a))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestCancel leaves what was there, and nothing else.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, output := range []string{"x.tar.gz", "x.zip", "x.lz4", "x.bgzf", "x.xz", "x.bzip2"} {
		dir := t.TempDir()
		a := files(t, dir, "a")
		if err := os.WriteFile(filepath.Join(dir, output), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := config(func(c *Config) { c.Output = output }).Process(ctx, postprocessortest.Input(dir, a))
		if err == nil || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("%s: %v", output, err)
		}
		var names []string
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if err != nil || !slices.Equal(names, []string{"a", output}) {
			t.Errorf("%s left %v, %v", output, names, err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, output)); err != nil || string(text) != "old" {
			t.Errorf("%s is %q, %v", output, text, err)
		}
	}
}
