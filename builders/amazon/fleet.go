package amazon

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// runSpot launches a spot instance: EC2 chooses among the types and the places
// that will do.
func (s *stay) runSpot(ctx context.Context, l launch, places []types.Subnet) (string, error) {
	s.env.Log.Say(fmt.Sprintf("Requesting a spot instance: %s", strings.Join(s.kinds(), ", ")))
	template, err := s.launchTemplate(ctx, l, places[0])
	if err != nil {
		return "", s.r.explain(ctx, "create the launch template", err)
	}
	in := s.fleetInput(template, places)
	// Both are in the journal before: where the answer is lost, the instance is
	// found by its tags.
	id, err := s.create(ctx, kindInstance, "", "", func(ctx context.Context) (string, error) {
		var out *ec2.CreateFleetOutput
		_, err := s.create(ctx, kindFleet, "", *in.ClientToken, func(ctx context.Context) (string, error) {
			err := eventually(ctx, func() (err error) {
				out, err = s.r.EC2.CreateFleet(ctx, in)
				return err
			}, newCodes()...)
			if err != nil {
				return "", err
			}
			return aws.ToString(out.FleetId), nil
		})
		if err != nil {
			return "", err
		}
		for _, i := range out.Instances {
			for _, id := range i.InstanceIds {
				return id, nil
			}
		}
		return "", fleetError(out.Errors)
	})
	return id, s.r.explain(ctx, "launch a spot instance from "+aws.ToString(s.image.ImageId), err)
}

// fleetError is the error of a fleet that has no instance.
func fleetError(list []types.CreateFleetError) error {
	e := &Error{Code: "InsufficientInstanceCapacity", Message: "EC2 gave no spot instance"}
	seen := map[string]bool{}
	for n, f := range list {
		c := aws.ToString(f.ErrorCode)
		if n == 0 || noCapacity(e) && !noCapacity(&Error{Code: c}) {
			e.Code, e.Message = c, strings.TrimSuffix(aws.ToString(f.ErrorMessage), ".")
		}
		seen[c] = true
	}
	if len(list) > 1 {
		e.Message += fmt.Sprintf(" (and %d more refusals)", len(list)-1)
	}
	e.Advice = cmp.Or(advice(e.Code, e.Message), "try again later, or name more types in spot_instance_types")
	return e
}

// fleetInput asks for one instance now.
func (s *stay) fleetInput(template string, places []types.Subnet) *ec2.CreateFleetInput {
	c := s.spot
	token := s.token("fleet")
	strategy := c.SpotAllocationStrategy
	switch strategy {
	case "":
		strategy = string(types.SpotAllocationStrategyPriceCapacityOptimized)
	case "lowestPrice":
		strategy = "lowest-price"
	case "capacityOptimized":
		strategy = "capacity-optimized"
	}
	var price *string
	if p := c.SpotPrice; p != "" && p != "auto" {
		price = &p
	}
	var overrides []types.FleetLaunchTemplateOverridesRequest
	for n, kind := range s.kinds() {
		for _, p := range places {
			o := types.FleetLaunchTemplateOverridesRequest{InstanceType: types.InstanceType(kind), SubnetId: p.SubnetId, MaxPrice: price}
			if strategy == string(types.SpotAllocationStrategyCapacityOptimizedPrioritized) {
				o.Priority = aws.Float64(float64(n))
			}
			overrides = append(overrides, o)
		}
	}
	fleet := merged(c.FleetTags, c.FleetTag, s.values)
	return &ec2.CreateFleetInput{
		Type: types.FleetTypeInstant, ClientToken: &token,
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: &template, Version: aws.String("$Latest")},
			Overrides:                   overrides,
		}},
		SpotOptions: &types.SpotOptionsRequest{AllocationStrategy: types.SpotAllocationStrategy(strategy)},
		TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{
			TotalTargetCapacity: aws.Int32(1), DefaultTargetCapacityType: types.DefaultTargetCapacityTypeSpot,
		},
		TagSpecifications: tagSpec(types.ResourceTypeFleet, fleet, s.marks),
	}
}

// launchTemplate makes the template that a fleet launches from.
func (s *stay) launchTemplate(ctx context.Context, l launch, p types.Subnet) (string, error) {
	token := s.token("template")
	spot := merged(s.spot.SpotTags, s.spot.SpotTag, s.values)
	data := templateData(s.runInput(l, p))
	if list := tagList(spot, s.marks); len(list) > 0 {
		data.TagSpecifications = append(data.TagSpecifications,
			types.LaunchTemplateTagSpecificationRequest{ResourceType: types.ResourceTypeSpotInstancesRequest, Tags: list})
	}
	return s.create(ctx, kindTemplate, s.name, token, func(ctx context.Context) (string, error) {
		out, err := s.r.EC2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
			LaunchTemplateName: &s.name, ClientToken: &token, LaunchTemplateData: data,
			TagSpecifications: tagSpec(types.ResourceTypeLaunchTemplate, spot, s.marks),
		})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.LaunchTemplate.LaunchTemplateId), nil
	})
}

