package gce

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

func (b *bench) status(name string) string {
	in, err := b.Instances.Get(proj, zone, name).Do()
	if err != nil {
		return "gone"
	}
	return in.Status
}

func TestStopStart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.insert(small("web"))
	b.done(b.Instances.Stop(proj, zone, "web").Do())
	stopped := b.instance("web")
	if stopped.Status != "TERMINATED" || stopped.NetworkInterfaces[0].AccessConfigs[0].NatIP != "" || stopped.LastStopTimestamp == "" {
		t.Errorf("stopped: %+v", stopped)
	}
	_, err := b.Instances.Reset(proj, zone, "web").Do()
	b.refused(err, 400, "resourceNotReady", "not ready")
	b.done(b.Instances.Start(proj, zone, "web").Do())
	again := b.instance("web")
	was, is := first.NetworkInterfaces[0], again.NetworkInterfaces[0]
	if again.Status != "RUNNING" || is.AccessConfigs[0].NatIP == was.AccessConfigs[0].NatIP || is.NetworkIP != was.NetworkIP {
		t.Errorf("started: %s %+v", again.Status, is)
	}
	b.done(b.Instances.Reset(proj, zone, "web").Do())
	if b.memory.machine("web").spec.Addrs[0].String() != is.NetworkIP {
		t.Error("another address after the reset")
	}
}

// What a machine does by itself.
func TestGuestEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.insert(small("web"))
	first := b.memory.machine("web")
	first.end(host.Rebooted)
	eventually(t, "the machine boots again", func() bool { return b.memory.machine("web") != first })
	if got := b.status("web"); got != "RUNNING" {
		t.Errorf("after a reboot: %s", got)
	}
	b.memory.machine("web").end(host.Halted)
	eventually(t, "TERMINATED", func() bool { return b.status("web") == "TERMINATED" })
}

func TestPreempted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	spot := small("spot")
	spot.Scheduling = &compute.Scheduling{Preemptible: true}
	gone := small("gone")
	gone.Scheduling = &compute.Scheduling{ProvisioningModel: "SPOT", InstanceTerminationAction: "DELETE"}
	b.insert(spot)
	b.insert(gone)
	b.insert(small("web"))
	if err := b.faults.Add(fault.Rule{Call: "gce.zones.get", Do: fault.Spot}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Zones.Get(proj, zone).Do(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "preemption", func() bool { return b.status("spot") == "TERMINATED" && b.status("gone") == "gone" })
	if got := b.status("web"); got != "RUNNING" {
		t.Errorf("the one that is not preemptible: %s", got)
	}
	ops, err := b.ZoneOperations.List(proj, zone).Filter(`operationType = "compute.instances.preempted"`).Do()
	if err != nil || len(ops.Items) != 2 {
		t.Errorf("operations: %+v, %v", ops, err)
	}
}

func TestMaxRunDuration(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := small("web")
	in.Scheduling = &compute.Scheduling{MaxRunDuration: &compute.Duration{Seconds: 3600}, InstanceTerminationAction: "DELETE"}
	in = b.insert(in)
	b.server.locked(func() {
		path := "projects/" + proj + "/zones/" + zone + "/instances/web"
		r := b.server.state.Resources[path]
		if r.Ends == nil || time.Until(*r.Ends) < time.Hour-time.Minute {
			t.Errorf("it ends at %v", r.Ends)
			return
		}
		now := time.Now()
		r.Ends = &now
		b.server.arm(path, r)
	})
	eventually(t, "its end", func() bool { return b.status("web") == "gone" })
	if in.Scheduling.MaxRunDuration.Seconds != 3600 {
		t.Error("the duration is not shown")
	}
	eventually(t, "the end of its disk", func() bool { return len(b.server.Inventory()) == 0 })
}

// A server that ended in the middle of its work goes on with it.
func TestReopen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := b.insert(small("web"))
	if err := b.server.Close(); err != nil {
		t.Fatal(err)
	}
	// The machine went with the server: this is what kill -9 leaves.
	b.memory = newMemory()
	b.memory.next, b.memory.disks = 1000, map[string]bool{"gce-": true}
	b.host = b.memory
	b.open(timing.Timing{Running: time.Hour, Image: time.Hour, Disk: time.Hour, Terminating: time.Hour})
	eventually(t, "the machine", func() bool { return b.memory.machine("web") != nil })
	if !slices.Equal(b.memory.machine("web").spec.Layers, []host.LayerID{"base-bookworm"}) {
		t.Errorf("layers: %v", b.memory.machine("web").spec.Layers)
	}
	pending, err := b.Images.Insert(proj, &compute.Image{Name: "slow", SourceDisk: in.Disks[0].Source}).ForceCreate(true).Do()
	if err != nil {
		t.Fatal(err)
	}
	launching, err := b.Instances.Insert(proj, zone, small("late")).Do()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Images.Get(proj, "slow").Do(); err != nil || got.Status != "PENDING" {
		t.Errorf("image: %+v, %v", got, err)
	}
	_, err = b.Images.Insert(proj, &compute.Image{Name: "fast", SourceImage: "global/images/slow"}).Do()
	b.refused(err, 400, "resourceNotReady", "not ready")
	if err := b.server.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(timing.Zero())
	b.done(pending, nil)
	b.done(launching, nil)
	if got, err := b.Images.Get(proj, "slow").Do(); err != nil || got.Status != "READY" {
		t.Errorf("image: %+v, %v", got, err)
	}
	b.done(b.Instances.Delete(proj, zone, "late").Do())
	b.inventory("gce acme-images/global/images/slow (ready)", "gce acme-images/zones/us-central1-a/disks/web (ready)",
		"gce acme-images/zones/us-central1-a/instances/web (running)")
}

// The disk of an instance that is deleted stays while an image is made of it.
func TestDeleteWhileImaging(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.insert(small("web"))
	b.done(b.Instances.Stop(proj, zone, "web").Do())
	if err := b.server.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(timing.Timing{Image: time.Hour})
	if _, err := b.Images.Insert(proj, &compute.Image{Name: "i", SourceDisk: "zones/" + zone + "/disks/web"}).Do(); err != nil {
		t.Fatal(err)
	}
	op := b.done(b.Instances.Delete(proj, zone, "web").Do())
	if len(op.Warnings) != 1 || op.Warnings[0].Code != "RESOURCE_NOT_DELETED" {
		t.Errorf("warnings: %+v", op.Warnings)
	}
	_, err := b.Disks.Delete(proj, zone, "web").Do()
	b.refused(err, 400, "resourceInUseByAnotherResource", "images/i")
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.server.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(timing.Timing{Operation: time.Hour})
	op, err := b.Networks.Insert(proj, &compute.Network{Name: "n", AutoCreateSubnetworks: true}).Do()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := b.GlobalOperations.Wait(proj, op.Name).Context(ctx).Do(); err == nil {
		t.Errorf("it is done: %+v", got)
	}
	got, err := b.GlobalOperations.Get(proj, op.Name).Do()
	if err != nil || got.Status != "RUNNING" || got.TargetLink != link("projects/acme-images/global/networks/n") {
		t.Errorf("%+v, %v", got, err)
	}
}
