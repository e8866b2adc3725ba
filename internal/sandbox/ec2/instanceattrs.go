package ec2

import "slices"

type instanceAttributeIn struct {
	ID        string `q:"InstanceId,required,id=i"`
	Attribute string `q:"Attribute,required"`
}

type instanceAttributeOut struct {
	ID         string                `xml:"instanceId"`
	Devices    *list[attachedDevice] `xml:"blockDeviceMapping"`
	Groups     *list[groupRef]       `xml:"groupSet"`
	Protected  *value[bool]          `xml:"disableApiTermination"`
	NoStop     *value[bool]          `xml:"disableApiStop"`
	Optimized  *value[bool]          `xml:"ebsOptimized"`
	ENA        *value[bool]          `xml:"enaSupport"`
	Enclave    *enabled              `xml:"enclaveOptions"`
	Shutdown   *value[string]        `xml:"instanceInitiatedShutdownBehavior"`
	Type       *value[string]        `xml:"instanceType"`
	RootDevice *value[string]        `xml:"rootDeviceName"`
	SourceDest *value[bool]          `xml:"sourceDestCheck"`
	SRIOV      *mayBe                `xml:"sriovNetSupport"`
	UserData   *mayBe                `xml:"userData"`
}

// mayBe is a text that has no value where it is not set.
type mayBe struct {
	Value string `xml:"value,omitempty"`
}

