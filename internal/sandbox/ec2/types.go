package ec2

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// family of instance types.
type family struct {
	arch   string
	memory int      // GiB of a "large"
	sizes  []string // beside those of all
}

// families returns the families of instance types that the sandbox has.
func families() map[string]family {
	const x86, arm = "x86_64", "arm64"
	burst := []string{"nano", "micro", "small"}
	all := map[string]family{
		"t1": {x86, 2, []string{"micro"}}, "m1": {x86, 8, []string{"small"}},
		"t2": {x86, 8, burst}, "t3": {x86, 8, burst}, "t3a": {x86, 8, burst}, "t4g": {arm, 8, burst},
		"a1": {arm, 4, nil}, "p3": {x86, 16, nil}, "p4d": {x86, 16, nil}, "p5": {x86, 16, nil}, "g4dn": {x86, 8, nil},
		"g5": {x86, 8, nil}, "g5g": {arm, 4, nil}, "g6": {x86, 8, nil}, "inf2": {x86, 8, nil}, "d3": {x86, 16, nil},
		"i3": {x86, 16, nil}, "i4i": {x86, 16, nil}, "i4g": {arm, 16, nil}, "z1d": {x86, 16, nil}, "x2gd": {arm, 32, nil},
	}
	memory := map[string]int{"c": 4, "m": 8, "r": 16}
	for letter, gib := range memory {
		for _, gen := range []string{"4", "5", "5a", "5d", "5n", "5ad", "6a", "6i", "6id", "7a", "7i", "7i-flex", "8a", "8i"} {
			all[letter+gen] = family{x86, gib, nil}
		}
		for _, gen := range []string{"6g", "6gd", "7g", "7gd", "8g", "8gd"} {
			all[letter+gen] = family{arm, gib, []string{"medium"}}
		}
	}
	return all
}

// vCPUs of the sizes that all families have.
var sizes = map[string]int{
	"nano": 2, "micro": 2, "small": 2, "medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16,
	"8xlarge": 32, "12xlarge": 48, "16xlarge": 64, "24xlarge": 96, "metal": 96,
}

type typeInfo struct {
	name, arch string
	cpus       int
	memory     int // MiB
	burst      bool
}

func instanceType(name string) (typeInfo, bool) {
	fam, size, _ := strings.Cut(name, ".")
	f, ok := families()[fam]
	cpus, sized := sizes[size]
	if !ok || !sized {
		return typeInfo{}, false
	}
	t := typeInfo{name: name, arch: f.arch, cpus: cpus, memory: f.memory * 1024 * cpus / 2, burst: fam[0] == 't'}
	switch size {
	case "nano", "micro", "small":
		if !slices.Contains(f.sizes, size) {
			return typeInfo{}, false
		}
		t.memory = map[string]int{"nano": 512, "micro": 1024, "small": 2048}[size]
	case "medium":
		t.memory /= 2
	}
	return t, true
}

// spotPrice is what an hour costs at the moment: a third of a round price.
func (t typeInfo) spotPrice() string {
	return fmt.Sprintf("%.6f", float64(t.cpus)*0.008+float64(t.memory)/1024*0.001)
}

func allTypes() []typeInfo {
	var all []typeInfo
	for fam := range families() {
		for size := range sizes {
			if t, ok := instanceType(fam + "." + size); ok {
				all = append(all, t)
			}
		}
	}
	slices.SortFunc(all, func(a, b typeInfo) int { return strings.Compare(a.name, b.name) })
	return all
}

type describeTypesIn struct {
	paging
	Types   []string `q:"InstanceType"`
	Filters []filter `q:"Filter"`
}

type typeOut struct {
	Name       string       `xml:"instanceType"`
	Current    bool         `xml:"currentGeneration"`
	FreeTier   bool         `xml:"freeTierEligible"`
	Usage      list[string] `xml:"supportedUsageClasses"`
	RootTypes  list[string] `xml:"supportedRootDeviceTypes"`
	VirtTypes  list[string] `xml:"supportedVirtualizationTypes"`
	BareMetal  bool         `xml:"bareMetal"`
	Hypervisor string       `xml:"hypervisor"`
	Archs      list[string] `xml:"processorInfo>supportedArchitectures"`
	CPUs       int          `xml:"vCpuInfo>defaultVCpus"`
	Memory     int          `xml:"memoryInfo>sizeInMiB"`
	Storage    bool         `xml:"instanceStorageSupported"`
	Optimized  string       `xml:"ebsInfo>ebsOptimizedSupport"`
	Encryption string       `xml:"ebsInfo>encryptionSupport"`
	ENA        string       `xml:"networkInfo>enaSupport"`
	Hibernate  bool         `xml:"hibernationSupported"`
	Burst      bool         `xml:"burstablePerformanceSupported"`
	BootModes  list[string] `xml:"supportedBootModes"`
	Enclaves   string       `xml:"nitroEnclavesSupport"`
}

type describeTypesOut struct {
	Next  string        `xml:"nextToken,omitempty"`
	Types list[typeOut] `xml:"instanceTypeSet"`
}

func typeAttrs() attrs[typeInfo] {
	return attrs[typeInfo]{
		"instance-type":                         one(func(t typeInfo) string { return t.name }),
		"processor-info.supported-architecture": one(func(t typeInfo) string { return t.arch }),
		"current-generation":                    yes(func(typeInfo) bool { return true }),
		"burstable-performance-supported":       yes(func(t typeInfo) bool { return t.burst }),
		"free-tier-eligible":                    yes(func(t typeInfo) bool { return strings.HasSuffix(t.name, ".micro") }),
		"supported-usage-class":                 func(typeInfo) []string { return []string{"on-demand", "spot"} },
		"supported-virtualization-type":         func(typeInfo) []string { return []string{"hvm"} },
		"supported-root-device-type":            func(typeInfo) []string { return []string{"ebs"} },
		"vcpu-info.default-vcpus":               one(func(t typeInfo) string { return itoa(t.cpus) }),
		"memory-info.size-in-mib":               one(func(t typeInfo) string { return itoa(t.memory) }),
	}
}

