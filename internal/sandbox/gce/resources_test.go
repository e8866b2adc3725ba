package gce

import (
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/api/compute/v1"
)

func TestPublicImages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	img, err := b.Images.GetFromFamily("debian-cloud", "debian-12").Do()
	if err != nil || img.Name != "debian-12-bookworm-v20260114" || img.Family != "debian-12" || img.DiskSizeGb != 10 {
		t.Errorf("%+v, %v", img, err)
	}
	view, err := b.ImageFamilyViews.Get("debian-cloud", zone, "debian-12").Do()
	if err != nil || view.Image == nil || view.Image.SelfLink != img.SelfLink {
		t.Errorf("as the zone sees the family: %+v, %v", view, err)
	}
	in := small("viewed") // as gcloud names the image
	in.Disks[0].InitializeParams.SourceImage = "projects/debian-cloud/zones/-/imageFamilyViews/debian-12"
	if i := b.insert(in); i.Status != "RUNNING" {
		t.Errorf("%+v", i)
	}
	b.done(b.Instances.Delete(proj, zone, "viewed").Do())
	_, err = b.ImageFamilyViews.Get(proj, zone, "debian-12").Do()
	b.refused(err, 404, "notFound", "family/debian-12")
	_, err = b.ImageFamilyViews.Get("debian-cloud", "moon-1a", "debian-12").Do()
	b.refused(err, 400, "invalid", "Unknown zone")
	for _, test := range []struct {
		project, name, family string
		found                 bool
	}{
		{"debian-cloud", "debian-12-bookworm-v20240415", "", true},
		{"debian-cloud", "debian-12", "", false}, // the name of a family
		{"ubuntu-os-cloud", "", "debian-12", false},
		{"ubuntu-os-cloud", "", "ubuntu-2404-lts-amd64", true},
		{"windows-cloud", "", "windows-2022", true},
		{proj, "", "debian-12", false},
		{proj, "debian-12-bookworm-v20240415", "", false},
	} {
		var err error
		if test.family != "" {
			_, err = b.Images.GetFromFamily(test.project, test.family).Do()
		} else {
			_, err = b.Images.Get(test.project, test.name).Do()
		}
		if (err == nil) != test.found {
			t.Errorf("%+v: %v", test, err)
		}
	}
	for filter, want := range map[string][]string{
		`name = "debian-12-bookworm-*"`: {"debian-12-bookworm-arm64-v20260114", "debian-12-bookworm-v20240415", "debian-12-bookworm-v20260114"},
		`family = "debian-10"`:          {"debian-10-v20260114"},
		`name eq debian-9-stretch-.*`:   {"debian-9-stretch-v20260114"},
		`family = "ubuntu-2204-lts"`:    nil,
	} {
		list, err := b.Images.List("debian-cloud").Filter(filter).Do()
		if err != nil {
			t.Fatal(err)
		}
		if got := names(list.Items); !slices.Equal(got, want) {
			t.Errorf("%s: %v", filter, got)
		}
	}
	b.inventory()
}

func names(items []*compute.Image) []string {
	var all []string
	for _, i := range items {
		all = append(all, i.Name)
	}
	return all
}

