package leak

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// clouds are built in with one provisioner and all that a build usually makes.
var clouds = []cloud{
	{name: "amazon-ebs", expired: fault.Rule{Status: 400, Code: "RequestExpired", Message: "Request has expired."}, faults: []fault.Rule{
		{Call: "ec2.RunInstances", Do: fault.Error, Status: 500, Code: "InsufficientInstanceCapacity"},
		{Call: "ec2.RunInstances", Do: fault.Error, Status: 500, Code: "InsufficientInstanceCapacity", Times: 1},
		{Call: "ec2.CreateImage", Do: fault.Spot, Nth: 1},
		{Call: "ec2.DescribeInstances", Do: fault.Spot, Nth: 1},
	}, template: `
variable "name" {}
variable "spot" { default = null }
source "amazon-ebs" "web" {
  region        = "us-east-1"
  ami_name      = var.name
  ami_regions   = ["eu-west-1"]
  instance_type = "t3.micro"
  spot_price    = var.spot
  source_ami    = "ami-0123456789abcdef0"
  ssh_username  = "admin"
  tags          = { Name = var.name }
}
build {
  sources = ["source.amazon-ebs.web"]
  provisioner "shell" { inline = ["true"] }
}
`},
	{name: "googlecompute", expired: fault.Rule{Status: 401, Code: "authError", Message: "Invalid Credentials"}, faults: []fault.Rule{
		{Call: "gce.instances.insert", Do: fault.Error, Status: 503, Code: "ZONE_RESOURCE_POOL_EXHAUSTED"},
		{Call: "gce.instances.insert", Do: fault.Error, Status: 403, Code: "quotaExceeded"},
		{Call: "gce.images.insert", Do: fault.Spot, Nth: 1},
		{Call: "gce.instances.list", Do: fault.Spot, Nth: 2},
	}, template: `
variable "name" {}
variable "spot" { default = null }
source "googlecompute" "web" {
  project_id          = "leaks"
  zone                = "europe-west1-b"
  source_image_family = "debian-12"
  image_name          = var.name
  preemptible         = var.spot != null
  ssh_username        = "debian"
}
build {
  sources = ["source.googlecompute.web"]
  provisioner "shell" { inline = ["true"] }
}
`},
}

// trouble is one thing that goes wrong at the n-th call.
type trouble struct {
	name string
	// run runs the build of a point with it.
	run func(p *point, n int) result
	// sweep says that a sweep may be needed: the build could not clean up.
	sweep bool
	// every is how many calls lie between the points that are tried in a short
	// run. With 0 those are all calls that change something: between others
	// there is nothing new to be left. The full run tries each call.
	every int
}

func troubles() []trouble {
	rule := func(r fault.Rule) func(*point, int) result {
		return func(p *point, n int) result {
			r.Nth = n
			return p.build(nil, r)
		}
	}
	return []trouble{
		{"SIGKILL before the call", rule(fault.Rule{Call: "*", Do: fault.Kill}), true, 0},
		{"SIGKILL after the call", rule(fault.Rule{Call: "*", Do: fault.KillAfter}), true, 0},
		{"SIGINT", signalled(syscall.SIGINT), false, 12},
		{"SIGTERM", signalled(syscall.SIGTERM), false, 12},
		{"SIGTERM twice", signalled(syscall.SIGTERM, syscall.SIGTERM), true, 12},
		{"no answer", rule(fault.Rule{Call: "*", Do: fault.DropAfter}), false, 12},
		{"no network for 5 calls", rule(fault.Rule{Call: "*", Do: fault.Drop, Times: 5}), false, 12},
		{"no network any more", cutOff, true, 12},
		{"a server error", rule(fault.Rule{Call: "*", Do: fault.Error, Status: 500, Code: "InternalError"}), false, 12},
		{"throttled 5 times", rule(fault.Rule{Call: "*", Do: fault.Error, Times: 5}), false, 12},
		{"credentials expire", expire, true, 12},
	}
}

// steady are the faults that are there for the whole of a build: those of all
// clouds, then the cloud's own.
func (c cloud) steady() []trouble {
	rules := append([]fault.Rule{
		{Call: "*", Do: fault.Error, Rate: 0.2},
		{Call: "*", Do: fault.Error, Status: 503, Code: "Unavailable", Rate: 0.2},
		{Call: "*", Do: fault.DropAfter, Rate: 0.2},
		{Call: "*", Do: fault.Drop, Rate: 0.2},
	}, c.faults...)
	var out []trouble
	for _, r := range rules {
		name := strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Call, r.Do, r.Code))
		out = append(out, trouble{name: name, run: func(p *point, _ int) result {
			p.spot = r.Do == fault.Spot
			return p.build(nil, r)
		}})
	}
	return out
}

// expire has the credentials expire at the call.
func expire(p *point, n int) result {
	r := p.r.cloud.expired
	r.Call, r.Do, r.Nth, r.Times = "*", fault.Error, n, -1
	return p.build(nil, r)
}

// signalled sends signals while the call is under way.
func signalled(signals ...os.Signal) func(*point, int) result {
	return func(p *point, n int) result {
		hold := fault.Rule{Call: "*", Do: fault.Delay, Delay: "60ms", Nth: n}
		return p.build(func(process *os.Process) {
			if !p.reaches(n, process) {
				return
			}
			for _, s := range signals {
				_ = process.Signal(s)
				time.Sleep(20 * time.Millisecond) // two at once are one
			}
		}, hold)
	}
}

