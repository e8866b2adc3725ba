package gce

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

// regions are those of the service, each with the letters of its zones.
func regions() map[string]string {
	all := map[string]string{}
	for region := range strings.FieldsSeq(`africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2
		asia-northeast3 asia-south1 asia-south2 asia-southeast1 asia-southeast2 australia-southeast1
		australia-southeast2 europe-central2 europe-north1 europe-north2 europe-southwest1 europe-west1 europe-west2
		europe-west3 europe-west4 europe-west6 europe-west8 europe-west9 europe-west10 europe-west12 me-central1
		me-central2 me-west1 northamerica-northeast1 northamerica-northeast2 northamerica-south1 southamerica-east1
		southamerica-west1 us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4`) {
		all[region] = "abc"
	}
	// Where the letters are others, or more.
	all["europe-west1"], all["us-east1"], all["us-central1"] = "bcd", "bcd", "abcf"
	return all
}

func regionNames() []string {
	var all []string
	for region := range regions() {
		all = append(all, region)
	}
	slices.Sort(all)
	return all
}

func zonesOf(region string) []string {
	var all []string
	for _, letter := range regions()[region] {
		all = append(all, region+"-"+string(letter))
	}
	return all
}

func regionOf(zone string) string {
	if at := strings.LastIndexByte(zone, '-'); at > 0 {
		return zone[:at]
	}
	return ""
}

// place refuses a zone or region that there is not.
func (c *call) place() error {
	if c.name == "zones.get" || c.name == "regions.get" {
		return nil // which say it in their own words
	}
	if zone := c.param("zone"); zone != "" && !slices.Contains(zonesOf(regionOf(zone)), zone) {
		return invalid("zone", zone, "Unknown zone.")
	}
	if region := c.param("region"); region != "" && regions()[region] == "" {
		return invalid("region", region, "Unknown region.")
	}
	return nil
}

// founded is when what was always there was created.
func founded() string { return stamp(time.Date(2014, 5, 30, 18, 0, 0, 0, time.UTC)) }

// given answers the get and list methods of things that nobody makes. make
// returns the one of a name below a path, or nil; names are those to list.
func given(kind string, names func(c *call) []string, make func(path, name string) any) (get, list handler) {
	get = func(c *call) (any, error) {
		path := c.target()
		v := make(path, last(path))
		if v == nil {
			return nil, notFound(path)
		}
		return v, nil
	}
	list = func(c *call) (any, error) {
		var all []any
		for _, name := range names(c) {
			all = append(all, make(c.target()+"/"+name, name))
		}
		title := "compute#" + kind + "List"
		if strings.HasPrefix(c.name, "regionDiskTypes") {
			title = "compute#regionDiskTypeList"
		}
		return c.list(title, all)
	}
	return get, list
}

func makeZone(path, name string) any {
	region := regionOf(name)
	if !slices.Contains(zonesOf(region), name) {
		return nil
	}
	return &compute.Zone{Kind: "compute#zone", Id: fixedID(name), Name: name, Description: name, Status: "UP",
		Region: link(strings.TrimSuffix(path, "zones/"+name) + "regions/" + region), SelfLink: link(path),
		CreationTimestamp: founded(), AvailableCpuPlatforms: []string{"Intel Cascade Lake", "Intel Skylake", "AMD Rome", "AMD Milan"}}
}

func makeRegion(path, name string) any {
	if regions()[name] == "" {
		return nil
	}
	var zones []string
	for _, zone := range zonesOf(name) {
		zones = append(zones, link(strings.TrimSuffix(path, "regions/"+name)+"zones/"+zone))
	}
	return &compute.Region{Kind: "compute#region", Id: fixedID(name), Name: name, Description: name, Status: "UP",
		SelfLink: link(path), CreationTimestamp: founded(), Zones: zones}
}

// family is a series of machine types: how many CPUs there are, and the memory
// of each CPU by the class of the type.
type family struct {
	cpus    []int64
	classes map[string]int64 // MB for a CPU
	arch    string
}

func families() map[string]family {
	classes := func(standard, mem, cpu int64) map[string]int64 {
		return map[string]int64{"standard": standard, "highmem": mem, "highcpu": cpu}
	}
	to := func(n ...int64) []int64 { return n }
	return map[string]family{
		"e2":  {to(2, 4, 8, 16, 32), classes(4096, 8192, 1024), ""},
		"n1":  {to(1, 2, 4, 8, 16, 32, 64, 96), classes(3840, 6656, 922), ""},
		"n2":  {to(2, 4, 8, 16, 32, 48, 64, 80, 96, 128), classes(4096, 8192, 1024), ""},
		"n2d": {to(2, 4, 8, 16, 32, 48, 64, 80, 96, 128, 224), classes(4096, 8192, 1024), ""},
		"n4":  {to(2, 4, 8, 16, 32, 48, 64, 80), classes(4096, 8192, 2048), ""},
		"c2":  {to(4, 8, 16, 30, 60), map[string]int64{"standard": 4096}, ""},
		"c2d": {to(2, 4, 8, 16, 32, 56, 112), classes(4096, 8192, 2048), ""},
		"c3":  {to(4, 8, 22, 44, 88, 176), classes(4096, 8192, 2048), ""},
		"c3d": {to(4, 8, 16, 30, 60, 90, 180, 360), classes(4096, 8192, 2048), ""},
		"c4":  {to(2, 4, 8, 16, 24, 32, 48, 96, 192), classes(3840, 7936, 2048), ""},
		"c4a": {to(1, 2, 4, 8, 16, 32, 48, 64, 72), classes(4096, 8192, 2048), "ARM64"},
		"t2d": {to(1, 2, 4, 8, 16, 32, 48, 60), map[string]int64{"standard": 4096}, ""},
		"t2a": {to(1, 2, 4, 8, 16, 32, 48), map[string]int64{"standard": 4096}, "ARM64"},
		"g2":  {to(4, 8, 12, 16, 24, 32, 48, 96), map[string]int64{"standard": 4096}, ""},
		"a2":  {to(12, 24, 48, 96), map[string]int64{"highgpu": 7083}, ""},
		"m1":  {to(40, 80, 160), map[string]int64{"ultramem": 24600}, ""},
	}
}

