// Package leak kills and troubles builds in clouds at every point, and looks
// for what they leave.
package leak

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

// enough is how long a build may take that must end.
const enough = 2 * time.Minute

// rig is a sandbox, and how ingot is run against it. It tries one point at a
// time.
type rig struct {
	*sandboxtest.Sandbox
	t     *testing.T
	ingot string
	cloud cloud
	dir   string // of the rig: the cache, and a folder for each point
	n     int    // points so far
}

// cloud is what is built where.
type cloud struct {
	name     string
	expired  fault.Rule   // the error of credentials that have expired
	faults   []fault.Rule // of its own
	template string
}

// newRig starts a sandbox that the ingot command takes for its user's own.
func newRig(t *testing.T, c cloud, ingot string, times *timing.Timing) *rig {
	t.Helper()
	r := &rig{Sandbox: sandboxtest.Start(t, sandboxtest.Options{Timing: times}), t: t, ingot: ingot, cloud: c, dir: t.TempDir()}
	address := strings.TrimPrefix(r.URL(), "http://")
	err := errors.Join(
		os.Mkdir(filepath.Join(r.dir, "cache"), 0o755),
		os.WriteFile(filepath.Join(r.Dir, "address"), []byte(address), 0o600),
		os.Symlink(r.Dir, filepath.Join(r.dir, "cache", "sandbox")))
	if err != nil {
		t.Fatal(err)
	}
	lock := flock.New(filepath.Join(r.Dir, "daemon.lock")) // as the daemon holds it
	if held, err := lock.TryLock(); err != nil || !held {
		t.Fatal("lock the sandbox: ", err)
	}
	t.Cleanup(func() { _ = lock.Close() })
	return r
}

// findIngot takes $INGOT_BIN, or builds the command.
func findIngot(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("INGOT_BIN"); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), "ingot")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/ingot-build/ingot/cmd/ingot").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// point is one build with one thing going wrong.
type point struct {
	r       *rig
	name    string // of its images
	dir     string
	before  []string // what was there
	calls   []string // what the build asked for
	spot    bool     // on an instance that can be taken back
	onError string   // what -on-error says; "" is cleanup
}

func (r *rig) point() *point {
	r.t.Helper()
	r.n++
	p := &point{r: r, name: fmt.Sprintf("leak-%d", r.n), before: r.Leaks()}
	p.dir = filepath.Join(r.dir, p.name)
	file := filepath.Join(p.dir, "t.pkr.hcl")
	if err := errors.Join(os.Mkdir(p.dir, 0o755), os.WriteFile(file, []byte(r.cloud.template), 0o644)); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// result is how a command ended.
type result struct {
	code   int // -1 by a signal
	signal syscall.Signal
	out    string
}

func (res result) String() string {
	if res.code < 0 {
		return "killed by " + res.signal.String()
	}
	return fmt.Sprintf("exit code %d", res.code)
}

// command runs ingot. While it runs, watch may signal it.
func (p *point) command(watch func(*os.Process), args ...string) result {
	p.r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.r.ingot, args...)
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.r.dir, "TMPDIR=" + p.dir,
		"INGOT_CACHE_DIR=" + filepath.Join(p.r.dir, "cache"), "PKR_VAR_name=" + p.name}
	if p.spot {
		cmd.Env = append(cmd.Env, "PKR_VAR_spot=auto")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		p.r.t.Fatal(err)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if watch != nil {
			watch(cmd.Process)
		}
	}()
	err := cmd.Wait()
	if ctx.Err() != nil {
		p.r.t.Errorf("ingot %s: not done after %s\n%s", strings.Join(args, " "), enough, out.String())
	}
	cancel()
	<-watched
	res := result{out: out.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status := exit.Sys().(syscall.WaitStatus)
		res.code, res.signal = status.ExitStatus(), status.Signal()
	}
	return res
}

// build runs the build while the rules hold.
func (p *point) build(watch func(*os.Process), rules ...fault.Rule) result {
	p.r.t.Helper()
	p.r.Faults.Clear()
	if err := p.r.Faults.Add(rules...); err != nil {
		p.r.t.Fatal(err)
	}
	res := p.command(watch, "build", "-sandbox", "-on-error="+cmp.Or(p.onError, "cleanup"), "t.pkr.hcl")
	p.calls = p.r.Faults.Calls()
	p.r.Faults.Clear()
	return res
}

// sweep runs ingot sweep, which must leave nothing to do. A call that the dead
// build had sent may have its effect only now: then sweep says that it has to
// be run again to be sure, and it is.
func (p *point) sweep() {
	p.r.t.Helper()
	for range 2 {
		res := p.command(nil, "sweep", "-sandbox")
		if res.code != 0 {
			p.r.t.Errorf("%s: sweep: %s\n%s", p.name, res, res.out)
		}
		if !strings.Contains(res.out, "To be sure, sweep again") {
			return
		}
		time.Sleep(200 * time.Millisecond)
		if len(p.leaks()) == 0 {
			return
		}
	}
}

// leaks is what is there that was not, save an image that the registry has a
// record of, and its snapshots.
func (p *point) leaks() []string {
	p.r.t.Helper()
	var left []string
	for _, line := range p.r.Leaks() {
		if !slices.ContainsFunc(p.before, func(old string) bool { return resource(old) == resource(line) }) {
			left = append(left, line)
		}
	}
	if len(left) == 0 {
		return nil
	}
	ids := p.recorded()
	snapshots := 0
	left = slices.DeleteFunc(left, func(line string) bool {
		if strings.Contains(line, " snapshot ") && snapshots < len(ids) {
			snapshots++
			return true
		}
		return slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(line, id) })
	})
	return left
}

// resource is a line of the inventory without the state that it is in.
func resource(line string) string {
	line, _, _ = strings.Cut(line, " (")
	return line
}

// recorded returns the ids of the images that are recorded.
func (p *point) recorded() []string {
	p.r.t.Helper()
	res := p.command(nil, "plan", "-sandbox", "-json", "t.pkr.hcl")
	var doc struct {
		Builds []struct{ Status, Artifact string }
	}
	if err := json.Unmarshal([]byte(res.out), &doc); err != nil || len(doc.Builds) != 1 || doc.Builds[0].Status == "failed" {
		p.r.t.Errorf("%s: plan: %v\n%s", p.name, err, res.out)
		return nil
	}
	var ids []string
	for place := range strings.SplitSeq(doc.Builds[0].Artifact, ",") {
		if place != "" {
			ids = append(ids, place[strings.LastIndex(place, ":")+1:])
		}
	}
	return ids
}

// check reports what the point leaves.
func (p *point) check(what string, res result) (leaked int) {
	p.r.t.Helper()
	left := p.leaks()
	if len(left) > 0 {
		p.r.t.Errorf("%s: build: %s; left:\n  %s\n%s", what, res, strings.Join(left, "\n  "), indent(res.out))
	}
	if !p.r.t.Failed() {
		_ = os.RemoveAll(p.dir)
	}
	return len(left)
}

func indent(text string) string {
	return "    | " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    | ")
}
