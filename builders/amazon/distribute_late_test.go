package amazon

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// late are the calls of a distribution that don't know yet what was made just
// now: the image that is to be copied, and the copies.
func late() []fault.Rule {
	var rules []fault.Rule
	for _, call := range []string{"CopyImage", "ModifyImageAttribute", "CreateTags", "DeleteTags", "EnableImageDeprecation",
		"EnableImageDeregistrationProtection", "DescribeImageAttribute"} {
		rules = append(rules, fault.Rule{Call: "ec2." + call, Do: fault.Error, Code: "InvalidAMIID.NotFound", Status: 400, Times: 3})
	}
	return append(rules, fault.Rule{Call: "ec2.*SnapshotAttribute", Do: fault.Error, Code: "InvalidSnapshot.NotFound", Status: 400, Times: 3})
}

// slowLab is a lab whose copies are found only some time after they were made.
func slowLab(t *testing.T, rules ...fault.Rule) *lab {
	t.Helper()
	slow := timing.Zero()
	slow.Consistency = 1500 * time.Millisecond
	return &lab{Cloud: amazontest.StartSlow(t, slow, rules...), t: t,
		env: builders.Env{RunID: "run-1", Build: "amazon-ebs.web", Log: event.Log{}, Journal: journal.Open(t.TempDir(), "run-1")}}
}

// known waits until the image is found.
func (l *lab) known(region, id string) {
	l.t.Helper()
	if _, err := l.region(region).await(l.t.Context(), id, time.Minute); err != nil {
		l.t.Fatal(err)
	}
}

// TestDistributeLate copies, shares, tags and deprecates where what was made
// just now is not known everywhere yet.
func TestDistributeLate(t *testing.T) {
	t.Parallel()
	l := slowLab(t)
	a := l.built("web-1", "Kind", "root", "Base", "base")
	l.known(home, a.Places[0].ID)
	if err := l.Faults.Add(late()...); err != nil {
		t.Fatal(err)
	}
	a, err := l.distribution(full()).Distribute(t.Context(), a, l.env)
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	if got := regionsOf(a); !slices.Equal(got, []string{"eu-central-1", "eu-west-1", home}) {
		t.Fatalf("places: %v", got)
	}
	l.Faults.Clear()
	for _, p := range a.Places {
		l.checkDressed(p)
	}
	if left := l.env.Journal.Left(); len(left) != 2 {
		t.Errorf("the journal has %v, want the two copies", left)
	}
}

// TestCancelLate stops a run when a copy was made that is not found yet: it is
// removed all the same, with its snapshots.
func TestCancelLate(t *testing.T) {
	t.Parallel()
	l := slowLab(t)
	a := l.built("web-1")
	l.known(home, a.Places[0].ID)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := l.distribution(AMIConfig{Name: "web-1", Regions: []string{"eu-west-1"}}).Distribute(ctx, a, l.env)
		done <- err
	}()
	for l.Count("ec2.CopyImage") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("a run that was stopped says that it has copied the image")
	}
	for _, line := range l.Server.Inventory() {
		if strings.Contains(line, "eu-west-1") {
			t.Errorf("left behind: %s; the journal has %v", line, l.env.Journal.Left())
		}
	}
}