// cutOff takes the network away for good, and the user's patience with it.
func cutOff(p *point, n int) result {
	return p.build(func(process *os.Process) {
		if !p.reaches(n, process) {
			return
		}
		for process.Signal(os.Interrupt) == nil {
			time.Sleep(100 * time.Millisecond)
		}
	}, fault.Rule{Call: "*", Do: fault.Drop, Nth: n, Times: -1})
}

// reaches waits until the build has made n calls, or is over.
func (p *point) reaches(n int, process *os.Process) bool {
	for len(p.r.Faults.Calls()) < n {
		if process.Signal(syscall.Signal(0)) != nil {
			return false
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true
}

// tally counts points.
type tally struct {
	mu   sync.Mutex
	rows map[string]*[3]int // by cloud and trouble: points, builds that succeeded, leaks
	keys []string
}

func (y *tally) add(cloud, trouble string, res result, leaked int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	k := cloud + "\t" + trouble
	if y.rows[k] == nil {
		y.rows[k] = &[3]int{}
		y.keys = append(y.keys, k)
	}
	y.rows[k][0]++
	if res.code == 0 {
		y.rows[k][1]++
	}
	y.rows[k][2] += leaked
}

func (y *tally) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\ncloud\ttrouble\tpoints\tsucceeded\tleaked")
	slices.Sort(y.keys)
	var sum [3]int
	for _, k := range y.keys {
		row := y.rows[k]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", k, row[0], row[1], row[2])
		for i := range sum {
			sum[i] += row[i]
		}
	}
	fmt.Fprintf(w, "all\t\t%d\t%d\t%d\n", sum[0], sum[1], sum[2])
	w.Flush()
	return text.String()
}

// fullEnv names the variable that says which troubles are tried at each call:
// "all" of them, or those that have its value in their names.
const fullEnv = "INGOT_TEST_LEAKS"

// job is one point to be tried.
type job struct {
	trouble
	n int
}

// workers is how many sandboxes of a cloud there are.
const workers = 2

// TestNothingLeaks has something go wrong between any two calls of a build.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	ingot := findIngot(t)
	y := &tally{rows: map[string]*[3]int{}}
	t.Run("clouds", func(t *testing.T) {
		for _, c := range clouds {
			jobs := make(chan job)
			counted := make(chan []string, 1)
			go func() {
				defer close(jobs)
				c.send(jobs, <-counted)
			}()
			var once sync.Once
			for w := range workers {
				t.Run(fmt.Sprintf("%s %d", c.name, w+1), func(t *testing.T) {
					t.Parallel()
					defer once.Do(func() { counted <- nil })
					r := newRig(t, c, ingot, nil)
					once.Do(func() { counted <- r.dry() })
					for j := range jobs {
						r.try(j, y)
					}
				})
			}
		}
	})
	fmt.Println(y)
}

// send sends the points of builds that make these calls.
func (c cloud) send(jobs chan<- job, calls []string) {
	only := os.Getenv(fullEnv)
	wanted := func(i, n int, tr trouble) bool {
		switch {
		case only != "":
			return only == "all" || strings.Contains(tr.name, only)
		case tr.every == 0:
			return changes(calls[n-1])
		}
		return (n+i)%tr.every == 0
	}
	for n := range len(calls) {
		for i, tr := range troubles() {
			if wanted(i, n+1, tr) {
				jobs <- job{tr, n + 1}
			}
		}
	}
	for _, tr := range c.steady() {
		if len(calls) > 0 && (only == "" || only == "all" || strings.Contains(tr.name, only)) {
			jobs <- job{trouble: tr}
		}
	}
}

// changes reports whether a call does more than ask.
func changes(call string) bool {
	method := call[strings.LastIndex(call, ".")+1:]
	for _, verb := range []string{"Describe", "Get", "List", "get", "list", "aggregatedList", "wait"} {
		if strings.HasPrefix(method, verb) {
			return false
		}
	}
	return true
}

// dry builds with nothing going wrong, and returns the calls.
func (r *rig) dry() []string {
	r.t.Helper()
	p := r.point()
	res := p.build(nil)
	if res.code != 0 {
		r.t.Errorf("a build with nothing wrong: %s\n%s", res, indent(res.out))
		return nil
	}
	p.check("nothing wrong", res)
	r.t.Logf("%d calls: %s", len(p.calls), strings.Join(p.calls, " "))
	return p.calls
}

// TestEventualConsistency has what was made just now not be there yet.
func TestEventualConsistency(t *testing.T) {
	t.Parallel()
	ingot := findIngot(t)
	for _, c := range clouds {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			late := timing.Zero()
			late.Consistency = 300 * time.Millisecond
			newRig(t, c, ingot, &late).dry()
		})
	}
}

func (r *rig) try(j job, y *tally) {
	r.t.Helper()
	p := r.point()
	start := time.Now()
	res := j.run(p, j.n)
	took := time.Since(start).Round(10 * time.Millisecond)
	what := j.name
	if j.n > 0 {
		what = fmt.Sprintf("%s at call %d", j.name, j.n)
	}
	if j.n > 0 && j.n <= len(p.calls) {
		what += " (" + p.calls[j.n-1] + ")"
	}
	if j.sweep {
		p.sweep()
	}
	leaked := p.check(what, res)
	r.t.Logf("%s: %s after %s, in all %s", what, res, took, time.Since(start).Round(10*time.Millisecond))
	y.add(r.cloud.name, j.name, res, leaked)
}
