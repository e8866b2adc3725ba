package ec2

import (
	"slices"
	"strings"
	"time"
)

// codes of the states.
var stateCodes = map[string]int{"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

type stateOut struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

func stateNamed(name string) stateOut { return stateOut{stateCodes[name], name} }

type groupRef struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type reservationOut struct {
	ID        string            `xml:"reservationId"`
	Owner     string            `xml:"ownerId"`
	Groups    list[groupRef]    `xml:"groupSet"`
	Instances list[instanceOut] `xml:"instancesSet"`
}

type reasonOut struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

type profileOut struct {
	ARN string `xml:"arn"`
	ID  string `xml:"id"`
}

type attachedDevice struct {
	Name string `xml:"deviceName"`
	EBS  struct {
		Volume string `xml:"volumeId"`
		Status string `xml:"status"`
		Since  stamp  `xml:"attachTime"`
		Delete bool   `xml:"deleteOnTermination"`
	} `xml:"ebs"`
}

type metadataOut struct {
	State string `xml:"state"`
	metadataOptions
}

type interfaceOut struct {
	ID          string         `xml:"networkInterfaceId"`
	Subnet      string         `xml:"subnetId"`
	VPC         string         `xml:"vpcId"`
	Owner       string         `xml:"ownerId"`
	Status      string         `xml:"status"`
	Description string         `xml:"description"`
	Private     string         `xml:"privateIpAddress"`
	Public      string         `xml:"association>publicIp,omitempty"`
	Groups      list[groupRef] `xml:"groupSet"`
	SourceDest  bool           `xml:"sourceDestCheck"`
	Kind        string         `xml:"interfaceType"`
	Attachment  struct {
		ID     string `xml:"attachmentId"`
		Device int    `xml:"deviceIndex"`
		Card   int    `xml:"networkCardIndex"`
		Status string `xml:"status"`
		Since  stamp  `xml:"attachTime"`
		Delete bool   `xml:"deleteOnTermination"`
	} `xml:"attachment"`
	Addresses list[privateAddress] `xml:"privateIpAddressesSet"`
	Six       list[sixAddress]     `xml:"ipv6AddressesSet"`
}

type sixAddress struct {
	Address string `xml:"ipv6Address"`
	Primary bool   `xml:"isPrimaryIpv6"`
}

type privateAddress struct {
	Address string `xml:"privateIpAddress"`
	Primary bool   `xml:"primary"`
}

type instanceOut struct {
	ID             string               `xml:"instanceId"`
	Image          string               `xml:"imageId"`
	State          stateOut             `xml:"instanceState"`
	PrivateDNS     string               `xml:"privateDnsName"`
	PublicDNS      string               `xml:"dnsName"`
	Reason         string               `xml:"reason"`
	StateReason    *reasonOut           `xml:"stateReason"`
	Key            string               `xml:"keyName,omitempty"`
	Index          int                  `xml:"amiLaunchIndex"`
	Type           string               `xml:"instanceType"`
	Launched       stamp                `xml:"launchTime"`
	Placement      placement            `xml:"placement"`
	Monitoring     string               `xml:"monitoring>state"`
	Subnet         string               `xml:"subnetId,omitempty"`
	VPC            string               `xml:"vpcId,omitempty"`
	Private        string               `xml:"privateIpAddress,omitempty"`
	Public         string               `xml:"ipAddress,omitempty"`
	Six            string               `xml:"ipv6Address,omitempty"`
	SourceDest     bool                 `xml:"sourceDestCheck"`
	Groups         list[groupRef]       `xml:"groupSet"`
	Arch           string               `xml:"architecture"`
	RootType       string               `xml:"rootDeviceType"`
	RootDevice     string               `xml:"rootDeviceName"`
	Devices        list[attachedDevice] `xml:"blockDeviceMapping"`
	Virtualization string               `xml:"virtualizationType"`
	Lifecycle      string               `xml:"instanceLifecycle,omitempty"`
	Spot           string               `xml:"spotInstanceRequestId,omitempty"`
	Token          string               `xml:"clientToken"`
	Tags           list[tagOut]         `xml:"tagSet"`
	Hypervisor     string               `xml:"hypervisor"`
	Interfaces     list[interfaceOut]   `xml:"networkInterfaceSet"`
	Profile        *profileOut          `xml:"iamInstanceProfile"`
	Optimized      bool                 `xml:"ebsOptimized"`
	ENA            bool                 `xml:"enaSupport"`
	SRIOV          string               `xml:"sriovNetSupport,omitempty"`
	CPU            *cpuOptions          `xml:"cpuOptions"`
	Reservation    string               `xml:"capacityReservationId,omitempty"`
	Capacity       *capacity            `xml:"capacityReservationSpecification"`
	Hibernation    hibernation          `xml:"hibernationOptions"`
	Licenses       list[license]        `xml:"licenseSet"`
	Metadata       metadataOut          `xml:"metadataOptions"`
	Enclave        enabled              `xml:"enclaveOptions"`
	BootMode       string               `xml:"bootMode,omitempty"`
	Platform       string               `xml:"platformDetails"`
	Usage          string               `xml:"usageOperation"`
}

func (c *call) groupRefs(ids []string) list[groupRef] {
	var refs []groupRef
	for _, id := range ids {
		name := ""
		if g := c.Groups[id]; g != nil {
			name = g.Name
		}
		refs = append(refs, groupRef{id, name})
	}
	return listOf(refs)
}

// describe returns an instance for an answer.
func (c *call) describe(i *instance) instanceOut {
	st, d := i.status(c.now), i.Launch
	o := instanceOut{
		ID: i.ID, Image: i.Image, State: stateNamed(st), Reason: i.Reason, Key: d.Key, Index: i.Index, Type: d.Type,
		Launched: stamp(i.Launched), Placement: d.Placement, Monitoring: "disabled", SourceDest: true,
		Arch: i.Arch, RootType: "ebs", RootDevice: i.RootDevice, Virtualization: i.Virtualization, Spot: i.Spot,
		Tags: c.tagsOf(i.ID), Hypervisor: "xen", Optimized: d.Optimized, ENA: i.ENA, SRIOV: i.SRIOV, CPU: d.CPU,
		Capacity: d.Capacity, Licenses: listOf(d.Licenses), Metadata: metadataOut{"applied", d.metadata()},
		BootMode: i.BootMode, Platform: "Linux/UNIX", Usage: "RunInstances", Devices: c.attached(i),
	}
	o.Placement.Zone = i.Zone
	if o.Placement.Tenancy == "" {
		o.Placement.Tenancy = "default"
	}
	if i.ReasonCode != "" {
		o.StateReason = &reasonOut{i.ReasonCode, i.Reason}
	}
	if d.Monitoring != nil && d.Monitoring.Enabled {
		o.Monitoring = "enabled"
	}
	if i.Spot != "" {
		o.Lifecycle = "spot"
	}
	if d.Hibernation != nil {
		o.Hibernation = *d.Hibernation
	}
	if d.Enclave != nil {
		o.Enclave = *d.Enclave
	}
	if d.Capacity != nil && d.Capacity.Target != nil {
		o.Reservation = d.Capacity.Target.ID
	}
	if d.Profile != nil {
		if p, err := c.profile(*d.Profile); err == nil {
			o.Profile = &profileOut{p.arn(), p.ID}
		}
	}
	if st == "terminated" || st == "shutting-down" && i.Removed {
		return o
	}
	o.Subnet, o.VPC, o.Groups = i.Subnet, i.VPC, c.groupRefs(i.Groups)
	o.Private, o.PrivateDNS = i.Private.String(), i.Private.String()
	if i.Public.IsValid() && st != "stopped" {
		o.Public, o.PublicDNS = i.Public.String(), i.Public.String()
	}
	if len(i.Six) > 0 {
		o.Six = i.Six[0]
	}
	o.Interfaces = listOf([]interfaceOut{networkInterface(i, o)})
	return o
}

// networkInterface is the only one that an instance has.
func networkInterface(i *instance, o instanceOut) interfaceOut {
	n := interfaceOut{
		ID: idFor("eni", i.ID), Subnet: i.Subnet, VPC: i.VPC, Owner: account, Status: "in-use",
		Private: o.Private, Public: o.Public, Groups: o.Groups, SourceDest: true, Kind: "interface",
	}
	n.Attachment.ID, n.Attachment.Status = idFor("eni-attach", i.ID), "attached"
	n.Attachment.Since, n.Attachment.Delete = o.Launched, true
	n.Addresses = listOf([]privateAddress{{o.Private, true}})
	for _, address := range i.Six {
		n.Six.Items = append(n.Six.Items, sixAddress{Address: address})
	}
	return n
}

func (c *call) attached(i *instance) list[attachedDevice] {
	var all []attachedDevice
	for _, v := range c.volumesOf(i.ID) {
		a := attachedDevice{Name: v.Device}
		a.EBS.Volume, a.EBS.Status, a.EBS.Since, a.EBS.Delete = v.ID, "attached", stamp(v.Attached), v.DeleteWithInstance
		all = append(all, a)
	}
	return listOf(all)
}

// reservation returns instances that were launched together.
func (c *call) reservation(ids []string) reservationOut {
	r := reservationOut{Owner: account}
	for _, id := range ids {
		if i := c.Instances[id]; i != nil {
			r.ID = i.Reservation
			r.Instances.Items = append(r.Instances.Items, c.describe(i))
		}
	}
	return r
}

type describeInstancesIn struct {
	paging
	IDs     []string `q:"InstanceId,id=i"`
	Filters []filter `q:"Filter"`
}

type describeInstancesOut struct {
	Next         string               `xml:"nextToken,omitempty"`
	Reservations list[reservationOut] `xml:"reservationSet"`
}

// instances returns those with the ids, or all, that the filters match.
func (c *call) instances(ids []string, filters []filter) ([]*instance, error) {
	all, err := byID(c, c.Instances, ids, "i", func(i *instance) time.Time { return i.Created })
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b *instance) int {
		if d := a.Created.Compare(b.Created); d != 0 || a.Reservation != b.Reservation {
			return d
		}
		return a.Index - b.Index
	})
	return pick(all, filters, c.instanceAttrs(), func(i *instance) map[string]string { return c.Tags[i.ID] })
}

