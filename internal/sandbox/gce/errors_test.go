package gce

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// Each method of the discovery document has a handler, and no other.
func TestHandlers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for id := range b.server.api.Methods {
		if b.server.handlers[id] == nil {
			t.Errorf("no handler for %s", id)
		}
	}
	for id := range works() {
		if b.server.api.Methods["compute."+id] == nil {
			t.Errorf("work for %s, which there is not", id)
		}
	}
}

func TestInsertRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.insert(small("taken"))
	b.done(b.Disks.Insert(proj, zone, &compute.Disk{Name: "blank", SizeGb: 10}).Do())
	disk := func(change func(*compute.AttachedDisk)) func(*compute.Instance) {
		return func(in *compute.Instance) { change(in.Disks[0]) }
	}
	for name, test := range map[string]struct {
		change         func(*compute.Instance)
		code           int
		reason, detail string
	}{
		"name in use":      {func(in *compute.Instance) { in.Name = "taken" }, 409, "alreadyExists", "The resource 'projects/acme-images/zones/us-central1-a/instances/taken' already exists"},
		"bad name":         {func(in *compute.Instance) { in.Name = "Web" }, 400, "invalid", "Invalid value for field 'resource.name': 'Web'. Must be a match of regex"},
		"no name":          {func(in *compute.Instance) { in.Name = "" }, 400, "required", "resource.name"},
		"machine type":     {func(in *compute.Instance) { in.MachineType = "zones/us-central1-a/machineTypes/e2-huge" }, 400, "invalid", "The referenced machine type resource cannot be found."},
		"its zone":         {func(in *compute.Instance) { in.MachineType = "zones/us-east1-b/machineTypes/e2-small" }, 400, "invalid", "another zone"},
		"no disks":         {func(in *compute.Instance) { in.Disks = nil }, 400, "invalid", "No disks are specified."},
		"no boot disk":     {disk(func(d *compute.AttachedDisk) { d.Boot = false }), 400, "invalid", "Boot disk must be the first disk"},
		"no such image":    {disk(func(d *compute.AttachedDisk) { d.InitializeParams.SourceImage = "global/images/none" }), 400, "invalid", "The referenced image resource cannot be found."},
		"no such family":   {disk(func(d *compute.AttachedDisk) { d.InitializeParams.SourceImage = "global/images/family/none" }), 404, "notFound", "images/family/none"},
		"disk too small":   {disk(func(d *compute.AttachedDisk) { d.InitializeParams.DiskSizeGb = 5 }), 400, "invalid", "Requested disk size cannot be smaller than the image size (10 GB)"},
		"disk type":        {disk(func(d *compute.AttachedDisk) { d.InitializeParams.DiskType = "zones/us-central1-a/diskTypes/tape" }), 400, "invalid", "diskType"},
		"disk name in use": {disk(func(d *compute.AttachedDisk) { d.InitializeParams.DiskName = "taken" }), 409, "alreadyExists", "disks/taken"},
		"disk in use":      {disk(func(d *compute.AttachedDisk) { d.Source, d.InitializeParams = "zones/"+zone+"/disks/taken", nil }), 400, "resourceInUseByAnotherResource", "instances/taken"},
		"not bootable":     {disk(func(d *compute.AttachedDisk) { d.Source, d.InitializeParams = "zones/"+zone+"/disks/blank", nil }), 400, "invalid", "not bootable"},
		"no network":       {func(in *compute.Instance) { in.NetworkInterfaces = nil }, 400, "invalid", "At least one network interface is required."},
		"network":          {func(in *compute.Instance) { in.NetworkInterfaces[0].Network = "global/networks/none" }, 400, "invalid", "The referenced network resource cannot be found."},
		"subnetwork": {func(in *compute.Instance) {
			in.NetworkInterfaces[0].Subnetwork = "regions/us-central1/subnetworks/none"
		}, 400, "invalid", "The referenced subnetwork resource cannot be found."},
		"subnetwork's place": {func(in *compute.Instance) {
			in.NetworkInterfaces[0].Subnetwork = "regions/us-east1/subnetworks/default"
		}, 400, "invalid", "not in the region"},
		"address":          {func(in *compute.Instance) { in.NetworkInterfaces[0].AccessConfigs[0].NatIP = "127.0.0.9" }, 400, "invalid", "was not found in region 'us-central1'"},
		"internal address": {func(in *compute.Instance) { in.NetworkInterfaces[0].NetworkIP = "192.168.1.1" }, 400, "invalid", "outside the subnetwork"},
		"label":            {func(in *compute.Instance) { in.Labels = map[string]string{"a": "B"} }, 400, "invalid", "Label value 'B' violates format constraints."},
		"tag":              {func(in *compute.Instance) { in.Tags = &compute.Tags{Items: []string{"A b"}} }, 400, "invalid", "resource.tags"},
		"accelerator": {func(in *compute.Instance) {
			in.GuestAccelerators = []*compute.AcceleratorConfig{{AcceleratorType: "zones/us-central1-a/acceleratorTypes/abacus", AcceleratorCount: 1}}
		}, 400, "invalid", "acceleratorType"},
		"live migration": {func(in *compute.Instance) {
			in.GuestAccelerators = []*compute.AcceleratorConfig{{AcceleratorType: "zones/us-central1-a/acceleratorTypes/nvidia-l4", AcceleratorCount: 1}}
		}, 400, "invalid", "do not support live migration"},
		"short life": {func(in *compute.Instance) {
			in.Scheduling = &compute.Scheduling{MaxRunDuration: &compute.Duration{Seconds: 5}, InstanceTerminationAction: "DELETE"}
		}, 400, "invalid", "between 30 and"},
		"what ends a life": {func(in *compute.Instance) {
			in.Scheduling = &compute.Scheduling{MaxRunDuration: &compute.Duration{Seconds: 60}}
		}, 400, "invalid", "instanceTerminationAction"},
		"preemptible": {func(in *compute.Instance) {
			in.Scheduling = &compute.Scheduling{Preemptible: true, OnHostMaintenance: "MIGRATE"}
		}, 400, "invalid", "TERMINATE"},
		"accounts": {func(in *compute.Instance) { in.ServiceAccounts = []*compute.ServiceAccount{{Email: "default"}} }, 400, "invalid", "at least one scope"},
		"metadata": {func(in *compute.Instance) { in.Metadata.Items = append(in.Metadata.Items, in.Metadata.Items[0]) }, 400, "invalid", "duplicate key"},
	} {
		t.Run(name, func(t *testing.T) {
			in := small("new")
			test.change(in)
			_, err := b.Instances.Insert(proj, zone, in).Do()
			one := *b
			one.t = t
			one.refused(err, test.code, test.reason, test.detail)
		})
	}
	_, err := b.Instances.Insert(proj, "moon-base1-a", small("new")).Do()
	b.refused(err, 400, "invalid", "Unknown zone.")
	b.inventory("gce acme-images/zones/us-central1-a/disks/blank (ready)", "gce acme-images/zones/us-central1-a/disks/taken (ready)",
		"gce acme-images/zones/us-central1-a/instances/taken (running)")
}

