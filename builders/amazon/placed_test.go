package amazon

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// TestPlaced launches instances on the hosts, licenses, reservations and
// addresses that a source names, on demand, and as spot instances where EC2 has
// that: by a launch template.
func TestPlaced(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:example:us-east-1:123456789012:it"
	reserved := func(i types.Instance) *types.CapacityReservationTargetResponse {
		return i.CapacityReservationSpecification.CapacityReservationTarget
	}
	for name, test := range map[string]struct {
		change func(*Config)
		spot   bool
		is     func(types.Instance) bool
	}{
		"placement.host_id": {func(c *Config) { c.Placement = &Placement{HostID: "h-0123456789abcdef0", Tenancy: "host"} }, false,
			func(i types.Instance) bool {
				return aws.ToString(i.Placement.HostId) == "h-0123456789abcdef0" && i.Placement.Tenancy == types.TenancyHost
			}},
		"placement.host_resource_group_arn": {func(c *Config) { c.Placement = &Placement{HostResourceGroupARN: arn} }, false,
			func(i types.Instance) bool { return aws.ToString(i.Placement.HostResourceGroupArn) == arn }},
		"license_configuration_arn": {func(c *Config) {
			c.LicenseSpecifications = []LicenseSpecification{{Request: LicenseRequest{ARN: arn}}}
		}, true, func(i types.Instance) bool {
			return len(i.Licenses) == 1 && aws.ToString(i.Licenses[0].LicenseConfigurationArn) == arn
		}},
		"capacity_reservation_preference": {func(c *Config) { c.CapacityReservationPreference = "none" }, true,
			func(i types.Instance) bool {
				return i.CapacityReservationSpecification.CapacityReservationPreference == types.CapacityReservationPreferenceNone
			}},
		"capacity_reservation_id": {func(c *Config) { c.CapacityReservationID = "cr-0123456789abcdef0" }, true,
			func(i types.Instance) bool {
				return aws.ToString(reserved(i).CapacityReservationId) == "cr-0123456789abcdef0"
			}},
		"capacity_reservation_group_arn": {func(c *Config) { c.CapacityReservationGroupARN = arn }, true,
			func(i types.Instance) bool {
				return aws.ToString(reserved(i).CapacityReservationResourceGroupArn) == arn
			}},
		"ssh_interface":                      {ipv6(nil), true, hasSix},
		"ssh_interface without a public one": {ipv6(aws.Bool(false)), true, hasSix},
	} {
		for _, spot := range []bool{false, true} {
			if spot && !test.spot {
				continue
			}
			t.Run(name+map[bool]string{true: ", spot"}[spot], func(t *testing.T) {
				t.Parallel()
				l := newLab(t)
				l.Faults.SetAccount(fault.Account{IPv6: []string{home}})
				c := plainConfig()
				if test.change(c); spot {
					c.SpotPrice = "auto"
				}
				_, err := l.bake(c, &said{}, func(id string) {
					if i := l.seen(id); !test.is(i) || spot != (i.InstanceLifecycle == types.InstanceLifecycleTypeSpot) {
						t.Errorf("launched %+v", i)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func ipv6(public *bool) func(*Config) {
	return func(c *Config) { c.SSHInterface, c.AssociatePublicIP = "ipv6", public }
}

// hasSix reports whether the instance has an IPv6 address, and is reached at
// it.
func hasSix(i types.Instance) bool {
	six := aws.ToString(i.Ipv6Address)
	at := (&source{network: NetworkConfig{SSHInterface: "ipv6"}}).address(i)
	return strings.Contains(six, ":") && at == six
}

// TestIPv6 lets SSH in from any IPv6 address, and launches nothing where a
// subnet has none.
func TestIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := plainConfig()
	ipv6(nil)(c)
	c.Timeout = 100 * time.Millisecond
	_, err := l.build(c)
	if err == nil || !strings.Contains(err.Error(), "ssh_interface is ipv6, and the subnet") || l.Count("ec2.RunInstances") != 0 {
		t.Errorf("%d launches, error %v", l.Count("ec2.RunInstances"), err)
	}
	l.Faults.SetAccount(fault.Account{IPv6: []string{home}})
	sent := l.listen()
	if _, err := l.build(c); err == nil {
		t.Error("it was reached at an address that leads nowhere")
	}
	if from := sent.last("AuthorizeSecurityGroupIngress"); from.Get("IpPermissions.1.Ipv6Ranges.1.CidrIpv6") != "::/0" {
		t.Errorf("let in: %v", from)
	}
}
