package ec2

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"
)

// launchData is what RunInstances and launch templates say of an instance.
type launchData struct {
	Image       string           `q:"ImageId,id=ami" xml:"imageId,omitempty"`
	Type        string           `q:"InstanceType" xml:"instanceType,omitempty"`
	Key         string           `q:"KeyName" xml:"keyName,omitempty"`
	GroupIDs    []string         `q:"SecurityGroupId,id=sg" xml:"securityGroupIdSet>item"`
	GroupNames  []string         `q:"SecurityGroup" xml:"securityGroupSet>item"`
	UserData    string           `q:"UserData" xml:"userData,omitempty"` // base64
	Optimized   bool             `q:"EbsOptimized" xml:"ebsOptimized,omitempty"`
	Profile     *profileRef      `q:"IamInstanceProfile" xml:"iamInstanceProfile"`
	Devices     []device         `q:"BlockDeviceMapping" xml:"blockDeviceMappingSet>item"`
	Interfaces  []netInterface   `q:"NetworkInterface" xml:"networkInterfaceSet>item"`
	Six         int              `q:"Ipv6AddressCount" xml:"-"` // not of a template
	Placement   placement        `q:"Placement" xml:"placement"`
	Monitoring  *enabled         `q:"Monitoring" xml:"monitoring"`
	Protected   bool             `q:"DisableApiTermination" xml:"disableApiTermination,omitempty"`
	NoStop      bool             `q:"DisableApiStop" xml:"disableApiStop,omitempty"`
	Shutdown    string           `q:"InstanceInitiatedShutdownBehavior" xml:"instanceInitiatedShutdownBehavior,omitempty"`
	Tags        []tagSpec        `q:"TagSpecification" xml:"tagSpecificationSet>item"`
	Market      *market          `q:"InstanceMarketOptions" xml:"instanceMarketOptions"`
	Credit      *credit          `q:"CreditSpecification" xml:"creditSpecification"`
	CPU         *cpuOptions      `q:"CpuOptions" xml:"cpuOptions"`
	Capacity    *capacity        `q:"CapacityReservationSpecification" xml:"capacityReservationSpecification"`
	Licenses    []license        `q:"LicenseSpecification" xml:"licenseSet>item"`
	Hibernation *hibernation     `q:"HibernationOptions" xml:"hibernationOptions"`
	Metadata    *metadataOptions `q:"MetadataOptions" xml:"metadataOptions"`
	Enclave     *enabled         `q:"EnclaveOptions" xml:"enclaveOptions"`
}

type profileRef struct {
	ARN  string `q:"Arn" xml:"arn,omitempty"`
	Name string `q:"Name" xml:"name,omitempty"`
}

type enabled struct {
	Enabled bool `q:"Enabled" xml:"enabled"`
}

type hibernation struct {
	Configured bool `q:"Configured" xml:"configured"`
}

type credit struct {
	CPU string `q:"CpuCredits,required" xml:"cpuCredits"`
}

type cpuOptions struct {
	Cores   int `q:"CoreCount" xml:"coreCount"`
	Threads int `q:"ThreadsPerCore" xml:"threadsPerCore"`
}

type license struct {
	ARN string `q:"LicenseConfigurationArn" xml:"licenseConfigurationArn"`
}

type capacity struct {
	Preference string          `q:"CapacityReservationPreference" xml:"capacityReservationPreference,omitempty"`
	Target     *capacityTarget `q:"CapacityReservationTarget" xml:"capacityReservationTarget"`
}

type capacityTarget struct {
	ID    string `q:"CapacityReservationId" xml:"capacityReservationId,omitempty"`
	Group string `q:"CapacityReservationResourceGroupArn" xml:"capacityReservationResourceGroupArn,omitempty"`
}

type placement struct {
	Zone      string `q:"AvailabilityZone" xml:"availabilityZone,omitempty"`
	Group     string `q:"GroupName" xml:"groupName"`
	Host      string `q:"HostId" xml:"hostId,omitempty"`
	HostGroup string `q:"HostResourceGroupArn" xml:"hostResourceGroupArn,omitempty"`
	Tenancy   string `q:"Tenancy" xml:"tenancy,omitempty"`
	Affinity  string `q:"Affinity" xml:"affinity,omitempty"`
}

