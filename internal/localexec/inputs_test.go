package localexec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// An input may go to a folder that is there, under a name of its own, and stays
// there where that is asked for. Its mode is what is asked for, for its owner.
func TestInputElsewhere(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		dir := t.TempDir()
		o := &op.Local{
			Argv: []string{"sh", "-c", "stat -c '%a %n' hosts-*"}, Dir: dir, KeepInputs: keep,
			Inputs: []op.File{{Path: "hosts-" + op.Token(op.LocalID), Mode: 0o644, Blob: op.Text(secret.Plain("a host\n"))}},
		}
		got, err := run(t, t.Context(), o)
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "600 hosts-") {
			t.Errorf("%q, %v", got, err)
		}
		left, err := filepath.Glob(filepath.Join(dir, "hosts-*"))
		if err != nil || (len(left) == 1) != keep {
			t.Errorf("keep is %t, left %q, %v", keep, left, err)
		}
	}
	taken := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, t.Context(), &op.Local{Argv: []string{"true"}, Inputs: []op.File{{Path: taken}}}); err == nil {
		t.Error("a file that is there was taken for an input")
	}
}