func describeInstanceAttribute(c *call, in *instanceAttributeIn) (instanceAttributeOut, error) {
	i := c.Instances[in.ID]
	if i == nil {
		return instanceAttributeOut{}, notFound("i", in.ID)
	}
	o, d := instanceAttributeOut{ID: i.ID}, i.Launch
	switch in.Attribute {
	case "blockDeviceMapping":
		all := c.attached(i)
		o.Devices = &all
	case "groupSet":
		all := c.groupRefs(i.Groups)
		o.Groups = &all
	case "disableApiTermination":
		o.Protected = &value[bool]{d.Protected}
	case "disableApiStop":
		o.NoStop = &value[bool]{d.NoStop}
	case "ebsOptimized":
		o.Optimized = &value[bool]{d.Optimized}
	case "enaSupport":
		o.ENA = &value[bool]{i.ENA}
	case "enclaveOptions":
		o.Enclave = &enabled{d.Enclave != nil && d.Enclave.Enabled}
	case "instanceInitiatedShutdownBehavior":
		o.Shutdown = &value[string]{"stop"}
		if d.Shutdown != "" {
			o.Shutdown.Value = d.Shutdown
		}
	case "instanceType":
		o.Type = &value[string]{d.Type}
	case "rootDeviceName":
		o.RootDevice = &value[string]{i.RootDevice}
	case "sourceDestCheck":
		o.SourceDest = &value[bool]{true}
	case "sriovNetSupport":
		o.SRIOV = &mayBe{i.SRIOV}
	case "userData":
		o.UserData = &mayBe{d.UserData}
	default:
		return o, fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return o, nil
}

type modifyInstanceIn struct {
	ID        string         `q:"InstanceId,required,id=i"`
	Attribute string         `q:"Attribute"`
	Value     string         `q:"Value"`
	Protected *value[bool]   `q:"DisableApiTermination"`
	NoStop    *value[bool]   `q:"DisableApiStop"`
	Optimized *value[bool]   `q:"EbsOptimized"`
	ENA       *value[bool]   `q:"EnaSupport"`
	SRIOV     *value[string] `q:"SriovNetSupport"`
	Shutdown  *value[string] `q:"InstanceInitiatedShutdownBehavior"`
	Type      *value[string] `q:"InstanceType"`
	UserData  *value[string] `q:"UserData"`
	Groups    []string       `q:"GroupId,id=sg"`
	Devices   []struct {
		Name string `q:"DeviceName"`
		EBS  struct {
			Volume string `q:"VolumeId,id=vol"`
			Delete *bool  `q:"DeleteOnTermination"`
		} `q:"Ebs"`
	} `q:"BlockDeviceMapping"`
}

// spread puts the value of the form with Attribute and Value in its place.
func (in *modifyInstanceIn) spread() error {
	yes := &value[bool]{in.Value == "true"}
	text := &value[string]{in.Value}
	switch in.Attribute {
	case "":
	case "disableApiTermination":
		in.Protected = yes
	case "disableApiStop":
		in.NoStop = yes
	case "ebsOptimized":
		in.Optimized = yes
	case "enaSupport":
		in.ENA = yes
	case "sriovNetSupport":
		in.SRIOV = text
	case "instanceInitiatedShutdownBehavior":
		in.Shutdown = text
	case "instanceType":
		in.Type = text
	case "userData":
		in.UserData = text
	default:
		return fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	return nil
}

func modifyInstanceAttribute(c *call, in *modifyInstanceIn) (done, error) {
	i := c.Instances[in.ID]
	if i == nil {
		return done{}, notFound("i", in.ID)
	}
	if err := in.spread(); err != nil {
		return done{}, err
	}
	st := i.status(c.now)
	stopped := in.ENA != nil || in.SRIOV != nil || in.Type != nil || in.UserData != nil || in.Optimized != nil
	if stopped && st != "stopped" {
		return done{}, fail("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	if in.SRIOV != nil {
		if err := oneOf("SriovNetSupport", in.SRIOV.Value, "simple"); err != nil {
			return done{}, err
		}
	}
	if in.Shutdown != nil {
		if err := oneOf("InstanceInitiatedShutdownBehavior", in.Shutdown.Value, "stop", "terminate"); err != nil {
			return done{}, err
		}
	}
	if in.Type != nil {
		if t, ok := instanceType(in.Type.Value); !ok || t.arch != i.Arch {
			return done{}, fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", in.Type.Value)
		}
	}
	for _, id := range in.Groups {
		if c.Groups[id] == nil {
			return done{}, notFound("sg", id)
		}
	}
	for _, d := range in.Devices {
		if !slices.ContainsFunc(c.volumesOf(i.ID), func(v *volume) bool { return v.Device == d.Name }) {
			return done{}, fail("InvalidInstanceAttributeValue", "No device is currently mapped at %s", d.Name)
		}
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	c.modify(i, in)
	return done{true}, nil
}

func (c *call) modify(i *instance, in *modifyInstanceIn) {
	set(&i.Launch.Protected, in.Protected)
	set(&i.Launch.NoStop, in.NoStop)
	set(&i.Launch.Optimized, in.Optimized)
	set(&i.ENA, in.ENA)
	set(&i.SRIOV, in.SRIOV)
	set(&i.Launch.Shutdown, in.Shutdown)
	set(&i.Launch.Type, in.Type)
	set(&i.Launch.UserData, in.UserData)
	for _, d := range in.Devices {
		for _, v := range c.volumesOf(i.ID) {
			if v.Device == d.Name && d.EBS.Delete != nil {
				v.DeleteWithInstance = *d.EBS.Delete
			}
		}
	}
	if len(in.Groups) > 0 {
		i.Groups = in.Groups
		c.reopen(in.Groups[0])
	}
}

func set[T any](at *T, v *value[T]) {
	if v != nil {
		*at = v.Value
	}
}

type modifyMetadataIn struct {
	ID string `q:"InstanceId,required,id=i"`
	metadataOptions
}

type modifyMetadataOut struct {
	ID      string      `xml:"instanceId"`
	Options metadataOut `xml:"instanceMetadataOptions"`
}

func modifyMetadataOptions(c *call, in *modifyMetadataIn) (modifyMetadataOut, error) {
	i := c.Instances[in.ID]
	if i == nil {
		return modifyMetadataOut{}, notFound("i", in.ID)
	}
	d := launchData{Metadata: &in.metadataOptions}
	if err := d.checkMetadata(); err != nil {
		return modifyMetadataOut{}, err
	}
	if err := c.ready(); err != nil {
		return modifyMetadataOut{}, err
	}
	now := i.Launch.metadata()
	for _, change := range []struct {
		at *string
		to string
	}{{&now.Tokens, in.Tokens}, {&now.Endpoint, in.Endpoint}, {&now.IPv6, in.IPv6}, {&now.Tags, in.Tags}} {
		if change.to != "" {
			*change.at = change.to
		}
	}
	if in.Hops > 0 {
		now.Hops = in.Hops
	}
	i.Launch.Metadata = &now
	return modifyMetadataOut{i.ID, metadataOut{"applied", now}}, nil
}

type describeCreditsIn struct {
	paging
	IDs     []string `q:"InstanceId,id=i"`
	Filters []filter `q:"Filter"`
}

type creditsOut struct {
	ID  string `xml:"instanceId"`
	CPU string `xml:"cpuCredits"`
}

type describeCreditsOut struct {
	Next string           `xml:"nextToken,omitempty"`
	All  list[creditsOut] `xml:"instanceCreditSpecificationSet"`
}

func describeCredits(c *call, in *describeCreditsIn) (describeCreditsOut, error) {
	all, err := c.instances(in.IDs, in.Filters)
	if err != nil {
		return describeCreditsOut{}, err
	}
	var out describeCreditsOut
	for _, i := range all {
		if t, ok := instanceType(i.Launch.Type); ok && t.burst {
			o := creditsOut{i.ID, "standard"}
			if i.Launch.Credit != nil {
				o.CPU = i.Launch.Credit.CPU
			}
			out.All.Items = append(out.All.Items, o)
		}
	}
	return out, nil
}