func describeInstances(c *call, in *describeInstancesIn) (describeInstancesOut, error) {
	all, err := c.instances(in.IDs, in.Filters)
	if err != nil {
		return describeInstancesOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	if err != nil {
		return describeInstancesOut{}, err
	}
	out := describeInstancesOut{Next: next}
	var last *reservationOut
	for _, i := range all {
		if last == nil || last.ID != i.Reservation {
			out.Reservations.Items = append(out.Reservations.Items, reservationOut{ID: i.Reservation, Owner: account})
			last = &out.Reservations.Items[len(out.Reservations.Items)-1]
		}
		last.Instances.Items = append(last.Instances.Items, c.describe(i))
	}
	return out, nil
}

func (c *call) instanceAttrs() attrs[*instance] {
	groups := func(i *instance) []string { return i.Groups }
	names := func(i *instance) []string {
		var all []string
		for _, g := range c.groupRefs(i.Groups).Items {
			all = append(all, g.Name)
		}
		return all
	}
	public := one(func(i *instance) string { return c.describe(i).Public })
	return attrs[*instance]{
		"instance-id":         one(func(i *instance) string { return i.ID }),
		"image-id":            one(func(i *instance) string { return i.Image }),
		"instance-state-name": one(func(i *instance) string { return i.status(c.now) }),
		"instance-state-code": one(func(i *instance) string { return itoa(stateCodes[i.status(c.now)]) }),
		"instance-type":       one(func(i *instance) string { return i.Launch.Type }),
		"instance-lifecycle":  one(func(i *instance) string { return c.describe(i).Lifecycle }),
		"availability-zone":   one(func(i *instance) string { return i.Zone }),
		"architecture":        one(func(i *instance) string { return i.Arch }),
		"client-token":        one(func(i *instance) string { return c.tokenOf(i.ID) }),
		"key-name":            one(func(i *instance) string { return i.Launch.Key }),
		"reservation-id":      one(func(i *instance) string { return i.Reservation }),
		"owner-id":            one(func(*instance) string { return account }),
		"private-ip-address":  one(func(i *instance) string { return i.Private.String() }),
		"ip-address":          public, "dns-name": public,
		"private-dns-name":         one(func(i *instance) string { return i.Private.String() }),
		"root-device-name":         one(func(i *instance) string { return i.RootDevice }),
		"root-device-type":         one(func(*instance) string { return "ebs" }),
		"spot-instance-request-id": one(func(i *instance) string { return i.Spot }),
		"state-reason-code":        one(func(i *instance) string { return i.ReasonCode }),
		"subnet-id":                one(func(i *instance) string { return i.Subnet }),
		"vpc-id":                   one(func(i *instance) string { return i.VPC }),
		"virtualization-type":      one(func(i *instance) string { return i.Virtualization }),
		"tenancy":                  one(func(i *instance) string { return c.describe(i).Placement.Tenancy }),
		"launch-time":              when(func(i *instance) time.Time { return i.Launched }),
		"instance.group-id":        groups, "group-id": groups, "network-interface.group-id": groups,
		"instance.group-name": names, "group-name": names,
		"network-interface.network-interface-id": one(func(i *instance) string { return idFor("eni", i.ID) }),
		"iam-instance-profile.arn": func(i *instance) []string {
			if p := c.describe(i).Profile; p != nil {
				return []string{p.ARN}
			}
			return nil
		},
		"block-device-mapping.volume-id": func(i *instance) []string {
			var all []string
			for _, v := range c.volumesOf(i.ID) {
				all = append(all, v.ID)
			}
			return all
		},
		"block-device-mapping.device-name": func(i *instance) []string {
			var all []string
			for _, v := range c.volumesOf(i.ID) {
				all = append(all, v.Device)
			}
			return all
		},
	}
}

// tokenOf returns the client token that an instance was launched with.
func (c *call) tokenOf(id string) string {
	for name, t := range c.Tokens {
		if slices.Contains(t.IDs, id) {
			_, token, _ := strings.Cut(name, " ")
			return token
		}
	}
	return ""
}
