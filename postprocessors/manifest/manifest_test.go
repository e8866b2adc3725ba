package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

// appendTo names the manifest that a process of TestProcesses adds to.
const appendTo = "INGOT_TEST_APPEND_TO"

const entriesEach = 20

func TestMain(m *testing.M) {
	if path := os.Getenv(appendTo); path != "" {
		os.Exit(appendEntries(path))
	}
	os.Exit(m.Run())
}

func appendEntries(path string) int {
	for i := range entriesEach {
		in := postprocessortest.Input("", artifact.Artifact{ID: fmt.Sprintf("%d-%d", os.Getpid(), i)})
		if _, err := (&Config{Output: path}).Process(context.Background(), in); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	return 0
}

func process(t *testing.T, c *Config, dir string, force bool, runID string, a artifact.Artifact) string {
	t.Helper()
	in := postprocessortest.Input(dir, a)
	in.Force, in.RunID = force, runID
	res, err := c.Process(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if !res.Keep || !res.MustKeep || res.Artifact.ID != a.ID {
		t.Errorf("result is %+v", res)
	}
	text, err := os.ReadFile(filepath.Join(dir, c.Output))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const first = `    {
      "name": "web",
      "builder_type": "docker",
      "files": [
        {
          "name": "image.tar",
          "size": 5
        }
      ],
      "artifact_id": "eu-west-1:ami-1",
      "packer_run_uuid": "run-1",
      "custom_data": {
        "password": "\u003csensitive\u003e",
        "who": "me"
      }
    }`

const second = `    {
      "name": "web",
      "builder_type": "docker",
      "files": null,
      "artifact_id": "sha256:1",
      "packer_run_uuid": "RUN",
      "custom_data": null
    }`

func manifestOf(run string, entries ...string) string {
	return "{\n  \"builds\": [\n" + strings.Join(entries, ",\n") + "\n  ],\n  \"last_run_uuid\": \"" + run + "\"\n}"
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "out/image.tar"), []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &Config{Output: "logs/m.json", StripTime: true, StripPath: true,
		CustomData: map[string]secret.String{"who": secret.Plain("me"), "password": secret.Sensitive("hunter2")}}
	plain := &Config{Output: c.Output, StripTime: true}
	withFile := artifact.Artifact{ID: "eu-west-1:ami-1", Files: []artifact.File{{Path: "out/image.tar"}}}
	other := artifact.Artifact{ID: "sha256:1"}
	for _, tt := range []struct {
		name      string
		got, want string
	}{
		{"new", process(t, c, dir, false, "run-1", withFile), manifestOf("run-1", first)},
		{"appended by a later run", process(t, plain, dir, false, "run-2", other),
			manifestOf("run-2", first, strings.ReplaceAll(second, "RUN", "run-2"))},
		{"begun anew by -force", process(t, plain, dir, true, "run-3", other), manifestOf("run-3", strings.ReplaceAll(second, "RUN", "run-3"))},
		{"but once in a run", process(t, plain, dir, true, "run-3", other),
			manifestOf("run-3", strings.ReplaceAll(second, "RUN", "run-3"), strings.ReplaceAll(second, "RUN", "run-3"))},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "logs"))
	if err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
}

func TestPathAndTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := time.Now().Unix()
	var doc struct{ Builds []entry }
	text := process(t, Definition().New().(*Config), dir, false, "r", artifact.Artifact{Files: []artifact.File{{Path: "gone/a", Size: 7}}})
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	e := doc.Builds[0]
	if e.BuildTime < before || e.Files[0] != (file{Name: "gone/a", Size: 7}) {
		t.Errorf("entry is %+v", e)
	}
}

// A link to a manifest stays a link, and entries that Packer wrote stay as
// they are, also what this version does not know.
func TestExisting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "real.json")
	if err := os.WriteFile(target, []byte(`{"builds":[{"name":"old","more":1}],"last_run_uuid":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.json", filepath.Join(dir, "m.json")); err != nil {
		t.Fatal(err)
	}
	text := process(t, &Config{Output: "m.json", StripTime: true}, dir, false, "RUN", artifact.Artifact{ID: "sha256:1"})
	old := "    {\n      \"name\": \"old\",\n      \"more\": 1\n    }"
	if diff := cmp.Diff(manifestOf("RUN", old, second), text); diff != "" {
		t.Error(diff)
	}
	if st, err := os.Lstat(filepath.Join(dir, "m.json")); err != nil || st.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link became %v (%v)", st, err)
	}
	if st, err := os.Stat(target); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the mode became %v (%v)", st, err)
	}
}

func TestNotAManifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "m.json")
	if err := os.WriteFile(path, []byte("# notes"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := (&Config{Output: "m.json"}).Process(context.Background(), postprocessortest.Input(dir, artifact.Artifact{}))
	if err == nil || !strings.Contains(err.Error(), "is not a manifest") || builders.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "# notes" {
		t.Errorf("the file became %q", text)
	}
	process(t, &Config{Output: "m.json"}, dir, true, "r", artifact.Artifact{})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{})
	postprocessortest.Refuses(t, &Config{}, in, "output", "empty")
	postprocessortest.Refuses(t, &Config{Output: "."}, in, "output", "is a folder")
	if err := Definition().New().Check(in); err != nil {
		t.Error(err)
	}
}

// Processes that add to one manifest at the same time lose nothing.
func TestProcesses(t *testing.T) {
	t.Parallel()
	const processes = 4
	path := filepath.Join(t.TempDir(), "m.json")
	var cmds []*exec.Cmd
	for range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), appendTo+"="+path)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Builds []entry }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, e := range doc.Builds {
		ids[e.ArtifactID] = true
	}
	if len(ids) != processes*entriesEach {
		t.Errorf("%d entries, want %d", len(ids), processes*entriesEach)
	}
}
