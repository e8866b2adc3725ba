package google

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// slow is a sandbox that takes its time to store snapshots and images.
func slow(t *testing.T, took time.Duration, rules ...fault.Rule) *lab {
	t.Helper()
	times := timing.Zero()
	times.Snapshot, times.Image = took, took
	l := newLab(t)
	l.Sandbox = sandboxtest.Start(t, sandboxtest.Options{Timing: &times, Faults: rules})
	l.host.Sandbox = l.Host()
	return l
}

// session begins one without a communicator.
func (l *lab) session(t *testing.T, env builders.Env) (*builder, builders.Session) {
	t.Helper()
	b := l.open(t, template(func(c *Config) { c.Communicator = "none" }))
	base, err := b.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Begin(t.Context(), base, env)
	if err != nil {
		t.Fatal(err)
	}
	return b, s
}

func aMark(expires time.Time) builders.Checkpoint {
	return builders.Checkpoint{Key: "sha256:0", Step: 2, Name: "install", Expires: expires}
}

// TestMark checks that nobody waits until a snapshot is stored, and that in the
// end there is the image alone.
func TestMark(t *testing.T) {
	t.Parallel()
	l := slow(t, 3*time.Second)
	env := l.env(t, &lines{})
	b, s := l.session(t, env)
	m, err := s.(builders.Checkpointer).Mark(t.Context(), aMark(time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	compute := b.cloud.api.Compute
	snap, err := compute.Snapshots.Get("my-project", m.(*mark).snapshot).Do()
	if err != nil || snap.Status != "UPLOADING" {
		t.Errorf("the snapshot is %+v, %v; want it to be stored", snap, err)
	}
	a, err := m.Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	img, err := compute.Images.Get("my-project", a.ID).Do()
	if err != nil || img.Status != "READY" || img.Labels[checkpointLabel] == "" {
		t.Errorf("the image is %+v, %v", img, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := l.Leaks(); len(left) != 1 || !strings.Contains(left[0], "/images/"+a.ID) {
		t.Errorf("there is %q, want the image of the checkpoint alone", left)
	}
	if left := env.Journal.Left(); len(left) != 1 || left[0].ID != a.ID {
		t.Errorf("the journal has %v, want the image alone", left)
	}
	if err := m.Drop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := b.Remove(t.Context(), a, true); err != nil || len(l.Leaks()) > 0 {
		t.Errorf("%v, left behind: %q", err, l.Leaks())
	}
}

// after does something once a call was made.
func (l *lab) after(ctx context.Context, call string, do func()) {
	for !slices.Contains(l.Faults.Calls(), call) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	do()
}

// TestMarkFails checks that nothing stays of a checkpoint that goes wrong.
func TestMarkFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules []fault.Rule
		stop  string // once the mark is there and this was called
		want  string
	}{
		"no snapshot":      {rules: []fault.Rule{{Call: "gce.disks.createSnapshot", Do: fault.Error, Code: "RESOURCE_OPERATION_RATE_EXCEEDED", Message: "Too frequent operations from the source resource."}}, want: "create the snapshot"},
		"no image":         {rules: []fault.Rule{{Call: "gce.images.insert", Do: fault.Error, Code: "QUOTA_EXCEEDED", Message: "Quota 'IMAGES' exceeded."}}, want: "create the image"},
		"lost answers":     {rules: []fault.Rule{{Call: "gce.disks.createSnapshot", Do: fault.DropAfter, Times: 1}, {Call: "gce.images.insert", Do: fault.DropAfter, Times: 1}}},
		"stop at once":     {stop: "gce.disks.createSnapshot", want: context.Canceled.Error()},
		"stop while image": {stop: "gce.images.insert", want: context.Canceled.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := slow(t, time.Second, c.rules...)
			env := l.env(t, &lines{})
			_, s := l.session(t, env)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			m, err := s.(builders.Checkpointer).Mark(ctx, aMark(time.Now().Add(time.Hour)))
			if err == nil {
				if c.stop != "" {
					go l.after(ctx, c.stop, cancel)
				}
				_, err = m.Image(ctx)
				err = errors.Join(err, m.Drop(context.WithoutCancel(ctx)))
			}
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
			if err := s.Close(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
			left := slices.DeleteFunc(l.Leaks(), func(line string) bool { return c.want == "" && strings.Contains(line, "/images/") })
			if len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// TestSweepMarks removes checkpoints whose time is up, by their labels alone,
// and the snapshots of those that died on their way.
func TestSweepMarks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, s := l.session(t, l.env(t, &lines{}))
	defer func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now()
	for step, expires := range []time.Time{now.Add(-time.Minute), now.Add(time.Hour), now.Add(-time.Minute)} {
		c := aMark(expires)
		c.Step = step + 1
		m, err := s.(builders.Checkpointer).Mark(t.Context(), c)
		if err == nil && step < 2 {
			_, err = m.Image(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	err := sweep(t.Context(), l.host, builders.SweepInput{
		Places: []string{"my-project/europe-west1-b"}, Now: now.Add(30 * time.Minute), Live: func(string) bool { return false },
		Found: func(r journal.Resource, err error) {
			if err != nil {
				t.Error(err)
			}
			found = append(found, r.Kind+r.Name[strings.LastIndex(r.Name, "-"):])
		},
	})
	slices.Sort(found)
	if want := []string{"image-1", "snapshot-3"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("removed %q, %v; want %q", found, err, want)
	}
}

// TestCheckpointsRefused refuses them where the image has not what steps wrote.
func TestCheckpointsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for name, c := range map[string]struct {
		disk DiskAttachment
		ok   bool
	}{
		"scratch":   {DiskAttachment{VolumeType: scratch, VolumeSize: 375, InterfaceType: "NVME"}, true},
		"read only": {DiskAttachment{SourceVolume: "zones/europe-west1-b/disks/data", AttachmentMode: "READ_ONLY"}, true},
		"empty":     {DiskAttachment{VolumeType: "pd-ssd", VolumeSize: 10}, false},
		"image":     {DiskAttachment{VolumeType: "pd-ssd", VolumeSize: 10, CreateImage: true}, false},
		"there":     {DiskAttachment{SourceVolume: "zones/europe-west1-b/disks/data"}, false},
	} {
		b := l.open(t, template(func(cfg *Config) { cfg.DiskAttachment = []DiskAttachment{c.disk} }))
		if err := b.Checkpoints(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