func describeTypes(_ *call, in *describeTypesIn) (describeTypesOut, error) {
	all := allTypes()
	if len(in.Types) > 0 {
		all = nil
		for _, name := range in.Types {
			t, ok := instanceType(name)
			if !ok {
				return describeTypesOut{}, fail("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
			}
			all = append(all, t)
		}
	}
	all, err := pick(all, in.Filters, typeAttrs(), nil)
	if err != nil {
		return describeTypesOut{}, err
	}
	all, next, err := page(in.paging, all, in.Types)
	if err != nil {
		return describeTypesOut{}, err
	}
	out := describeTypesOut{Next: next}
	for _, t := range all {
		modes := []string{"legacy-bios", "uefi"}
		if t.arch == "arm64" {
			modes = modes[1:]
		}
		out.Types.Items = append(out.Types.Items, typeOut{
			Name: t.name, Current: true, FreeTier: strings.HasSuffix(t.name, ".micro"), Usage: listOf([]string{"on-demand", "spot"}),
			RootTypes: listOf([]string{"ebs"}), VirtTypes: listOf([]string{"hvm"}), Hypervisor: "nitro", Archs: listOf([]string{t.arch}),
			CPUs: t.cpus, Memory: t.memory, Optimized: "default", Encryption: "supported", ENA: "required",
			Burst: t.burst, BootModes: listOf(modes), Enclaves: "supported",
		})
	}
	return out, nil
}

type describeOfferingsIn struct {
	paging
	Kind    string   `q:"LocationType"`
	Filters []filter `q:"Filter"`
}

type offering struct {
	Type     string `xml:"instanceType"`
	Kind     string `xml:"locationType"`
	Location string `xml:"location"`
}

type describeOfferingsOut struct {
	Next string         `xml:"nextToken,omitempty"`
	All  list[offering] `xml:"instanceTypeOfferingSet"`
}

func describeOfferings(c *call, in *describeOfferingsIn) (describeOfferingsOut, error) {
	var places []string
	switch in.Kind {
	case "", "region":
		in.Kind, places = "region", []string{c.name}
	case "availability-zone":
		for _, z := range zonesOf(c.name) {
			places = append(places, z.Name)
		}
	case "availability-zone-id":
		for _, z := range zonesOf(c.name) {
			places = append(places, z.ID)
		}
	default:
		return describeOfferingsOut{}, oneOf("LocationType", in.Kind, "region", "availability-zone", "availability-zone-id")
	}
	var all []offering
	for _, t := range allTypes() {
		for _, p := range places {
			all = append(all, offering{t.name, in.Kind, p})
		}
	}
	all, err := pick(all, in.Filters, attrs[offering]{
		"instance-type": one(func(o offering) string { return o.Type }),
		"location":      one(func(o offering) string { return o.Location }),
	}, nil)
	if err != nil {
		return describeOfferingsOut{}, err
	}
	all, next, err := page(in.paging, all, nil)
	return describeOfferingsOut{next, listOf(all)}, err
}

type spotPricesIn struct {
	paging
	Zone     string     `q:"AvailabilityZone"`
	Types    []string   `q:"InstanceType"`
	Products []string   `q:"ProductDescription"`
	Start    *time.Time `q:"StartTime"`
	End      *time.Time `q:"EndTime"`
	Filters  []filter   `q:"Filter"`
}

type spotPrice struct {
	Zone    string `xml:"availabilityZone"`
	Type    string `xml:"instanceType"`
	Product string `xml:"productDescription"`
	Price   string `xml:"spotPrice"`
	At      stamp  `xml:"timestamp"`
}

type spotPricesOut struct {
	Next string          `xml:"nextToken"`
	All  list[spotPrice] `xml:"spotPriceHistorySet"`
}

// spotPrices answers the present prices, which never change: one for each type
// and zone, whatever the times asked for.
func spotPrices(c *call, in *spotPricesIn) (spotPricesOut, error) {
	types := in.Types
	if len(types) == 0 {
		for _, t := range allTypes() {
			types = append(types, t.name)
		}
	}
	var all []spotPrice
	for _, name := range types {
		t, ok := instanceType(name)
		if !ok {
			continue
		}
		for _, z := range zonesOf(c.name) {
			if in.Zone == "" || in.Zone == z.Name {
				all = append(all, spotPrice{z.Name, name, "Linux/UNIX", t.spotPrice(), stamp(c.now.Add(-time.Hour))})
			}
		}
	}
	if len(in.Products) > 0 && !slices.ContainsFunc(in.Products, func(p string) bool { return strings.HasPrefix(p, "Linux/UNIX") }) {
		all = nil
	}
	all, err := pick(all, in.Filters, attrs[spotPrice]{
		"availability-zone":   one(func(p spotPrice) string { return p.Zone }),
		"instance-type":       one(func(p spotPrice) string { return p.Type }),
		"product-description": func(p spotPrice) []string { return []string{p.Product, p.Product + " (Amazon VPC)"} },
		"spot-price":          one(func(p spotPrice) string { return p.Price }),
	}, nil)
	if err != nil {
		return spotPricesOut{}, err
	}
	all, next, err := page(in.paging, all, nil)
	return spotPricesOut{next, listOf(all)}, err
}

// number reads a price.
func number(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64) // checked before
	return n
}