type netInterface struct {
	Device      *int     `q:"DeviceIndex" xml:"deviceIndex"`
	Public      *bool    `q:"AssociatePublicIpAddress" xml:"associatePublicIpAddress"`
	Delete      *bool    `q:"DeleteOnTermination" xml:"deleteOnTermination"`
	Description string   `q:"Description" xml:"description,omitempty"`
	Groups      []string `q:"SecurityGroupId,id=sg" xml:"groupSet>groupId"`
	Subnet      string   `q:"SubnetId,id=subnet" xml:"subnetId,omitempty"`
	Six         int      `q:"Ipv6AddressCount" xml:"ipv6AddressCount,omitempty"`
}

type market struct {
	Type string       `q:"MarketType" xml:"marketType,omitempty"`
	Spot *spotOptions `q:"SpotOptions" xml:"spotOptions"`
}

type spotOptions struct {
	MaxPrice     string     `q:"MaxPrice" xml:"maxPrice,omitempty"`
	Type         string     `q:"SpotInstanceType" xml:"spotInstanceType,omitempty"`
	Block        int        `q:"BlockDurationMinutes" xml:"blockDurationMinutes,omitempty"`
	Until        *time.Time `q:"ValidUntil" xml:"validUntil"`
	Interruption string     `q:"InstanceInterruptionBehavior" xml:"instanceInterruptionBehavior,omitempty"`
}

type metadataOptions struct {
	Tokens   string `q:"HttpTokens" xml:"httpTokens"`
	Hops     int    `q:"HttpPutResponseHopLimit" xml:"httpPutResponseHopLimit"`
	Endpoint string `q:"HttpEndpoint" xml:"httpEndpoint"`
	IPv6     string `q:"HttpProtocolIpv6" xml:"httpProtocolIpv6"`
	Tags     string `q:"InstanceMetadataTags" xml:"instanceMetadataTags"`
}

// device is an entry of a block device mapping, in requests and answers.
type device struct {
	Name    string  `q:"DeviceName" xml:"deviceName,omitempty"`
	Virtual string  `q:"VirtualName" xml:"virtualName,omitempty"`
	None    *string `q:"NoDevice" xml:"noDevice"`
	EBS     *ebs    `q:"Ebs" xml:"ebs"`
}

type ebs struct {
	Delete     *bool  `q:"DeleteOnTermination" xml:"deleteOnTermination"`
	IOPS       *int   `q:"Iops" xml:"iops"`
	Snapshot   string `q:"SnapshotId,id=snap" xml:"snapshotId,omitempty"`
	Size       *int   `q:"VolumeSize" xml:"volumeSize"`
	Type       string `q:"VolumeType" xml:"volumeType,omitempty"`
	KMSKey     string `q:"KmsKeyId" xml:"kmsKeyId,omitempty"`
	Throughput *int   `q:"Throughput" xml:"throughput"`
	Encrypted  *bool  `q:"Encrypted" xml:"encrypted"`
}

// oneOf refuses a value that is not one of these; "" is not given.
func oneOf(param, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Valid values: %v", value, param, allowed)
}