func machineTypeNames(*call) []string {
	names := []string{"e2-micro", "e2-small", "e2-medium", "f1-micro", "g1-small"}
	for series, f := range families() {
		for class := range f.classes {
			for _, n := range f.cpus {
				names = append(names, fmt.Sprintf("%s-%s-%d", series, class, n))
			}
		}
	}
	slices.Sort(names)
	return names
}

var custom = regexp.MustCompile(`^(?:(n1|n2|n2d|n4|e2)-)?custom-(\d{1,3})-(\d{3,7})(-ext)?$`)

// machineSize is the CPUs and the memory in MB of a machine type.
func machineSize(name string) (cpus, memory int64, arch string, ok bool) {
	switch name {
	case "e2-micro":
		return 2, 1024, "X86_64", true
	case "e2-small":
		return 2, 2048, "X86_64", true
	case "e2-medium":
		return 2, 4096, "X86_64", true
	case "f1-micro":
		return 1, 614, "X86_64", true
	case "g1-small":
		return 1, 1740, "X86_64", true
	}
	if m := custom.FindStringSubmatch(name); m != nil {
		cpus, _ = strconv.ParseInt(m[2], 10, 64)
		memory, _ = strconv.ParseInt(m[3], 10, 64)
		return cpus, memory, "X86_64", cpus > 0 && (cpus == 1 || cpus%2 == 0) && memory%256 == 0
	}
	parts := strings.Split(name, "-")
	if len(parts) != 3 {
		return 0, 0, "", false
	}
	f, class := families()[parts[0]], parts[1]
	cpus, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || f.classes[class] == 0 || !slices.Contains(f.cpus, cpus) || strconv.FormatInt(cpus, 10) != parts[2] {
		return 0, 0, "", false
	}
	if arch = f.arch; arch == "" {
		arch = "X86_64"
	}
	return cpus, cpus * f.classes[class], arch, true
}

func makeMachineType(path, name string) any {
	cpus, memory, arch, ok := machineSize(name)
	if !ok {
		return nil
	}
	return &compute.MachineType{Kind: "compute#machineType", Id: fixedID(name), Name: name, SelfLink: link(path),
		CreationTimestamp: founded(), Zone: zoneIn(path), GuestCpus: cpus, MemoryMb: memory, Architecture: arch,
		Description:                  fmt.Sprintf("%d vCPUs, %d MB RAM", cpus, memory),
		MaximumPersistentDisks:       128,
		MaximumPersistentDisksSizeGb: 263168, IsSharedCpu: cpus <= 2 && len(strings.Split(name, "-")) == 2}
}

func zoneIn(path string) string {
	return last(path[:strings.LastIndexByte(path[:strings.LastIndexByte(path, '/')], '/')])
}

func diskTypeNames(c *call) []string {
	if strings.HasPrefix(c.name, "region") {
		return []string{"hyperdisk-balanced-high-availability", "pd-balanced", "pd-ssd", "pd-standard"}
	}
	return []string{"hyperdisk-balanced", "hyperdisk-extreme", "hyperdisk-ml", "hyperdisk-throughput", "local-ssd",
		"pd-balanced", "pd-extreme", "pd-ssd", "pd-standard"}
}

func makeDiskType(path, name string) any {
	regional := strings.Contains(path, "/regions/")
	probe := &call{name: map[bool]string{true: "regionDiskTypes.get", false: "diskTypes.get"}[regional]}
	if !slices.Contains(diskTypeNames(probe), name) {
		return nil
	}
	t := &compute.DiskType{Kind: "compute#diskType", Id: fixedID(name), Name: name, SelfLink: link(path), Description: name,
		CreationTimestamp: founded(), DefaultDiskSizeGb: 100, ValidDiskSize: "10GB-65536GB"}
	if name == "pd-standard" {
		t.DefaultDiskSizeGb = 500
	}
	scope, _, _ := strings.Cut(path, "/diskTypes/")
	if regional {
		t.Kind, t.Region = "compute#regionDiskType", link(scope)
	} else {
		t.Zone = link(scope)
	}
	return t
}

func acceleratorNames(*call) []string {
	return []string{"nvidia-a100-80gb", "nvidia-h100-80gb", "nvidia-l4", "nvidia-tesla-a100", "nvidia-tesla-p100",
		"nvidia-tesla-p4", "nvidia-tesla-t4", "nvidia-tesla-v100"}
}

func makeAccelerator(path, name string) any {
	if !slices.Contains(acceleratorNames(nil), name) {
		return nil
	}
	scope, _, _ := strings.Cut(path, "/acceleratorTypes/")
	return &compute.AcceleratorType{Kind: "compute#acceleratorType", Id: fixedID(name), Name: name, SelfLink: link(path),
		Description: name, CreationTimestamp: founded(), Zone: link(scope), MaximumCardsPerInstance: 8}
}
