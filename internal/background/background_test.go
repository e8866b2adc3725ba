package background

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain is the process that tests start, too.
func TestMain(m *testing.M) {
	switch how := os.Getenv("BACKGROUND"); how {
	case "":
		os.Exit(m.Run())
	case "ready":
		report := Reporting()
		report.Ready()
		report.Fail(errors.New("late"))
	case "fails":
		os.Stderr.WriteString("why it fails\n")
		Reporting().Fail(errors.New("it\nfails"))
	case "hangs":
		select {}
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{
		"ready": "", "fails": "it fails", "ends": "the program ended before it was ready",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "log")
			err := start(t.Context(), how, log)
			if err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
				t.Errorf("error %v, want %q", err, want)
			}
			if text, err := os.ReadFile(log); err != nil || how == "fails" && string(text) != "why it fails\n" {
				t.Errorf("the log is %q (%v)", text, err)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cmd := command("hangs")
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	cancel(why)
	if err := Start(ctx, cmd, filepath.Join(t.TempDir(), "log"), "the program"); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

// A process that outlives a run keeps no secret of its environment.
func TestSettings(t *testing.T) {
	t.Parallel()
	given := []string{"PATH=/bin", "https_proxy=http://p:1", "LC_ALL=C", "INGOT_BUILDKIT_IDLE=1s", "PKR_VAR_password=x",
		"INGOT_VAR_password=x", "AWS_SECRET_ACCESS_KEY=x", "VAULT_TOKEN=x", "GOOGLE_APPLICATION_CREDENTIALS=x", "MY_PATH=x", "PATH_TOKEN=x"}
	if got := settings(slices.Clone(given)); !slices.Equal(got, given[:4]) {
		t.Errorf("it gets %q", got)
	}
}

func start(ctx context.Context, how, log string) error {
	return Start(ctx, command(how), log, "the program")
}

func command(how string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BACKGROUND="+how)
	return cmd
}
