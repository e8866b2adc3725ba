package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ingot-build/ingot/internal/artifact"
)

// childMode is the environment variable that makes the test binary a publisher.
const childMode = "INGOT_TEST_PUBLISHER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		if err := publisher(mode, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// publisher is the main function of a publishing process.
func publisher(mode string, args []string) error {
	address, layoutDir, name := args[0], args[1], args[2]
	if mode == "lease" {
		return leaseholder(address, layoutDir, name)
	}
	r, err := Open(address, layoutDir)
	if err != nil {
		return err
	}
	if mode == "forever" {
		for i := 0; ; i++ {
			if err := publishOne(r, fmt.Sprintf("%s-%d", name, i)); err != nil {
				return err
			}
			fmt.Println("published", i)
		}
	}
	if err := publishOne(r, name); err != nil {
		return err
	}
	// All publishers want this name, each for something else.
	_, isNew, err := r.Publish(context.Background(), Version{Bucket: "web", Name: "1.0.0", Records: []artifact.Record{machine("null.web", name)}})
	var conflict *ConflictError
	switch {
	case err == nil && isNew:
		fmt.Println("won")
	case errors.As(err, &conflict):
		fmt.Println("lost")
	default:
		return fmt.Errorf("1.0.0: new %v, %w", isNew, err)
	}
	return nil
}

// publishOne publishes a version with a container and a machine, and points
// the channel to it.
func publishOne(r *Registry, name string) error {
	ctx := context.Background()
	img, err := writeImage(r.Layout(), "docker.web", name, "amd64")
	if err != nil {
		return err
	}
	records := []artifact.Record{img, machine("null.web", "machine-"+name)}
	for _, rec := range records {
		if err := r.Record(ctx, "web", rec); err != nil {
			return err
		}
	}
	_, isNew, err := r.Publish(ctx, Version{Bucket: "web", Name: name, RunID: name, Channels: []string{"edge"}, Records: records})
	if err == nil && !isNew {
		err = fmt.Errorf("%s was there", name)
	}
	return err
}

func child(t *testing.T, mode, address, layoutDir, name string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, address, layoutDir, name)
	cmd.Env = append(os.Environ(), childMode+"="+mode)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func TestTwentyPublishers(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		const publishers = 20
		address := ""
		if r.Remote() {
			address = r.Address()
		}
		type end struct {
			out []byte
			err error
		}
		ends := make(chan end, publishers)
		for i := range publishers {
			dir := r.Layout()
			if r.Remote() {
				dir = t.TempDir() // each on a machine of its own
			}
			cmd := child(t, "once", address, dir, fmt.Sprintf("build-%02d", i))
			go func() {
				out, err := cmd.CombinedOutput()
				ends <- end{out, err}
			}()
		}
		won := 0
		for range publishers {
			e := <-ends
			if e.err != nil {
				t.Errorf("publisher: %v\n%s", e.err, e.out)
			}
			won += strings.Count(string(e.out), "won")
		}
		if won != 1 {
			t.Errorf("%d publishers got the name, want 1", won)
		}
		checkAll(t, r, publishers)
	})
}

// checkAll checks that each publisher's version is there with all it holds,
// and each move of the channel.
func checkAll(t *testing.T, r *Registry, publishers int) {
	t.Helper()
	ctx := context.Background()
	versions, err := r.Versions(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != publishers+1 {
		t.Errorf("%d versions, want %d", len(versions), publishers+1)
	}
	for _, v := range versions {
		for _, rec := range v.Records {
			if _, ok, err := r.Lookup(ctx, "web", rec.Key); !ok || err != nil {
				t.Errorf("%s: %s: found %v, %v", v.Name, rec.Build, ok, err)
			}
		}
	}
	moves, err := r.History(ctx, "web", "edge")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range moves {
		seen[m.To] = true
	}
	if len(seen) != publishers {
		t.Errorf("the channel's history has %d versions, want %d", len(seen), publishers)
	}
	if v, ok, err := r.Version(ctx, "web", "edge"); !ok || err != nil || !seen[v.Name] {
		t.Errorf("edge: %s, %v, %v", v.Name, ok, err)
	}
}

// TestKilledPublishers kills publishers while they publish: what they had
// published is whole, and nothing they were writing is left after the next one.
func TestKilledPublishers(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, "", t.TempDir())
	told := 0
	for round := range 12 {
		cmd := child(t, "forever", "", r.Layout(), fmt.Sprintf("round-%02d", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		told += killAfterLines(t, cmd, out, round%3+1)
	}
	if err := publishOne(r, "after"); err != nil {
		t.Fatal(err)
	}
	versions, err := r.Versions(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) < told+1 {
		t.Errorf("%d versions, the publishers told of %d", len(versions), told+1)
	}
	for _, v := range versions {
		if len(v.Records) != 2 {
			t.Errorf("%s has %d records", v.Name, len(v.Records))
		}
		for _, rec := range v.Records {
			if _, ok, err := r.Lookup(ctx, "web", rec.Key); !ok || err != nil {
				t.Errorf("%s: %s: found %v, %v", v.Name, rec.Build, ok, err)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(r.Layout(), "tmp", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// killAfterLines kills the process once it has printed so many lines, and
// returns how many it printed.
func killAfterLines(t *testing.T, cmd *exec.Cmd, out interface{ Read([]byte) (int, error) }, lines int) int {
	t.Helper()
	seen, buf := 0, make([]byte, 256)
	killed := false
	for {
		n, err := out.Read(buf)
		seen += strings.Count(string(buf[:n]), "\n")
		if !killed && seen >= lines {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("publisher: %v", err)
	}
	return seen
}
