package google

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/secret"
)

// childEnv tells a process of the test what to bake. It is killed in the middle
// of it.
const childEnv = "INGOT_TEST_BAKE"

// order is what a child is to bake.
type order struct {
	Sandbox   builders.Sandbox
	Journal   string // folder
	Run, Name string
}

func child(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Println(err)
		return 1
	}
	c := template(func(c *Config) { c.ImageName, c.Communicator = o.Name, "none" })
	b, err := c.Open(builders.Host{Secrets: &secret.Set{}, Shared: &sync.Map{}, Sandbox: &o.Sandbox})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, j := context.Background(), journal.Open(o.Journal, o.Run)
	env := builders.Env{RunID: o.Run, Build: "googlecompute.web", Journal: j}
	base, err := b.Resolve(ctx)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := b.Begin(ctx, base, env)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if err = checkpoints(ctx, s); err == nil {
		_, err = s.Seal(ctx)
	}
	if err == nil {
		err = s.Close(ctx)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// checkpoints makes a checkpoint, and drops another.
func checkpoints(ctx context.Context, s builders.Session) error {
	for step := range 2 {
		m, err := s.(builders.Checkpointer).Mark(ctx, builders.Checkpoint{Key: "k", Step: step + 1, Expires: time.Now().Add(time.Hour)})
		if err == nil && step == 0 {
			_, err = m.Image(ctx)
		} else if err == nil {
			err = m.Drop(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestKilled kills a build with checkpoints before and after each of its calls. A sweep finds
// all that it left, by the journal.
func TestKilled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	run := func(dir string, n int) error {
		text, err := json.Marshal(order{*l.Host(), dir, fmt.Sprintf("run-%d", n), fmt.Sprintf("web-%d", n)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), enough)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+string(text))
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w %s", err, out)
		}
		return nil
	}
	sweepAll := func(dir string) {
		dead, err := journal.ReadDead(dir, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var in builders.SweepInput
		for _, d := range dead {
			in.Journal = append(in.Journal, d.Resources...)
		}
		in.Now, in.Live = time.Now(), func(string) bool { return false }
		in.Found = func(r journal.Resource, err error) {
			if err != nil {
				t.Errorf("%s %s: %v", r.Kind, r.Name, err)
			}
		}
		if err := sweep(t.Context(), l.host, in); err != nil {
			t.Error(err)
		}
	}
	dir := t.TempDir()
	if err := run(filepath.Join(dir, "dry"), 0); err != nil {
		t.Fatal(err)
	}
	calls := len(l.Faults.Calls())
	sweepAll(filepath.Join(dir, "dry"))
	killed, leaked := 0, 0
	for n := 1; n <= calls; n++ {
		for _, do := range []fault.Action{fault.Kill, fault.KillAfter} {
			l.Faults.Clear()
			if err := l.Faults.Add(fault.Rule{Call: "*", Do: do, Nth: n}); err != nil {
				t.Fatal(err)
			}
			place := filepath.Join(dir, fmt.Sprintf("%s-%d", do, n))
			err := run(place, n)
			if err != nil {
				killed++
			}
			made := l.Faults.Calls()
			l.Faults.Clear()
			sweepAll(place)
			for _, left := range l.Leaks() {
				leaked++
				t.Errorf("%s at call %d of %d (%v), left behind: %s", do, n, calls, made, left)
			}
		}
	}
	t.Logf("%d calls, killed %d times, leaked %d", calls, killed, leaked)
	if killed < 2*calls-2 { // the last call may have no answer that is waited for
		t.Errorf("the build was killed %d times at %d calls", killed, calls)
	}
}