func TestInUse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.insert(small("web"))
	_, err := b.Disks.Delete(proj, zone, "web").Do()
	b.refused(err, 400, "resourceInUseByAnotherResource", "The disk resource 'projects/acme-images/zones/us-central1-a/disks/web' is already being used by 'projects/acme-images/zones/us-central1-a/instances/web'")
	_, err = b.Networks.Delete(proj, "default").Do()
	b.refused(err, 400, "resourceInUseByAnotherResource", "networks/default")
	_, err = b.Instances.Reset(proj, zone, "none").Do()
	b.refused(err, 404, "notFound", "instances/none' was not found")
	_, err = b.Instances.SetLabels(proj, zone, "web", &compute.InstancesSetLabelsRequest{LabelFingerprint: "AAAA"}).Do()
	b.refused(err, 412, "conditionNotMet", "fingerprint")
	_, err = b.Instances.SetMetadata(proj, zone, "web", &compute.Metadata{Fingerprint: "AAAA"}).Do()
	b.refused(err, 412, "conditionNotMet", "fingerprint")
	_, err = b.Instances.DetachDisk(proj, zone, "web", "persistent-disk-0").Do()
	b.refused(err, 400, "badRequest", "boot disk of a running instance")
	_, err = b.Images.Insert("debian-cloud", &compute.Image{Name: "mine", SourceDisk: "x"}).Do()
	b.refused(err, 403, "forbidden", "compute.images.create")
	_, err = b.Images.Delete("debian-cloud", "debian-12-bookworm-v20240101").Do()
	b.refused(err, 404, "notFound", "")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	add := func(r fault.Rule) {
		b.faults.Clear()
		if err := b.faults.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	add(fault.Rule{Call: "gce.instances.insert@us-central1-*", Do: fault.Error, Code: "ZONE_RESOURCE_POOL_EXHAUSTED"})
	op := b.ended(b.Instances.Insert(proj, zone, small("web")).Do())
	if op.Error == nil || op.Error.Errors[0].Code != "ZONE_RESOURCE_POOL_EXHAUSTED" || op.HttpErrorStatusCode != 503 || op.HttpErrorMessage != "SERVICE UNAVAILABLE" ||
		!strings.Contains(op.Error.Errors[0].Message, "zones/us-central1-a' does not have enough resources") {
		t.Errorf("operation: %+v", op)
	}
	b.inventory()
	for _, test := range []struct {
		rule   fault.Rule
		status int
		reason string
	}{
		{fault.Rule{}, 403, "rateLimitExceeded"},
		{fault.Rule{Status: 429}, 429, "rateLimitExceeded"},
		{fault.Rule{Code: "quotaExceeded"}, 403, "quotaExceeded"},
		{fault.Rule{Code: "backendError"}, 503, "backendError"},
		{fault.Rule{Code: "authError"}, 401, "authError"},
	} {
		test.rule.Call, test.rule.Do = "gce.images.insert", fault.Error
		add(test.rule)
		_, err := b.Images.Insert(proj, &compute.Image{Name: "i", SourceDisk: "d"}).Do()
		b.refused(err, test.status, test.reason, "")
	}
	b.faults.Clear()
	b.faults.SetAccount(fault.Account{Images: 1})
	b.done(b.Images.Insert(proj, &compute.Image{Name: "one", SourceImage: "projects/debian-cloud/global/images/family/debian-12"}).Do())
	_, err := b.Images.Insert(proj, &compute.Image{Name: "two", SourceImage: "global/images/one"}).Do()
	b.refused(err, 403, "quotaExceeded", "Quota 'IMAGES' exceeded")
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	resp, err := http.Get(b.url + "/compute/v1/projects/p")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Error(resp.Status)
	}
}

// The same request id is the same operation.
func TestRequestID(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const id = "2b5a6c5e-7f3c-4b53-9c60-3a4d1f2e8f10"
	one, err := b.Instances.Insert(proj, zone, small("web")).RequestId(id).Do()
	b.done(one, err)
	two, err := b.Instances.Insert(proj, zone, small("web")).RequestId(id).Do()
	if err != nil || one.Name != two.Name {
		t.Errorf("%+v, %v", two, err)
	}
	_, err = b.Instances.Insert(proj, zone, small("web")).RequestId("not one").Do()
	b.refused(err, 400, "invalid", "requestId")
}