func TestImages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"web-1", "web-2", "db-1"} {
		family, _, _ := strings.Cut(name, "-")
		b.done(b.Images.Insert(proj, &compute.Image{Name: name, Family: family, SourceImage: "projects/debian-cloud/global/images/family/debian-12",
			Labels: map[string]string{"team": family}, StorageLocations: []string{"eu"}}).Do())
	}
	list, err := b.Images.List(proj).Filter("labels.team=web").OrderBy("creationTimestamp desc").Do()
	if err != nil || !slices.Equal(names(list.Items), []string{"web-2", "web-1"}) {
		t.Errorf("%v, %v", list, err)
	}
	page, err := b.Images.List(proj).MaxResults(2).Fields("items/name", "nextPageToken").Do()
	if err != nil || !slices.Equal(names(page.Items), []string{"db-1", "web-1"}) || page.Items[0].Id != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err = b.Images.List(proj).MaxResults(2).PageToken(page.NextPageToken).Do(); err != nil || !slices.Equal(names(page.Items), []string{"web-2"}) || page.NextPageToken != "" {
		t.Errorf("%+v, %v", page, err)
	}
	for filter, order := range map[string]string{"color=red": "", "name=": "", "name=a": "size"} {
		_, err := b.Images.List(proj).Filter(filter).OrderBy(order).Do()
		b.refused(err, 400, "invalid", "Invalid value for field")
	}

	b.done(b.Images.Deprecate(proj, "web-2", &compute.DeprecationStatus{State: "OBSOLETE", Replacement: link("projects/p/global/images/x")}).Do())
	if got, err := b.Images.GetFromFamily(proj, "web").Do(); err != nil || got.Name != "web-1" {
		t.Errorf("the newest: %+v, %v", got, err)
	}
	if got, err := b.ImageFamilyViews.Get(proj, zone, "web").Do(); err != nil || got.Image.Name != "web-1" {
		t.Errorf("the newest in a zone: %+v, %v", got, err)
	}
	_, err = b.Images.Insert(proj, &compute.Image{Name: "copy", SourceImage: "global/images/web-2"}).Do()
	b.refused(err, 400, "invalid", "obsolete")
	b.done(b.Images.Deprecate(proj, "web-2", &compute.DeprecationStatus{}).Do())
	b.done(b.Images.Patch(proj, "web-2", &compute.Image{Family: "other", Description: "d"}).Do())
	got, err := b.Images.Get(proj, "web-2").Do()
	if err != nil || got.Deprecated != nil || got.Family != "other" || got.Description != "d" {
		t.Errorf("%+v, %v", got, err)
	}
	b.done(b.Images.SetLabels(proj, "web-2", &compute.GlobalSetLabelsRequest{LabelFingerprint: got.LabelFingerprint}).Do())
	if got, _ = b.Images.Get(proj, "web-2").Do(); len(got.Labels) != 0 {
		t.Errorf("labels: %v", got.Labels)
	}
	_, err = b.Images.Insert(proj, &compute.Image{Name: "far", SourceImage: "global/images/web-1", StorageLocations: []string{"moon"}}).Do()
	b.refused(err, 400, "invalid", "storage location")

	p, err := b.Images.GetIamPolicy(proj, "web-1").Do()
	if err != nil {
		t.Fatal(err)
	}
	p.Bindings = append(p.Bindings, &compute.Binding{Role: "roles/compute.imageUser", Members: []string{"allAuthenticatedUsers"}})
	p, err = b.Images.SetIamPolicy(proj, "web-1", &compute.GlobalSetPolicyRequest{Policy: p}).Do()
	if err != nil || len(p.Bindings) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	p.Etag = "AAAA"
	_, err = b.Images.SetIamPolicy(proj, "web-1", &compute.GlobalSetPolicyRequest{Policy: p}).Do()
	b.refused(err, 412, "conditionNotMet", "etag")
}

