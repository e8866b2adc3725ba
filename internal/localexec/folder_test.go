package localexec_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
)

// What a run that was killed has left is removed by the next one, what another
// one uses stays.
func TestAbandoned(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	abandoned := filepath.Join(temp, "ingot-local-1")
	if err := os.MkdirAll(abandoned, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(abandoned, "script"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := run(t, t.Context(), &op.Local{Argv: []string{"ls", temp}})
	if err != nil || len(got) != 1 || got[0] == filepath.Base(abandoned) {
		t.Errorf("during a run: %q, %v", got, err)
	}
	outer := &op.Local{Argv: []string{"sh", "-c", "touch started; until [ -e stop ]; do sleep 0.02; done; ls"}, Dir: t.TempDir()}
	done := make(chan error)
	go func() {
		_, err := run(t, t.Context(), outer)
		done <- err
	}()
	waitFor(t, filepath.Join(outer.Dir, "started"))
	got, err = run(t, t.Context(), &op.Local{Argv: []string{"ls", temp}})
	if err != nil || len(got) != 2 {
		t.Errorf("beside another run: %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(outer.Dir, "stop"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func waitFor(t *testing.T, file string) {
	t.Helper()
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
