package amazon

import (
	"time"
)

// NetworkConfig says where the instance runs and how it is reached.
type NetworkConfig struct {
	// VpcID is the VPC to run in. Default: the subnet's, or the default VPC.
	VpcID string `hcl:"vpc_id,optional"`
	// VpcFilter finds the VPC; exactly one must match.
	VpcFilter *VpcFilter `hcl:"vpc_filter,block"`
	// SubnetID is the subnet to run in. Default: one of the VPC's.
	SubnetID string `hcl:"subnet_id,optional"`
	// SubnetFilter finds the subnet.
	SubnetFilter *SubnetFilter `hcl:"subnet_filter,block"`
	// AvailabilityZone is the zone to run in. Default: any; where one has no
	// capacity, another is tried.
	AvailabilityZone string `hcl:"availability_zone,optional"`
	// AssociatePublicIP gives the instance a public address, or none. Default:
	// as the subnet says.
	AssociatePublicIP *bool `hcl:"associate_public_ip_address,optional"`

	// SecurityGroupID is the security group of the instance. Default: one is
	// made for the build that lets SSH in.
	SecurityGroupID string `hcl:"security_group_id,optional"`
	// SecurityGroupIDs are the security groups of the instance.
	SecurityGroupIDs []string `hcl:"security_group_ids,optional"`
	// SecurityGroupFilter finds the security groups.
	SecurityGroupFilter *SecurityGroupFilter `hcl:"security_group_filter,block"`
	// TemporaryCIDRs are the addresses that the security group made for the
	// build lets in. Default "0.0.0.0/0".
	TemporaryCIDRs []string `hcl:"temporary_security_group_source_cidrs,optional"`
	// TemporaryPublicIP lets in only this host's public address, which
	// checkip.amazonaws.com tells. Default false.
	TemporaryPublicIP bool `hcl:"temporary_security_group_source_public_ip,optional"`

	// SSHInterface is how the instance is reached: "public_ip", "private_ip",
	// "public_dns", "private_dns", "ipv6" or "session_manager" (through AWS
	// Systems Manager; it needs the program session-manager-plugin, 1.2.536.0
	// or later). Default: the public address where there is one, else the
	// private one.
	SSHInterface string `hcl:"ssh_interface,optional"`
	// SessionManagerPort is the port of this host that leads to the instance
	// with session_manager. Default: a free one.
	SessionManagerPort int `hcl:"session_manager_port,optional"`
	// PauseBeforeSSM waits this long before the session with session_manager is
	// begun. Default 0: it is tried until the agent answers.
	PauseBeforeSSM time.Duration `hcl:"pause_before_ssm,optional"`
}

// VpcFilter finds a VPC.
type VpcFilter struct {
	// Filters are the filters of DescribeVpcs, e.g. "tag:Class" = "build".
	Filters map[string]string `hcl:"filters,optional"`
	// Filter is one of filters, as a block.
	Filter []Pair `hcl:"filter,block"`
}

// SubnetFilter finds a subnet.
type SubnetFilter struct {
	// Filters are the filters of DescribeSubnets, e.g. "tag:Class" = "build".
	Filters map[string]string `hcl:"filters,optional"`
	// Filter is one of filters, as a block.
	Filter []Pair `hcl:"filter,block"`
	// MostFree takes the subnet with the most free addresses where several
	// match. Default false.
	MostFree bool `hcl:"most_free,optional"`
	// Random takes any where several match. Default false.
	Random bool `hcl:"random,optional"`
}

// SecurityGroupFilter finds security groups.
type SecurityGroupFilter struct {
	// Filters are the filters of DescribeSecurityGroups, e.g. "tag:Class" = "build".
	Filters map[string]string `hcl:"filters,optional"`
	// Filter is one of filters, as a block.
	Filter []Pair `hcl:"filter,block"`
}

// SpotConfig are the options of spot instances.
type SpotConfig struct {
	// SpotPrice is the most to pay for an hour, in dollars, or "auto" for the
	// price of the day. It asks for a spot instance. Default: "auto" with
	// spot_instance_types, else no spot instance.
	SpotPrice string `hcl:"spot_price,optional"`
	// SpotInstanceTypes are the types of instance that will do, best first.
	SpotInstanceTypes []string `hcl:"spot_instance_types,optional"`
	// SpotAllocationStrategy is how EC2 chooses among types and zones:
	// "price-capacity-optimized", "capacity-optimized",
	// "capacity-optimized-prioritized", "diversified" or "lowest-price".
	// Default "price-capacity-optimized".
	SpotAllocationStrategy string `hcl:"spot_allocation_strategy,optional"`
	// SpotTags are tags of the launch template that a spot instance is made
	// with, and of its request.
	SpotTags map[string]string `hcl:"spot_tags,optional"`
	// SpotTag is one of spot_tags, as a block.
	SpotTag []Tag `hcl:"spot_tag,block"`
	// FleetTags are tags of the fleet that a spot instance is asked for with.
	FleetTags map[string]string `hcl:"fleet_tags,optional"`
	// FleetTag is one of fleet_tags, as a block.
	FleetTag []Tag `hcl:"fleet_tag,block"`
	// BlockDurationMinutes is refused.
	BlockDurationMinutes *int `hcl:"block_duration_minutes,optional" refuse:"EC2 has no spot instances for a fixed time any more: leave it out"`
	// SpotPriceAutoProduct is refused.
	SpotPriceAutoProduct *string `hcl:"spot_price_auto_product,optional" refuse:"EC2 finds the price by itself: set spot_price = \"auto\" and leave it out"`
}
