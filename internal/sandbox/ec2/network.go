package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// zones of the regions, by the letters that their names end with.
func zones() map[string]string {
	return map[string]string{
		"af-south-1": "abc", "ap-east-1": "abc", "ap-east-2": "abc", "ap-northeast-1": "acd", "ap-northeast-2": "abc",
		"ap-northeast-3": "abc", "ap-south-1": "abc", "ap-south-2": "abc", "ap-southeast-1": "abc",
		"ap-southeast-2": "abc", "ap-southeast-3": "abc", "ap-southeast-4": "abc", "ap-southeast-5": "abc",
		"ap-southeast-6": "abc", "ap-southeast-7": "abc", "ca-central-1": "abd", "ca-west-1": "abc",
		"cn-north-1": "abc", "cn-northwest-1": "abc", "eu-central-1": "abc", "eu-central-2": "abc",
		"eu-north-1": "abc", "eu-south-1": "abc", "eu-south-2": "abc", "eu-west-1": "abc", "eu-west-2": "abc",
		"eu-west-3": "abc", "il-central-1": "abc", "me-central-1": "abc", "me-south-1": "abc", "mx-central-1": "abc",
		"sa-east-1": "abc", "us-east-1": "abc", "us-east-2": "abc", "us-gov-east-1": "abc", "us-gov-west-1": "abc",
		"us-west-1": "abc", "us-west-2": "abc",
	}
}

func regionNames() []string { return slices.Sorted(maps.Keys(zones())) }

// idFor returns the id that the same thing always has.
func idFor(prefix, of string) string {
	sum := sha256.Sum256([]byte(of))
	return prefix + "-0" + hex.EncodeToString(sum[:8])
}

type describeRegionsIn struct {
	Names   []string `q:"RegionName"`
	All     bool     `q:"AllRegions"`
	Filters []filter `q:"Filter"`
}

type regionOut struct {
	Name     string `xml:"regionName"`
	Endpoint string `xml:"regionEndpoint"`
	OptIn    string `xml:"optInStatus"`
}

type describeRegionsOut struct {
	Regions list[regionOut] `xml:"regionInfo"`
}

func describeRegions(c *call, in *describeRegionsIn) (describeRegionsOut, error) {
	disabled := c.Faults.Account().DisabledRegions
	var out []regionOut
	for _, name := range regionNames() {
		r := regionOut{name, "ec2." + name + ".amazonaws.com", "opt-in-not-required"}
		if fault.In(disabled, name) {
			r.OptIn = "not-opted-in"
		}
		if len(in.Names) > 0 && !slices.Contains(in.Names, name) || !in.All && r.OptIn == "not-opted-in" {
			continue
		}
		out = append(out, r)
	}
	for _, name := range in.Names {
		if !slices.Contains(regionNames(), name) {
			return describeRegionsOut{}, fail("InvalidParameterValue", "Invalid region name: %s", name)
		}
	}
	out, err := pick(out, in.Filters, attrs[regionOut]{
		"region-name":   one(func(r regionOut) string { return r.Name }),
		"endpoint":      one(func(r regionOut) string { return r.Endpoint }),
		"opt-in-status": one(func(r regionOut) string { return r.OptIn }),
	}, nil)
	return describeRegionsOut{listOf(out)}, err
}

type describeZonesIn struct {
	Names   []string `q:"ZoneName"`
	IDs     []string `q:"ZoneId"`
	All     bool     `q:"AllAvailabilityZones"`
	Filters []filter `q:"Filter"`
}

type zoneOut struct {
	Name   string `xml:"zoneName"`
	ID     string `xml:"zoneId"`
	State  string `xml:"zoneState"`
	Region string `xml:"regionName"`
	Group  string `xml:"groupName"`
	Border string `xml:"networkBorderGroup"`
	Type   string `xml:"zoneType"`
	OptIn  string `xml:"optInStatus"`
}

type describeZonesOut struct {
	Zones list[zoneOut] `xml:"availabilityZoneInfo"`
}

func zonesOf(region string) []zoneOut {
	var all []zoneOut
	for i, letter := range zones()[region] {
		all = append(all, zoneOut{
			Name: region + string(letter), ID: fmt.Sprintf("%s-az%d", shortRegion(region), i+1), State: "available",
			Region: region, Group: region, Border: region, Type: "availability-zone", OptIn: "opt-in-not-required",
		})
	}
	return all
}

