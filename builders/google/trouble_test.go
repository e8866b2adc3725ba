package google

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/secret"
)

// TestErrors shows that what goes wrong is said in one line, with a hint, and
// that nothing is left.
func TestErrors(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for name, c := range map[string]struct {
		change     func(*Config)
		rules      []fault.Rule
		want, hint string
	}{
		"no such family": {change: func(c *Config) {
			c.SourceImageFamily, c.SourceImageProjectID = "no-such-family", []string{"my-project"}
		},
			want: `"no-such-family" in my-project`, hint: "source_image_project_id"},
		"no such zone":         {change: func(c *Config) { c.Zone, c.Region = "europe-nowhere9-b", "" }, want: "europe-nowhere9-b", hint: "zone"},
		"no such machine type": {change: func(c *Config) { c.MachineType = "n0-tiny-0" }, want: "no machine type n0-tiny-0", hint: "machine-types list"},
		"no such network":      {change: func(c *Config) { c.Network = "nowhere" }, want: "no network nowhere", hint: "network_project_id"},
		"no such address":      {change: func(c *Config) { c.Address = "nowhere" }, want: "no reserved address nowhere", hint: "its name"},
		"small disk":           {change: func(c *Config) { c.DiskSize = 1 }, want: "disk_size is 1 GB", hint: "disk_size = "},
		"no room": {rules: []fault.Rule{{Call: "gce.instances.insert", Do: fault.Error, Code: "ZONE_RESOURCE_POOL_EXHAUSTED", Times: 1}},
			want: "n2-standard-2 in europe-west1-b", hint: "another zone", change: func(c *Config) { c.MachineType = "n2-standard-2" }},
		"no room, at once": {rules: []fault.Rule{{Call: "gce.instances.insert", Do: fault.Error, Status: 503, Code: "ZONE_RESOURCE_POOL_EXHAUSTED", Times: 1}},
			want: "n2-standard-2 in europe-west1-b", hint: "another zone", change: func(c *Config) { c.MachineType = "n2-standard-2" }},
		"quota": {rules: []fault.Rule{{Call: "gce.instances.insert", Do: fault.Error, Code: "QUOTA_EXCEEDED", Message: "Quota 'CPUS' exceeded. Limit: 8.0 in region europe-west1.", Times: 1}},
			want: "Quota 'CPUS' exceeded", hint: "quotas"},
		"refused login": {change: func(c *Config) {
			c.Password, c.HandshakeAttempts = secret.Sensitive("not the password"), 1
		}, want: "refused", hint: "console"},
		"ssh never answers": {change: func(c *Config) { c.Port, c.Timeout = 2222, 4*time.Second }, want: ":2222", hint: "firewall rule"},
		"state_timeout": {rules: []fault.Rule{{Call: "gce.instances.insert", Do: fault.Delay, Delay: "1m", Times: 1}},
			change: func(c *Config) { c.Communicator, c.StateTimeout = "none", time.Second }, want: "does not run within 1s (state_timeout)"},
		"image fails": {rules: []fault.Rule{{Call: "gce.images.insert", Do: fault.Error, Code: "QUOTA_EXCEEDED", Message: "Quota 'IMAGES' exceeded.", Times: 1}},
			change: func(c *Config) { c.Communicator = "none" }, want: "create the image", hint: "quotas"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := l.Faults.Add(c.rules...); err != nil {
				t.Fatal(err)
			}
			cfg := template(c.change)
			b, err := cfg.Open(l.host)
			if err == nil {
				_, err = bake(t.Context(), t, b, l.env(t, &lines{}))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want it to say %q in one line", err, c.want)
			}
			if hint := builders.Hint(err); !strings.Contains(hint, c.hint) {
				t.Errorf("hint %q, want it to say %q", hint, c.hint)
			}
			for _, left := range l.Leaks() {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

// TestTrouble builds an image while calls are throttled, fail and lose their
// connections.
func TestTrouble(t *testing.T) {
	t.Parallel()
	l := newLab(t,
		fault.Rule{Call: "gce.instances.insert", Do: fault.DropAfter, Times: 1},
		fault.Rule{Call: "gce.images.insert", Do: fault.DropAfter, Times: 1},
		fault.Rule{Call: "gce.instances.stop", Do: fault.Error, Status: 503, Code: "backendError", Times: 2},
		fault.Rule{Call: "gce.*.list", Do: fault.Error, Rate: 0.3},
		fault.Rule{Call: "gce.*.get", Do: fault.Drop, Rate: 0.2},
		fault.Rule{Call: "gce.*.delete", Do: fault.DropAfter, Times: 2},
	)
	b := l.open(t, template(func(c *Config) { c.Communicator = "none" }))
	a, err := bake(t.Context(), t, b, l.env(t, &lines{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range l.Leaks() {
		if !strings.Contains(left, "/images/"+a.ID) {
			t.Errorf("left behind: %s", left)
		}
	}
}

// TestSweep removes what a dead run left, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	out := &lines{}
	left := func(change func(*Config)) (builders.Env, builders.Session) {
		env := l.env(t, out)
		b := l.open(t, template(func(c *Config) {
			c.Communicator = "none"
			if change != nil {
				change(c)
			}
		}))
		base, err := b.Resolve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Begin(t.Context(), base, env)
		if err != nil {
			t.Fatal(err)
		}
		return env, s
	}
	journaled, _ := left(nil)
	_, lost := left(func(c *Config) { c.MaxLifetime = time.Minute })
	imaged, sealed := left(nil)
	a := l.seal(t, sealed)
	alive, _ := left(nil)
	resources := append(journaled.Journal.Left(), imaged.Journal.Left()...)
	// What has the name of something in the journal, but is another run's.
	stranger := alive.Journal.Left()[0]
	stranger.Tags = map[string]string{runLabel: "another"}
	resources = append(resources, stranger)
	var found []string
	in := builders.SweepInput{
		Journal: resources, Checkpoints: alive.Journal.Left(), // by a registry that lies
		Places: []string{"my-project/europe-west1-b"}, Now: time.Now().Add(2 * time.Minute),
		Live:   func(string) bool { return false },
		DryRun: true,
		Found: func(r journal.Resource, err error) {
			out.mu.Lock()
			defer out.mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			found = append(found, r.Kind+" "+r.Name)
		},
	}
	before := len(l.Leaks())
	if err := sweep(t.Context(), l.host, in); err != nil {
		t.Fatal(err)
	}
	if len(l.Leaks()) != before {
		t.Error("a dry run removed something")
	}
	dry := len(found)
	found, in.DryRun = nil, false
	if err := sweep(t.Context(), l.host, in); err != nil {
		t.Fatal(err)
	}
	if len(found) != dry {
		t.Errorf("removed %d, the dry run found %d", len(found), dry)
	}
	name := alive.Journal.Left()[0].Name
	for _, line := range l.Leaks() {
		if !strings.Contains(line, name) {
			t.Errorf("left behind: %s", line)
		}
	}
	if n := len(l.Leaks()); n < 2 {
		t.Errorf("%d resources of the run that lives are left", n)
	}
	if there, err := l.open(t, template(nil)).Exists(t.Context(), a); err != nil || there {
		t.Errorf("the image that was never recorded is there: %v, %v", there, err)
	}
	_ = lost
	in.Journal, in.Now = alive.Journal.Left(), time.Now()
	if err := sweep(t.Context(), l.host, in); err != nil || len(l.Leaks()) > 0 {
		t.Errorf("%v, left behind: %q", err, l.Leaks())
	}
}

// TestCancel ends a build at different moments, and leaves nothing.
func TestCancel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	made := map[string]bool{}
	for _, after := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, time.Second, 2 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		a, err := bake(ctx, t, l.open(t, template(nil)), l.env(t, &lines{}))
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("after %s: %v", after, err)
		}
		made["gce my-project/global/images/"+a.ID+" (ready)"] = err == nil
		for _, left := range l.Leaks() {
			if !made[left] {
				t.Errorf("after %s, left behind: %s", after, left)
			}
		}
	}
}
