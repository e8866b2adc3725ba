package amazon

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
)

// lookupFor is how long what was looked up of the network holds for other
// builds.
const lookupFor = time.Minute

// places returns the subnets to launch in, best first: where one has no
// capacity, the next is tried.
func (s *source) places(ctx context.Context, r *Region) ([]types.Subnet, error) {
	n := s.network
	if n.SubnetID != "" {
		found, err := r.subnetsWith(ctx, filter("subnet-id", n.SubnetID))
		switch {
		case err != nil:
			return nil, err
		case len(found) == 0:
			return nil, builders.WithHint(fmt.Errorf("there is no subnet %s in %s", n.SubnetID, r.Name), "check subnet_id, and that it is in this region")
		case n.AvailabilityZone != "" && aws.ToString(found[0].AvailabilityZone) != n.AvailabilityZone:
			return nil, fmt.Errorf("the subnet %s is in %s, and availability_zone is %s", n.SubnetID, aws.ToString(found[0].AvailabilityZone), n.AvailabilityZone)
		}
		return found, nil
	}
	vpc, err := s.vpc(ctx, r)
	if err != nil {
		return nil, err
	}
	var ask []types.Filter
	if f := n.SubnetFilter; f != nil {
		ask = filters(f.Filters, f.Filter...)
	} else if vpc == "" {
		ask = append(ask, filter("default-for-az", "true"))
	}
	if vpc != "" {
		ask = append(ask, filter("vpc-id", vpc))
	}
	if n.AvailabilityZone != "" {
		ask = append(ask, filter("availability-zone", n.AvailabilityZone))
	}
	ask = append(ask, filter("state", "available"))
	found, err := r.subnetsWith(ctx, ask...)
	if err != nil {
		return nil, err
	}
	return s.choose(r, slices.Clone(found), ask)
}

// choose puts the subnets that were found in order, or says why there is none
// to choose.
func (s *source) choose(r *Region, found []types.Subnet, ask []types.Filter) ([]types.Subnet, error) {
	n := s.network
	f := n.SubnetFilter
	switch {
	case len(found) == 0 && f == nil && n.VpcID == "" && n.VpcFilter == nil && n.AvailabilityZone == "":
		return nil, builders.WithHint(fmt.Errorf("there is no default VPC in %s", r.Name),
			"set vpc_id or subnet_id (or filters for them), or make one: aws ec2 create-default-vpc")
	case len(found) == 0:
		return nil, builders.WithHint(fmt.Errorf("no subnet in %s matches %s", r.Name, filterText(ask)), "check the subnets of the VPC, and subnet_filter")
	case f != nil && len(found) > 1 && !f.MostFree && !f.Random:
		return nil, builders.WithHint(fmt.Errorf("%d subnets in %s match %s", len(found), r.Name, filterText(ask)),
			"set most_free = true or random = true in subnet_filter, or narrow it")
	}
	if f != nil && f.Random {
		rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		return found, nil
	}
	slices.SortStableFunc(found, func(a, b types.Subnet) int {
		return -cmp.Compare(aws.ToInt32(a.AvailableIpAddressCount), aws.ToInt32(b.AvailableIpAddressCount))
	})
	return found, nil
}

func (r *Region) subnetsWith(ctx context.Context, ask ...types.Filter) ([]types.Subnet, error) {
	found, err := r.subnets.get(ctx, filterText(ask), lookupFor, func(ctx context.Context) ([]types.Subnet, error) {
		p := ec2.NewDescribeSubnetsPaginator(r.EC2, &ec2.DescribeSubnetsInput{Filters: ask})
		var out []types.Subnet
		for p.HasMorePages() {
			page, err := p.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			out = append(out, page.Subnets...)
		}
		return out, nil
	})
	return found, r.explain(ctx, "look for the subnet", err)
}

// vpc returns the VPC that the options name, "" where they name none.
func (s *source) vpc(ctx context.Context, r *Region) (string, error) {
	f := s.network.VpcFilter
	if f == nil {
		return s.network.VpcID, nil
	}
	ask := filters(f.Filters, f.Filter...)
	found, err := r.vpcs.get(ctx, filterText(ask), lookupFor, func(ctx context.Context) ([]types.Vpc, error) {
		out, err := r.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: ask})
		if err != nil {
			return nil, err
		}
		return out.Vpcs, nil
	})
	switch {
	case err != nil:
		return "", r.explain(ctx, "look for the VPC", err)
	case len(found) == 0:
		return "", fmt.Errorf("no VPC in %s matches %s", r.Name, filterText(ask))
	case len(found) > 1:
		return "", builders.WithHint(fmt.Errorf("%d VPCs in %s match %s", len(found), r.Name, filterText(ask)), "narrow vpc_filter, or set vpc_id")
	}
	return aws.ToString(found[0].VpcId), nil
}