// shortRegion is "use1" for "us-east-1".
func shortRegion(region string) string {
	short := ""
	for i, part := range strings.Split(region, "-") {
		if i == 0 {
			short += part
			continue
		}
		for _, dir := range []string{"north", "south", "east", "west", "central", "gov"} {
			if rest, ok := strings.CutPrefix(part, dir); ok {
				short += dir[:1]
				part = rest
			}
		}
		if part != "" {
			short += part[:1]
		}
	}
	return short
}

func describeZones(c *call, in *describeZonesIn) (describeZonesOut, error) {
	all := zonesOf(c.name)
	for _, name := range in.Names {
		if !slices.ContainsFunc(all, func(z zoneOut) bool { return z.Name == name }) {
			return describeZonesOut{}, fail("InvalidParameterValue", "Invalid availability zone: [%s]", name)
		}
	}
	all = slices.DeleteFunc(all, func(z zoneOut) bool {
		return len(in.Names) > 0 && !slices.Contains(in.Names, z.Name) || len(in.IDs) > 0 && !slices.Contains(in.IDs, z.ID)
	})
	all, err := pick(all, in.Filters, attrs[zoneOut]{
		"zone-name":     one(func(z zoneOut) string { return z.Name }),
		"zone-id":       one(func(z zoneOut) string { return z.ID }),
		"zone-type":     one(func(z zoneOut) string { return z.Type }),
		"state":         one(func(z zoneOut) string { return z.State }),
		"region-name":   one(func(z zoneOut) string { return z.Region }),
		"group-name":    one(func(z zoneOut) string { return z.Group }),
		"opt-in-status": one(func(z zoneOut) string { return z.OptIn }),
	}, nil)
	return describeZonesOut{listOf(all)}, err
}

type vpcOut struct {
	ID      string       `xml:"vpcId"`
	State   string       `xml:"state"`
	CIDR    string       `xml:"cidrBlock"`
	Owner   string       `xml:"ownerId"`
	Tenancy string       `xml:"instanceTenancy"`
	Default bool         `xml:"isDefault"`
	Tags    list[tagOut] `xml:"tagSet"`
}

// vpc returns the network that each region has. It is not the default one where
// the account has none.
func (c *call) vpc() vpcOut {
	id := idFor("vpc", c.name)
	return vpcOut{
		ID: id, State: "available", CIDR: "172.31.0.0/16", Owner: account, Tenancy: "default",
		Default: !fault.In(c.Faults.Account().NoDefaultVPC, c.name), Tags: c.tagsOf(id),
	}
}

type describeVpcsIn struct {
	paging
	IDs     []string `q:"VpcId,id=vpc"`
	Filters []filter `q:"Filter"`
}

type describeVpcsOut struct {
	Next string       `xml:"nextToken,omitempty"`
	VPCs list[vpcOut] `xml:"vpcSet"`
}

func describeVpcs(c *call, in *describeVpcsIn) (describeVpcsOut, error) {
	v := c.vpc()
	for _, id := range in.IDs {
		if id != v.ID {
			return describeVpcsOut{}, notFound("vpc", id)
		}
	}
	all, err := pick([]vpcOut{v}, in.Filters, attrs[vpcOut]{
		"vpc-id":                            one(func(v vpcOut) string { return v.ID }),
		"cidr":                              one(func(v vpcOut) string { return v.CIDR }),
		"cidr-block-association.cidr-block": one(func(v vpcOut) string { return v.CIDR }),
		"owner-id":                          one(func(v vpcOut) string { return v.Owner }),
		"state":                             one(func(v vpcOut) string { return v.State }),
		"is-default":                        yes(func(v vpcOut) bool { return v.Default }),
		"isDefault":                         yes(func(v vpcOut) bool { return v.Default }),
	}, func(v vpcOut) map[string]string { return c.Tags[v.ID] })
	return describeVpcsOut{VPCs: listOf(all)}, err
}