// templateData is the request for an instance as a launch template has it; the
// type and the subnet are the fleet's.
func templateData(in *ec2.RunInstancesInput) *types.RequestLaunchTemplateData {
	d := &types.RequestLaunchTemplateData{
		ImageId: in.ImageId, KeyName: in.KeyName, UserData: in.UserData, EbsOptimized: in.EbsOptimized,
		InstanceInitiatedShutdownBehavior: in.InstanceInitiatedShutdownBehavior, SecurityGroupIds: in.SecurityGroupIds,
		CreditSpecification: in.CreditSpecification,
	}
	for _, m := range in.BlockDeviceMappings {
		t := types.LaunchTemplateBlockDeviceMappingRequest{DeviceName: m.DeviceName, NoDevice: m.NoDevice, VirtualName: m.VirtualName}
		if e := m.Ebs; e != nil {
			t.Ebs = &types.LaunchTemplateEbsBlockDeviceRequest{
				DeleteOnTermination: e.DeleteOnTermination, Encrypted: e.Encrypted, Iops: e.Iops, KmsKeyId: e.KmsKeyId,
				SnapshotId: e.SnapshotId, Throughput: e.Throughput, VolumeSize: e.VolumeSize, VolumeType: e.VolumeType,
			}
		}
		d.BlockDeviceMappings = append(d.BlockDeviceMappings, t)
	}
	for _, n := range in.NetworkInterfaces {
		d.NetworkInterfaces = append(d.NetworkInterfaces, types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{
			DeviceIndex: n.DeviceIndex, AssociatePublicIpAddress: n.AssociatePublicIpAddress, Groups: n.Groups,
			DeleteOnTermination: n.DeleteOnTermination, Ipv6AddressCount: n.Ipv6AddressCount,
		})
	}
	if in.Ipv6AddressCount != nil {
		d.NetworkInterfaces = []types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{
			DeviceIndex: aws.Int32(0), Groups: in.SecurityGroupIds, Ipv6AddressCount: in.Ipv6AddressCount, DeleteOnTermination: aws.Bool(true),
		}}
		d.SecurityGroupIds = nil
	}
	for _, t := range in.TagSpecifications {
		d.TagSpecifications = append(d.TagSpecifications, types.LaunchTemplateTagSpecificationRequest{ResourceType: t.ResourceType, Tags: t.Tags})
	}
	templateHardware(d, in)
	return d
}

func templateHardware(d *types.RequestLaunchTemplateData, in *ec2.RunInstancesInput) {
	if p := in.IamInstanceProfile; p != nil {
		d.IamInstanceProfile = &types.LaunchTemplateIamInstanceProfileSpecificationRequest{Arn: p.Arn, Name: p.Name}
	}
	if e := in.EnclaveOptions; e != nil {
		d.EnclaveOptions = &types.LaunchTemplateEnclaveOptionsRequest{Enabled: e.Enabled}
	}
	if c := in.CapacityReservationSpecification; c != nil {
		d.CapacityReservationSpecification = &types.LaunchTemplateCapacityReservationSpecificationRequest{
			CapacityReservationPreference: c.CapacityReservationPreference, CapacityReservationTarget: c.CapacityReservationTarget,
		}
	}
	if p := in.Placement; p != nil {
		d.Placement = &types.LaunchTemplatePlacementRequest{Tenancy: p.Tenancy, HostId: p.HostId, HostResourceGroupArn: p.HostResourceGroupArn}
	}
	for _, l := range in.LicenseSpecifications {
		d.LicenseSpecifications = append(d.LicenseSpecifications,
			types.LaunchTemplateLicenseConfigurationRequest{LicenseConfigurationArn: l.LicenseConfigurationArn})
	}
	if m := in.MetadataOptions; m != nil {
		d.MetadataOptions = &types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpEndpoint: types.LaunchTemplateInstanceMetadataEndpointState(m.HttpEndpoint), HttpTokens: types.LaunchTemplateHttpTokensState(m.HttpTokens),
			HttpPutResponseHopLimit: m.HttpPutResponseHopLimit,
			InstanceMetadataTags:    types.LaunchTemplateInstanceMetadataTagsState(m.InstanceMetadataTags),
		}
	}
}