// groupsNamed returns the security groups that the options name, none where
// one is to be made.
func (s *source) groupsNamed(ctx context.Context, r *Region) ([]string, error) {
	ask := []types.Filter{filter("group-id", s.network.groupIDs()...)}
	switch f := s.network.SecurityGroupFilter; {
	case f != nil:
		ask = filters(f.Filters, f.Filter...)
	case len(s.network.groupIDs()) == 0:
		return nil, nil
	}
	found, err := r.groups.get(ctx, filterText(ask), lookupFor, func(ctx context.Context) ([]types.SecurityGroup, error) {
		out, err := r.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: ask})
		if err != nil {
			return nil, err
		}
		return out.SecurityGroups, nil
	})
	if err != nil {
		return nil, r.explain(ctx, "look for the security groups", err)
	}
	var ids []string
	for _, g := range found {
		ids = append(ids, aws.ToString(g.GroupId))
	}
	for _, want := range s.network.groupIDs() {
		if !slices.Contains(ids, want) {
			return nil, builders.WithHint(fmt.Errorf("there is no security group %s in %s", want, r.Name), "check security_group_id, and that it is in this region")
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no security group in %s matches %s", r.Name, filterText(ask))
	}
	return ids, nil
}

// offered returns which of the types are to be had in which zones.
func (r *Region) offered(ctx context.Context, kinds []string) (map[string][]string, error) {
	m, err := r.offers.get(ctx, strings.Join(kinds, " "), time.Hour, func(ctx context.Context) (map[string][]string, error) {
		p := ec2.NewDescribeInstanceTypeOfferingsPaginator(r.EC2, &ec2.DescribeInstanceTypeOfferingsInput{
			LocationType: types.LocationTypeAvailabilityZone, Filters: []types.Filter{filter("instance-type", kinds...)},
		})
		out := map[string][]string{}
		for p.HasMorePages() {
			page, err := p.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, o := range page.InstanceTypeOfferings {
				zone := aws.ToString(o.Location)
				out[zone] = append(out[zone], string(o.InstanceType))
			}
		}
		return out, nil
	})
	return m, r.explain(ctx, "look where the instance type is to be had", err)
}

// offering leaves out the places that none of the types is to be had in.
func (s *source) offering(r *Region, places []types.Subnet, offers map[string][]string) ([]types.Subnet, error) {
	var zones []string
	for zone := range offers {
		zones = append(zones, zone)
	}
	slices.Sort(zones)
	kinds := strings.Join(s.kinds(), ", ")
	if len(zones) == 0 {
		return nil, builders.WithHint(fmt.Errorf("%s is not to be had in %s", kinds, r.Name), "choose another instance_type or region")
	}
	out := slices.DeleteFunc(slices.Clone(places), func(p types.Subnet) bool { return len(offers[aws.ToString(p.AvailabilityZone)]) == 0 })
	if len(out) == 0 {
		return nil, builders.WithHint(fmt.Errorf("%s is not to be had in %s", kinds, aws.ToString(places[0].AvailabilityZone)),
			"it is in "+strings.Join(zones, ", ")+": choose a subnet there, or another instance_type")
	}
	return out, nil
}

// kinds are the types of instance that will do.
func (s *source) kinds() []string {
	if len(s.spot.SpotInstanceTypes) > 0 {
		return s.spot.SpotInstanceTypes
	}
	return []string{s.run.InstanceType}
}

// checkReachable refuses places in which the instance can't be reached as the
// options say.
func (s *source) checkReachable(places []types.Subnet) error {
	n := s.network
	want := n.SSHInterface
	for _, p := range places {
		switch {
		case want == "public_ip" || want == "public_dns":
			public := aws.ToBool(p.MapPublicIpOnLaunch)
			if n.AssociatePublicIP != nil {
				public = *n.AssociatePublicIP
			}
			if !public {
				return builders.WithHint(fmt.Errorf("ssh_interface is %s, and the subnet %s gives instances no public address", want, aws.ToString(p.SubnetId)),
					"set associate_public_ip_address = true, choose another subnet, or reach the instance by ssh_interface = \"private_ip\" or \"session_manager\"")
			}
		case want == "ipv6" && len(p.Ipv6CidrBlockAssociationSet) == 0:
			return fmt.Errorf("ssh_interface is ipv6, and the subnet %s has no such addresses", aws.ToString(p.SubnetId))
		}
	}
	return nil
}

func filterText(list []types.Filter) string {
	var parts []string
	for _, f := range list {
		parts = append(parts, fmt.Sprintf("%s = %q", aws.ToString(f.Name), strings.Join(f.Values, ",")))
	}
	return strings.Join(parts, ", ")
}