// Data disks keep their bytes through snapshots and images.
func TestDataDisks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.done(b.Disks.Insert(proj, zone, &compute.Disk{Name: "data", SizeGb: 1, Type: "zones/" + zone + "/diskTypes/pd-ssd",
		DiskEncryptionKey: &compute.CustomerEncryptionKey{RawKey: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}}).Do())
	in := small("web")
	in.Disks = append(in.Disks, &compute.AttachedDisk{Source: "zones/" + zone + "/disks/data", DeviceName: "d"},
		&compute.AttachedDisk{Type: "SCRATCH", AutoDelete: true, Interface: "NVME"})
	_, err := b.Instances.Insert(proj, zone, in).Do()
	b.refused(err, 400, "resourceIsEncryptedWithCustomerEncryptionKey", "none was provided")
	in.Disks[1].DiskEncryptionKey = &compute.CustomerEncryptionKey{RawKey: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
	in = b.insert(in)
	if k := in.Disks[1].DiskEncryptionKey; k == nil || k.RawKey != "" || k.Sha256 == "" {
		t.Errorf("the key in the answer: %+v", k)
	}
	disks := b.memory.machine("web").spec.Disks
	if len(disks) != 2 || disks[0].Device != "/dev/sdb" || disks[0].Size != 1<<30 || disks[1].Device != "/dev/sdc" {
		t.Fatalf("disks: %+v", disks)
	}
	f, err := os.OpenFile(disks[0].File, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("bytes"), 1<<20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	b.done(b.Instances.DetachDisk(proj, zone, "web", "d").Do())
	_, err = b.Instances.DetachDisk(proj, zone, "web", "d").Do()
	b.refused(err, 400, "invalid", "No attached disk found with device name 'd'")
	key := &compute.CustomerEncryptionKey{RawKey: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
	b.done(b.Disks.CreateSnapshot(proj, zone, "data", &compute.Snapshot{Name: "snap", SourceDiskEncryptionKey: key}).Do())
	b.done(b.Images.Insert(proj, &compute.Image{Name: "image", SourceSnapshot: "global/snapshots/snap"}).Do())
	b.done(b.RegionDisks.Insert(proj, "us-central1", &compute.Disk{Name: "again", SourceImage: "global/images/image", Type: "regions/us-central1/diskTypes/pd-ssd",
		ReplicaZones: []string{"zones/us-central1-a", "zones/us-central1-b"}}).Do())
	var file string
	b.server.locked(func() {
		file = b.server.state.Resources["projects/"+proj+"/regions/us-central1/disks/again"].Content.File
	})
	again, err := os.Open(b.server.file(file))
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 5)
	_, err = again.ReadAt(text, 1<<20)
	if info, _ := again.Stat(); err != nil || string(text) != "bytes" || info.Size() != 1<<30 {
		t.Errorf("the copy has %q, %v", text, err)
	}
	again.Close()
	b.done(b.Instances.AttachDisk(proj, zone, "web", &compute.AttachedDisk{Source: "projects/" + proj + "/regions/us-central1/disks/again"}).Do())
	_, err = b.RegionDisks.Delete(proj, "us-central1", "again").Do()
	b.refused(err, 400, "resourceInUseByAnotherResource", "instances/web")
	b.done(b.Instances.Delete(proj, zone, "web").Do())
	b.done(b.RegionDisks.Delete(proj, "us-central1", "again").Do())
	b.done(b.Disks.Delete(proj, zone, "data").Do())
	b.done(b.Snapshots.Delete(proj, "snap").Do())
	b.done(b.Images.Delete(proj, "image").Do())
	b.inventory()
	if left, _ := os.ReadDir(b.server.file("")); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.done(b.Networks.Insert(proj, &compute.Network{Name: "custom", ForceSendFields: []string{"AutoCreateSubnetworks"}}).Do())
	in := small("web")
	in.NetworkInterfaces[0].Network = "global/networks/custom"
	_, err := b.Instances.Insert(proj, zone, in).Do()
	b.refused(err, 400, "badRequest", "must specify a subnet")
	b.done(b.Subnetworks.Insert(proj, "us-central1", &compute.Subnetwork{Name: "inner", Network: "global/networks/custom", IpCidrRange: "10.9.0.0/24"}).Do())
	b.done(b.Addresses.Insert(proj, "us-central1", &compute.Address{Name: "fixed"}).Do())
	fixed, err := b.Addresses.Get(proj, "us-central1", "fixed").Do()
	if err != nil || fixed.Status != "RESERVED" {
		t.Fatal(fixed, err)
	}
	in.NetworkInterfaces[0].Subnetwork = "projects/" + proj + "/regions/us-central1/subnetworks/inner"
	in.NetworkInterfaces[0].AccessConfigs[0].NatIP = fixed.Address
	in.NetworkInterfaces[0].NetworkIP = "10.9.0.7"
	in.Tags = &compute.Tags{Items: []string{"http"}}
	in = b.insert(in)
	m := b.memory.machine("web")
	if in.NetworkInterfaces[0].NetworkIP != "10.9.0.7" || len(m.spec.Addrs) != 1 || m.spec.Addrs[0].String() != fixed.Address {
		t.Errorf("addresses: %+v %v", in.NetworkInterfaces[0], m.spec.Addrs)
	}
	for _, rule := range []*compute.Firewall{
		{Name: "web", Network: "global/networks/custom", TargetTags: []string{"http"}, Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp", Ports: []string{"80", "8000-8002"}}}},
		{Name: "db", Network: "global/networks/custom", TargetTags: []string{"db"}, Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp", Ports: []string{"5432"}}}},
	} {
		b.done(b.Firewalls.Insert(proj, rule).Do())
	}
	if got := m.spec.OpenPorts(); !slices.Equal(got, []int{22, 80, 8000, 8001, 8002}) {
		t.Errorf("ports: %v", got)
	}
	b.done(b.Firewalls.Insert(proj, &compute.Firewall{Name: "none", Network: "global/networks/custom", Denied: []*compute.FirewallDenied{{IPProtocol: "all"}}}).Do())
	if got := m.spec.OpenPorts(); slices.Contains(got, 22) {
		t.Errorf("ports: %v", got)
	}
	_, err = b.Addresses.Delete(proj, "us-central1", "fixed").Do()
	b.refused(err, 400, "resourceInUseByAnotherResource", "instances/web")
	_, err = b.Subnetworks.Delete(proj, "us-central1", "inner").Do()
	b.refused(err, 400, "resourceInUseByAnotherResource", "instances/web")
	b.done(b.Instances.Delete(proj, zone, "web").Do())
	b.done(b.Addresses.Delete(proj, "us-central1", "fixed").Do())
	b.done(b.Subnetworks.Delete(proj, "us-central1", "inner").Do())
	for _, rule := range []string{"web", "db", "none"} {
		b.done(b.Firewalls.Delete(proj, rule).Do())
	}
	b.done(b.Networks.Delete(proj, "custom").Do())
	b.inventory()
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	zones, err := b.Zones.List(proj).Filter("region eq .*/us-central1").Do()
	if err != nil || len(zones.Items) != 4 {
		t.Errorf("%+v, %v", zones, err)
	}
	region, err := b.Regions.Get(proj, "europe-west1").Do()
	if err != nil || len(region.Zones) != 3 {
		t.Errorf("%+v, %v", region, err)
	}
	types, err := b.MachineTypes.List(proj, zone).Filter("name = n2-standard-8").Do()
	if err != nil || len(types.Items) != 1 || types.Items[0].MemoryMb != 32768 || types.Items[0].Zone != zone {
		t.Errorf("%+v, %v", types, err)
	}
	if got, err := b.MachineTypes.Get(proj, zone, "n2-custom-4-8192").Do(); err != nil || got.GuestCpus != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, list := range []func() (int, error){
		func() (int, error) { l, err := b.DiskTypes.List(proj, zone).Do(); return len(l.Items), err },
		func() (int, error) { l, err := b.RegionDiskTypes.List(proj, "us-east1").Do(); return len(l.Items), err },
		func() (int, error) { l, err := b.AcceleratorTypes.List(proj, zone).Do(); return len(l.Items), err },
		func() (int, error) { l, err := b.Regions.List(proj).Do(); return len(l.Items), err },
		func() (int, error) { l, err := b.Firewalls.List(proj).Do(); return len(l.Items), err },
		func() (int, error) { l, err := b.Subnetworks.AggregatedList(proj).Do(); return len(l.Items), err },
	} {
		if n, err := list(); err != nil || n < 3 {
			t.Errorf("%d, %v", n, err)
		}
	}
	_, err = b.Zones.Get(proj, "us-central1-z").Do()
	b.refused(err, 404, "notFound", "zones/us-central1-z")
	_, err = b.DiskTypes.Get(proj, zone, "tape").Do()
	b.refused(err, 404, "notFound", "diskTypes/tape")

	b.insert(small("web"))
	all, err := b.Instances.AggregatedList(proj).Filter("labels.ingot-run=r1").Do()
	if err != nil || len(all.Items["zones/"+zone].Instances) != 1 || all.Items["zones/us-east1-b"].Warning.Code != "NO_RESULTS_ON_PAGE" {
		t.Errorf("%+v, %v", all, err)
	}
	p, err := b.Projects.Get(proj).Do()
	if err != nil || p.Name != proj || p.CommonInstanceMetadata.Fingerprint == "" || p.DefaultServiceAccount == "" {
		t.Errorf("%+v, %v", p, err)
	}
}
