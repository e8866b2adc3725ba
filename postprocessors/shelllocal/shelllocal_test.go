package shelllocal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"inline", func(c *Config) { c.Inline = provisionertest.Plain("echo $PACKER_BUILD_NAME", "pwd -P") }, "web\nDIR"},
		{"script where it is", func(c *Config) { c.Script = "near.sh" }, "beside near.sh"},
		{"script without an interpreter", func(c *Config) { c.Scripts = []string{"plain.sh"} }, "plain"},
		{"secrets by the environment", func(c *Config) {
			c.Inline, c.Env = provisionertest.Plain(`echo "$T" | tr 2 3`), map[string]secret.String{"T": secret.Sensitive("hunter2")}
		}, "hunter3"},
		{"secrets by a command", func(c *Config) {
			c.Inline, c.Env = provisionertest.Plain(`echo "$T" | tr 2 3`), map[string]secret.String{"T": secret.Sensitive("it's 2")}
			c.ExecuteCommand = provisionertest.Plain("/bin/bash", "-c", `{{.Vars}} sh {{.Script}}; tr '\0' ' ' < /proc/$$/cmdline | grep -o "it's" || echo clean`)
		}, "it's 3\nclean"},
		{"exit code", func(c *Config) { c.Inline, c.ValidExitCodes = provisionertest.Plain("exit 4"), []int{4} }, ""},
		{"elsewhere", func(c *Config) { c.Inline, c.OnlyOn = provisionertest.Plain("exit 1"), []string{"windows"} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" {
				t.Skip("cannot run here: reads /proc")
			}
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"near.sh": "#!/bin/sh\necho beside $(basename $(ls $(dirname $0)/near*))\n", "plain.sh": "echo plain\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			in := postprocessortest.Input(dir, artifact.Artifact{ID: "x"})
			var shown postprocessortest.Lines
			in.Log = event.Log{Sink: &shown}
			c := config(tt.change)
			if err := c.Check(in); err != nil {
				t.Fatal(err)
			}
			res, err := c.Process(context.Background(), in)
			if err != nil || res.Artifact.ID != "x" || !res.Keep || !res.MustKeep {
				t.Fatalf("%+v, %v", res, err)
			}
			want := tt.want
			if want == "web\nDIR" {
				want = "web\n" + dir
			}
			if shown.String() != want {
				t.Errorf("printed %q, want %q", shown.String(), want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{})
	postprocessortest.Refuses(t, config(func(*Config) {}), in, "", "is needed")
	_, err := config(func(c *Config) { c.Inline = provisionertest.Plain("exit 3") }).Process(context.Background(), in)
	var exit *builders.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("got %v", err)
	}
}
