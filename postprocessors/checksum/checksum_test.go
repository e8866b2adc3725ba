package checksum

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

// folder has the files a.img ("abc") and sub/b.img (""), whose checksums are
// the test vectors of the standards.
func folder(t *testing.T) (string, artifact.Artifact) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a.img": "abc", "sub/b.img": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, artifact.Artifact{Files: []artifact.File{{Path: "a.img", Size: 3}, {Path: "sub/b.img"}}}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		config *Config
		want   map[string]string
	}{
		{"default", Definition().New().(*Config), map[string]string{
			"packer_web_docker_md5.checksum": "900150983cd24fb0d6963f7d28e17f72\ta.img\nd41d8cd98f00b204e9800998ecf8427e\tb.img\n",
		}},
		{"several", &Config{ChecksumTypes: []string{"sha1", "sha224", "sha256"}, Output: "sums/{{.ChecksumType}}"}, map[string]string{
			"sums/sha1":   "a9993e364706816aba3e25717850c26c9cd0d89d\ta.img\nda39a3ee5e6b4b0d3255bfef95601890afd80709\tb.img\n",
			"sums/sha224": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7\ta.img\nd14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f\tb.img\n",
			"sums/sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\ta.img\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\tb.img\n",
		}},
		{"one file for all", &Config{ChecksumTypes: []string{"md5", "sha1"}, Output: "SUMS"}, map[string]string{
			"SUMS": "900150983cd24fb0d6963f7d28e17f72\ta.img\nd41d8cd98f00b204e9800998ecf8427e\tb.img\n" +
				"a9993e364706816aba3e25717850c26c9cd0d89d\ta.img\nda39a3ee5e6b4b0d3255bfef95601890afd80709\tb.img\n",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, a := folder(t)
			for range 2 { // the second time adds nothing
				res, err := tt.config.Process(context.Background(), postprocessortest.Input(dir, a))
				if err != nil || !res.Keep || !res.MustKeep {
					t.Fatalf("%+v, %v", res, err)
				}
				got := map[string]string{}
				for _, f := range res.Artifact.Files[2:] {
					text, err := os.ReadFile(filepath.Join(dir, f.Path))
					if err != nil || int64(len(text)) != f.Size {
						t.Errorf("%s has size %d in the artifact and %d (%v)", f.Path, f.Size, len(text), err)
					}
					got[f.Path] = string(text)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("checksums (-want +got):\n%s", diff)
				}
			}
			if len(a.Files) != 2 {
				t.Error("the input was changed")
			}
		})
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64} {
		if h := newHash(name); h == nil || h.Size() != size {
			t.Errorf("%s is %v", name, h)
		}
	}
}

func TestNothingToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := postprocessortest.Input(dir, artifact.Artifact{ID: "ami-1"})
	var shown postprocessortest.Lines
	in.Log = event.Log{Sink: &shown}
	if _, err := Definition().New().(*Config).Process(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(shown.String(), "the artifact has no files") {
		t.Errorf("shown: %q", shown.String())
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{Files: []artifact.File{{Path: "gone"}}})
	c := Definition().New().(*Config)
	if _, err := c.Process(context.Background(), in); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(in.Dir); err != nil || len(left) > 0 {
		t.Errorf("left %v (%v)", left, err)
	}
	postprocessortest.Refuses(t, &Config{Output: "x"}, in, "checksum_types", "empty")
	postprocessortest.Refuses(t, &Config{ChecksumTypes: []string{"crc"}, Output: "x"}, in, "checksum_types", `"crc" is none of`)
	postprocessortest.Refuses(t, &Config{ChecksumTypes: []string{"md5"}}, in, "output", "empty")
	postprocessortest.Refuses(t, &Config{ChecksumTypes: []string{"md5"}, Output: "{{.Nope}}"}, in, "output", "Nope")
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	dir, a := folder(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Definition().New().Process(ctx, postprocessortest.Input(dir, a)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