type subnetOut struct {
	ID      string       `xml:"subnetId"`
	ARN     string       `xml:"subnetArn"`
	State   string       `xml:"state"`
	VPC     string       `xml:"vpcId"`
	CIDR    string       `xml:"cidrBlock"`
	Free    int          `xml:"availableIpAddressCount"`
	Zone    string       `xml:"availabilityZone"`
	ZoneID  string       `xml:"availabilityZoneId"`
	Default bool         `xml:"defaultForAz"`
	Public  bool         `xml:"mapPublicIpOnLaunch"`
	Owner   string       `xml:"ownerId"`
	Six     list[sixOut] `xml:"ipv6CidrBlockAssociationSet"`
	Tags    list[tagOut] `xml:"tagSet"`
}

// sixOut is a range of IPv6 addresses of a subnet.
type sixOut struct {
	ID    string `xml:"associationId"`
	CIDR  string `xml:"ipv6CidrBlock"`
	State string `xml:"ipv6CidrBlockState>state"`
}

// subnets returns the subnet of each zone.
func (c *call) subnets() []subnetOut {
	v := c.vpc()
	public := !fault.In(c.Faults.Account().PrivateSubnets, c.name)
	six := fault.In(c.Faults.Account().IPv6, c.name)
	var all []subnetOut
	for i, z := range zonesOf(c.name) {
		id := idFor("subnet", z.Name)
		used := 0
		for _, inst := range c.Instances {
			if inst.Subnet == id && !inst.Removed {
				used++
			}
		}
		all = append(all, subnetOut{
			ID: id, ARN: fmt.Sprintf("arn:aws:ec2:%s:%s:subnet/%s", c.name, account, id), State: "available", VPC: v.ID,
			CIDR: fmt.Sprintf("172.31.%d.0/20", i*16), Free: 4091 - used, Zone: z.Name, ZoneID: z.ID,
			Default: v.Default, Public: public, Owner: account, Tags: c.tagsOf(id),
		})
		if six {
			all[i].Six = listOf([]sixOut{{idFor("subnet-cidr-assoc", id), fmt.Sprintf("fd00:ec2:0:%x::/64", i), "associated"}})
		}
	}
	return all
}

type describeSubnetsIn struct {
	paging
	IDs     []string `q:"SubnetId,id=subnet"`
	Filters []filter `q:"Filter"`
}

type describeSubnetsOut struct {
	Next    string          `xml:"nextToken,omitempty"`
	Subnets list[subnetOut] `xml:"subnetSet"`
}

func describeSubnets(c *call, in *describeSubnetsIn) (describeSubnetsOut, error) {
	all := c.subnets()
	for _, id := range in.IDs {
		if !slices.ContainsFunc(all, func(s subnetOut) bool { return s.ID == id }) {
			return describeSubnetsOut{}, notFound("subnet", id)
		}
	}
	if len(in.IDs) > 0 {
		all = slices.DeleteFunc(all, func(s subnetOut) bool { return !slices.Contains(in.IDs, s.ID) })
	}
	zone, id, cidr := one(func(s subnetOut) string { return s.Zone }), one(func(s subnetOut) string { return s.ZoneID }), one(func(s subnetOut) string { return s.CIDR })
	all, err := pick(all, in.Filters, attrs[subnetOut]{
		"subnet-id":         one(func(s subnetOut) string { return s.ID }),
		"vpc-id":            one(func(s subnetOut) string { return s.VPC }),
		"state":             one(func(s subnetOut) string { return s.State }),
		"owner-id":          one(func(s subnetOut) string { return s.Owner }),
		"subnet-arn":        one(func(s subnetOut) string { return s.ARN }),
		"availability-zone": zone, "availabilityZone": zone,
		"availability-zone-id": id, "availabilityZoneId": id,
		"cidr-block": cidr, "cidr": cidr, "cidrBlock": cidr,
		"default-for-az":             yes(func(s subnetOut) bool { return s.Default }),
		"defaultForAz":               yes(func(s subnetOut) bool { return s.Default }),
		"map-public-ip-on-launch":    yes(func(s subnetOut) bool { return s.Public }),
		"available-ip-address-count": one(func(s subnetOut) string { return itoa(s.Free) }),
	}, func(s subnetOut) map[string]string { return c.Tags[s.ID] })
	if err != nil {
		return describeSubnetsOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	return describeSubnetsOut{next, listOf(all)}, err
}
