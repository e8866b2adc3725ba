package amazon

import (
	"encoding/base64"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/ssh"
)

// advise returns an error of an option with advice.
func advise(option, message, advice string) error {
	return &component.OptionError{Option: option, Message: message, Advice: advice}
}

func oneOf(option, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return component.Errorf(option, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

var (
	amiPattern    = regexp.MustCompile(`^ami-[0-9a-f]+$`)
	subnetPattern = regexp.MustCompile(`^subnet-[0-9a-f]+$`)
	vpcPattern    = regexp.MustCompile(`^vpc-[0-9a-f]+$`)
	groupPattern  = regexp.MustCompile(`^sg-[0-9a-f]+$`)
	zonePattern   = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)*-\d+(-[a-z0-9]+-\d+)*[a-z]$`)
)

// maxUserData is how much user data EC2 takes, in bytes.
const maxUserData = 16 << 10

// checkRun checks the options of the instance. dir is where relative paths start.
func (c RunConfig) checkRun(dir string, spot SpotConfig) error {
	f := c.SourceAMIFilter
	switch {
	case c.SourceAMI == "" && f == nil:
		return advise("source_ami", "is missing", "name an image, or describe it with source_ami_filter")
	case c.SourceAMI != "" && f != nil:
		return component.Errorf("source_ami_filter", "is set together with source_ami: use one of them")
	case c.SourceAMI != "" && !amiPattern.MatchString(c.SourceAMI) && !strings.Contains(c.SourceAMI, "\u27e6"):
		return component.Errorf("source_ami", "%q is not the id of an image, such as ami-0123456789abcdef0", c.SourceAMI)
	case c.InstanceType == "" && len(spot.SpotInstanceTypes) == 0:
		return advise("instance_type", "is missing", "name a type such as t3.micro, or several with spot_instance_types")
	case c.InstanceType != "" && len(spot.SpotInstanceTypes) > 0:
		return component.Errorf("spot_instance_types", "is set together with instance_type: use one of them")
	case c.UserData != "" && c.UserDataFile != "":
		return component.Errorf("user_data_file", "is set together with user_data: use one of them")
	case c.IAMInstanceProfile != "" && c.TemporaryPolicy != nil:
		return component.Errorf("temporary_iam_instance_profile_policy_document", "is set together with iam_instance_profile: use one of them")
	case c.WindowsPasswordTimeout < 0:
		return component.Errorf("windows_password_timeout", "must not be negative")
	case c.MaxLifetime < 0:
		return component.Errorf("max_lifetime", "must not be negative")
	}
	if f != nil {
		if err := f.Check("source_ami_filter"); err != nil {
			return err
		}
	}
	if c.UserDataFile != "" {
		if _, err := os.Stat(hostfile.Path(dir, c.UserDataFile)); err != nil {
			return component.Errorf("user_data_file", "%v", err)
		}
	}
	if len(c.UserData) > maxUserData {
		return component.Errorf("user_data", "has %d bytes: EC2 takes %d", len(c.UserData), maxUserData)
	}
	if err := c.checkHardware(); err != nil {
		return err
	}
	if err := checkTags("run_tags", "run_tag", c.RunTags, c.RunTag); err != nil {
		return err
	}
	return checkTags("run_volume_tags", "run_volume_tag", c.RunVolumeTags, c.RunVolumeTag)
}

// Check checks a filter. option is what the filter is called.
func (f AMIFilter) Check(option string) error {
	switch {
	case len(f.Owners) == 0:
		return advise(option+".owners", "is missing: an image of anybody could match", `name whose images count: an account id, "self", "amazon" or "aws-marketplace"`)
	case len(f.Filters) == 0:
		return advise(option+".filters", "is missing", `e.g. filters = { name = "debian-12-amd64-*" }`)
	}
	return nil
}

func (c RunConfig) checkHardware() error {
	tenancy := c.Tenancy
	if p := c.Placement; p != nil {
		if p.Tenancy != "" && tenancy != "" && p.Tenancy != tenancy {
			return component.Errorf("tenancy", "is another name for placement.tenancy, which is %q", p.Tenancy)
		}
		if p.Tenancy != "" {
			tenancy = p.Tenancy
		}
		if p.HostID != "" && p.HostResourceGroupARN != "" {
			return component.Errorf("placement.host_id", "is set together with host_resource_group_arn: use one of them")
		}
		if (p.HostID != "" || p.HostResourceGroupARN != "") && tenancy != "" && tenancy != "host" {
			return component.Errorf("placement.tenancy", `must be "host" on a dedicated host`)
		}
	}
	if m := c.MetadataOptions; m != nil {
		if err := m.check(); err != nil {
			return err
		}
	}
	if c.CapacityReservationID != "" && c.CapacityReservationGroupARN != "" {
		return component.Errorf("capacity_reservation_id", "is set together with capacity_reservation_group_arn: use one of them")
	}
	if (c.CapacityReservationID != "" || c.CapacityReservationGroupARN != "") && c.CapacityReservationPreference != "" {
		return component.Errorf("capacity_reservation_preference", "is set together with a reservation: leave it out")
	}
	if (c.EnableUnlimitedCredits || c.EnableT2Unlimited) && c.InstanceType != "" && !strings.HasPrefix(c.InstanceType, "t") {
		return component.Errorf("enable_unlimited_credits", "%s is not a burstable type (t2, t3, t3a, t4g)", c.InstanceType)
	}
	if p := c.TemporaryPolicy; p != nil {
		for _, s := range p.Statement {
			if err := oneOf("temporary_iam_instance_profile_policy_document.Statement", s.Effect, "Allow", "Deny"); err != nil {
				return err
			}
		}
		if len(p.Statement) == 0 {
			return component.Errorf("temporary_iam_instance_profile_policy_document", "needs a Statement")
		}
	}
	for _, err := range []error{
		oneOf("tenancy", tenancy, "default", "dedicated", "host"),
		oneOf("shutdown_behavior", c.ShutdownBehavior, "stop", "terminate"),
		oneOf("capacity_reservation_preference", c.CapacityReservationPreference, "open", "none", "capacity-reservations-only"),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (m MetadataOptions) check() error {
	for _, err := range []error{
		oneOf("metadata_options.http_endpoint", m.HTTPEndpoint, "enabled", "disabled"),
		oneOf("metadata_options.http_tokens", m.HTTPTokens, "optional", "required"),
		oneOf("metadata_options.instance_metadata_tags", m.InstanceMetadataTags, "enabled", "disabled"),
	} {
		if err != nil {
			return err
		}
	}
	if n := m.HTTPPutResponseHopLimit; n < 0 || n > 64 {
		return component.Errorf("metadata_options.http_put_response_hop_limit", "%d is not between 1 and 64", n)
	}
	return nil
}

// checkNetwork checks where the instance runs and how it is reached.
func (c NetworkConfig) checkNetwork(s ssh.Config) error {
	ids := []struct {
		option, id string
		pattern    *regexp.Regexp
		like       string
	}{{"vpc_id", c.VpcID, vpcPattern, "vpc-0123456789abcdef0"}, {"subnet_id", c.SubnetID, subnetPattern, "subnet-0123456789abcdef0"},
		{"availability_zone", c.AvailabilityZone, zonePattern, "eu-west-1a"}}
	for _, g := range c.groupIDs() {
		ids = append(ids, struct {
			option, id string
			pattern    *regexp.Regexp
			like       string
		}{"security_group_ids", g, groupPattern, "sg-0123456789abcdef0"})
	}
	for _, i := range ids {
		if i.id != "" && !i.pattern.MatchString(i.id) {
			return component.Errorf(i.option, "%q is not an id such as %s", i.id, i.like)
		}
	}
	switch {
	case c.VpcID != "" && c.VpcFilter != nil:
		return component.Errorf("vpc_filter", "is set together with vpc_id: use one of them")
	case c.SubnetID != "" && c.SubnetFilter != nil:
		return component.Errorf("subnet_filter", "is set together with subnet_id: use one of them")
	case c.SecurityGroupID != "" && len(c.SecurityGroupIDs) > 0:
		return component.Errorf("security_group_ids", "is set together with security_group_id: use one of them")
	case c.SecurityGroupFilter != nil && len(c.groupIDs()) > 0:
		return component.Errorf("security_group_filter", "is set together with security_group_id: use one of them")
	case len(c.TemporaryCIDRs) > 0 && c.TemporaryPublicIP:
		return component.Errorf("temporary_security_group_source_public_ip", "is set together with temporary_security_group_source_cidrs: use one of them")
	}
	for _, cidr := range c.TemporaryCIDRs {
		if !isCIDR(cidr) {
			return component.Errorf("temporary_security_group_source_cidrs", "%q is not a range of addresses such as 192.0.2.0/24", cidr)
		}
	}
	if err := oneOf("ssh_interface", c.SSHInterface, "public_ip", "private_ip", "public_dns", "private_dns", "ipv6", "session_manager"); err != nil {
		return err
	}
	return c.checkSession(s)
}

func (c NetworkConfig) checkSession(s ssh.Config) error {
	if c.SSHInterface != "session_manager" {
		if c.SessionManagerPort != 0 {
			return component.Errorf("session_manager_port", `needs ssh_interface = "session_manager"`)
		}
		if c.PauseBeforeSSM != 0 {
			return component.Errorf("pause_before_ssm", `needs ssh_interface = "session_manager"`)
		}
		return nil
	}
	switch {
	case c.SessionManagerPort < 0 || c.SessionManagerPort > 65535:
		return component.Errorf("session_manager_port", "%d is not a port", c.SessionManagerPort)
	case s.BastionHost != "" || s.ProxyHost != "":
		return component.Errorf("ssh_interface", "session_manager leads to the instance by itself: leave out the bastion and the proxy")
	case s.Communicator == "none" || s.Communicator == "winrm":
		return component.Errorf("ssh_interface", `session_manager needs communicator = "ssh"`)
	}
	return nil
}

// groupIDs are the security groups that the options name.
func (c NetworkConfig) groupIDs() []string {
	if c.SecurityGroupID != "" {
		return []string{c.SecurityGroupID}
	}
	return c.SecurityGroupIDs
}

// checkSpot checks the options of spot instances.
func (c SpotConfig) checkSpot() error {
	if p := c.SpotPrice; p != "" && p != "auto" && p != "0" {
		if v, err := strconv.ParseFloat(p, 64); err != nil || v <= 0 {
			return component.Errorf("spot_price", `%q is neither a price such as "0.05" nor "auto"`, p)
		}
	}
	if !c.wanted() {
		for _, o := range []struct {
			name string
			set  bool
		}{{"spot_tags", len(c.SpotTags)+len(c.SpotTag) > 0}, {"fleet_tags", len(c.FleetTags)+len(c.FleetTag) > 0},
			{"spot_allocation_strategy", c.SpotAllocationStrategy != ""}} {
			if o.set {
				return advise(o.name, "is for spot instances", `set spot_price = "auto", or spot_instance_types`)
			}
		}
	}
	if err := oneOf("spot_allocation_strategy", c.SpotAllocationStrategy, "price-capacity-optimized", "capacity-optimized",
		"capacity-optimized-prioritized", "diversified", "lowest-price", "lowestPrice", "capacityOptimized"); err != nil {
		return err
	}
	if err := checkTags("spot_tags", "spot_tag", c.SpotTags, c.SpotTag); err != nil {
		return err
	}
	return checkTags("fleet_tags", "fleet_tag", c.FleetTags, c.FleetTag)
}

// wanted reports whether a spot instance is asked for.
func (c SpotConfig) wanted() bool {
	return c.SpotPrice != "" && c.SpotPrice != "0" || len(c.SpotInstanceTypes) > 0
}

// userData returns the user data that the options give.
func (c RunConfig) userData(dir string) ([]byte, error) {
	text := []byte(c.UserData)
	if c.UserDataFile != "" {
		var err error
		if text, err = os.ReadFile(hostfile.Path(dir, c.UserDataFile)); err != nil {
			return nil, component.Errorf("user_data_file", "%v", err)
		}
	}
	if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err == nil && len(text) > 0 {
		text = plain // Packer takes it encoded too
	}
	if len(text) > maxUserData {
		return nil, component.Errorf("user_data_file", "has %d bytes: EC2 takes %d", len(text), maxUserData)
	}
	return text, nil
}