// check refuses what is wrong whatever else there is.
func (d *launchData) check() error {
	for _, err := range []error{
		oneOf("InstanceInitiatedShutdownBehavior", d.Shutdown, "stop", "terminate"),
		oneOf("Placement.Tenancy", d.Placement.Tenancy, "default", "dedicated", "host"),
		checkDevices(d.Devices), d.checkUserData(), d.checkMarket(), d.checkMetadata(), d.checkOptions(),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

const mostUserData = 16 << 10

func (d *launchData) checkUserData() error {
	raw, err := base64.StdEncoding.DecodeString(d.UserData)
	if err != nil {
		return fail("InvalidParameterValue", "Invalid BASE64 encoding of user data.")
	}
	if len(raw) > mostUserData {
		return fail("InvalidParameterValue", "User data is limited to %d bytes", mostUserData)
	}
	return nil
}

func (d *launchData) checkMarket() error {
	m := d.Market
	if m == nil {
		return nil
	}
	if err := oneOf("InstanceMarketOptions.MarketType", m.Type, "spot"); err != nil || m.Spot == nil {
		return err
	}
	if m.Spot.MaxPrice != "" {
		if p, err := strconv.ParseFloat(m.Spot.MaxPrice, 64); err != nil || p <= 0 {
			return fail("InvalidParameterValue", "Invalid value '%s' for spot price", m.Spot.MaxPrice)
		}
	}
	if err := oneOf("SpotInstanceType", m.Spot.Type, "one-time", "persistent"); err != nil {
		return err
	}
	if m.Spot.Type == "persistent" {
		return fail("UnsupportedOperation", "The sandbox has no persistent spot requests")
	}
	return oneOf("InstanceInterruptionBehavior", m.Spot.Interruption, "terminate", "stop", "hibernate")
}

func (d *launchData) checkMetadata() error {
	m := d.Metadata
	if m == nil {
		return nil
	}
	for _, err := range []error{
		oneOf("HttpTokens", m.Tokens, "optional", "required"),
		oneOf("HttpEndpoint", m.Endpoint, "enabled", "disabled"),
		oneOf("HttpProtocolIpv6", m.IPv6, "enabled", "disabled"),
		oneOf("InstanceMetadataTags", m.Tags, "enabled", "disabled"),
	} {
		if err != nil {
			return err
		}
	}
	if m.Hops < 0 || m.Hops > 64 {
		return fail("InvalidParameterValue", "Value (%d) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64.", m.Hops)
	}
	return nil
}

func (d *launchData) checkOptions() error {
	if d.Credit != nil {
		if err := oneOf("CreditSpecification.CpuCredits", d.Credit.CPU, "standard", "unlimited"); err != nil {
			return err
		}
		if d.Type != "" && d.Type[0] != 't' {
			return fail("InvalidParameterCombination", "The CreditSpecification parameter is not supported for instance type %s", d.Type)
		}
	}
	if d.Capacity != nil {
		if err := oneOf("CapacityReservationPreference", d.Capacity.Preference, "open", "none", "capacity-reservations-only"); err != nil {
			return err
		}
		if d.Capacity.Target != nil && d.Capacity.Preference == "none" {
			return fail("InvalidParameterCombination", "CapacityReservationPreference none and a CapacityReservationTarget can't go together")
		}
	}
	if d.Enclave != nil && d.Enclave.Enabled && d.Hibernation != nil && d.Hibernation.Configured {
		return fail("InvalidParameterCombination", "Hibernation and enclaves can't be enabled on the same instance")
	}
	return nil
}

// metadata returns the options with their defaults.
func (d *launchData) metadata() metadataOptions {
	m := metadataOptions{}
	if d.Metadata != nil {
		m = *d.Metadata
	}
	for _, def := range []struct {
		at    *string
		value string
	}{{&m.Tokens, "optional"}, {&m.Endpoint, "enabled"}, {&m.IPv6, "disabled"}, {&m.Tags, "disabled"}} {
		if *def.at == "" {
			*def.at = def.value
		}
	}
	if m.Hops == 0 {
		m.Hops = 1
	}
	return m
}

// most and least sizes of volume types, in GiB.
var volumeSizes = map[string][2]int{
	"gp2": {1, 16384}, "gp3": {1, 65536}, "io1": {4, 16384}, "io2": {4, 65536},
	"st1": {125, 16384}, "sc1": {125, 16384}, "standard": {1, 1024},
}

// check refuses what no volume can be.
func (e *ebs) check() error {
	if e.Type == "" {
		e.Type = "gp2"
	}
	limits, ok := volumeSizes[e.Type]
	switch {
	case !ok:
		return fail("InvalidParameterValue", "Value (%s) for parameter volumeType is invalid. Invalid volume type", e.Type)
	case e.Size != nil && (*e.Size < limits[0] || *e.Size > limits[1]):
		return fail("InvalidParameterValue", "Volume of %dGiB is invalid for volume type %s: it must be between %d and %d", *e.Size, e.Type, limits[0], limits[1])
	case (e.Type == "io1" || e.Type == "io2") && e.IOPS == nil:
		return fail("MissingParameter", "The request must contain the parameter iops for volumes of type %s", e.Type)
	case e.IOPS != nil && e.Type != "io1" && e.Type != "io2" && e.Type != "gp3":
		return fail("InvalidParameterCombination", "The parameter iops is not supported for %s volumes.", e.Type)
	case e.Throughput != nil && e.Type != "gp3":
		return fail("InvalidParameterCombination", "The parameter throughput is not supported for %s volumes.", e.Type)
	case e.KMSKey != "" && (e.Encrypted == nil || !*e.Encrypted):
		return fail("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	}
	return nil
}

func checkDevices(all []device) error {
	seen := map[string]bool{}
	for _, d := range all {
		if d.Name == "" {
			return fail("MissingParameter", "The request must contain the parameter BlockDeviceMapping.DeviceName")
		}
		if seen[d.Name] {
			return fail("InvalidBlockDeviceMapping", "Duplicate device name %s", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}
