package ec2

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

func runInput(opts ...func(*sdk.RunInstancesInput)) *sdk.RunInstancesInput {
	in := &sdk.RunInstancesInput{
		ImageId: aws.String(debianAMI), InstanceType: "t3.micro", MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
	}
	for _, opt := range opts {
		opt(in)
	}
	return in
}

// What the service refuses to launch, and with which code.
func TestRunInstancesRefuses(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.faults.SetAccount(fault.Account{NoCapacity: []string{"m5.*", "c5.large@us-east-1a"}})
	for _, test := range []struct {
		code, name string
		set        func(*sdk.RunInstancesInput)
	}{
		{"InvalidAMIID.Malformed", "bad id", func(in *sdk.RunInstancesInput) { in.ImageId = aws.String("ami-xyz") }},
		{"InvalidAMIID.NotFound", "own id that is gone", func(in *sdk.RunInstancesInput) { in.ImageId = aws.String("ami-50123456789abcdef") }},
		{"InvalidParameterValue", "unknown type", func(in *sdk.RunInstancesInput) { in.InstanceType = "t9.micro" }},
		{"InvalidParameterValue", "architecture", func(in *sdk.RunInstancesInput) { in.InstanceType = "m6g.large" }},
		{"InvalidKeyPair.NotFound", "no key", func(in *sdk.RunInstancesInput) { in.KeyName = aws.String("nobody's") }},
		{"InvalidGroup.NotFound", "no group", func(in *sdk.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-01234567"} }},
		{"InvalidGroupId.Malformed", "bad group", func(in *sdk.RunInstancesInput) { in.SecurityGroupIds = []string{"web"} }},
		{"InvalidSubnetID.NotFound", "no subnet", func(in *sdk.RunInstancesInput) { in.SubnetId = aws.String("subnet-01234567") }},
		{"InvalidParameterValue", "no zone", func(in *sdk.RunInstancesInput) {
			in.Placement = &types.Placement{AvailabilityZone: aws.String("us-east-1z")}
		}},
		{"InvalidParameterValue", "no profile", func(in *sdk.RunInstancesInput) {
			in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: aws.String("none")}
		}},
		{"InvalidParameterValue", "user data", func(in *sdk.RunInstancesInput) { in.UserData = aws.String("!") }},
		{"InvalidParameterValue", "counts", func(in *sdk.RunInstancesInput) { in.MinCount, in.MaxCount = aws.Int32(2), aws.Int32(1) }},
		{"InvalidParameterValue", "tags of a kind that is not made", func(in *sdk.RunInstancesInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "image", Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}}
		}},
		{"InvalidSnapshot.NotFound", "no snapshot", func(in *sdk.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvdf"), Ebs: &types.EbsBlockDevice{SnapshotId: aws.String("snap-01234567")}}}
		}},
		{"InvalidBlockDeviceMapping", "root smaller than its snapshot", func(in *sdk.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(1)}}}
		}},
		{"MissingParameter", "iops", func(in *sdk.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvdf"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(8), VolumeType: "io1"}}}
		}},
		{"UnknownParameter", "what the sandbox does not have", func(in *sdk.RunInstancesInput) { in.KernelId = aws.String("aki-01234567") }},
		{"InvalidParameterCombination", "credits of a type without", func(in *sdk.RunInstancesInput) {
			in.InstanceType, in.CreditSpecification = "m6i.large", &types.CreditSpecificationRequest{CpuCredits: aws.String("unlimited")}
		}},
		{"SpotMaxPriceTooLow", "price", func(in *sdk.RunInstancesInput) {
			in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: "spot", SpotOptions: &types.SpotMarketOptions{MaxPrice: aws.String("0.0001")}}
		}},
		{"InsufficientInstanceCapacity", "type", func(in *sdk.RunInstancesInput) { in.InstanceType = "m5.large" }},
		{"InsufficientInstanceCapacity", "type in a zone", func(in *sdk.RunInstancesInput) { in.InstanceType = "c5.large" }},
		{"DryRunOperation", "dry run", func(in *sdk.RunInstancesInput) { in.DryRun = aws.Bool(true) }},
	} {
		_, err := c.RunInstances(t.Context(), runInput(test.set))
		if code(err) != test.code {
			t.Errorf("%s: %v, want %s", test.name, err, test.code)
		}
	}
	c.empty()
}

func TestNamesInUse(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	m := c.bake("web")
	i := c.run()
	must[*sdk.CreateKeyPairOutput](t)(c.CreateKeyPair(ctx, &sdk.CreateKeyPairInput{KeyName: aws.String("k")}))
	must[*sdk.CreateSecurityGroupOutput](t)(c.CreateSecurityGroup(ctx, &sdk.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("d")}))
	snap := m.BlockDeviceMappings[0].Ebs.SnapshotId
	vol := i.BlockDeviceMappings[0].Ebs.VolumeId
	c.faults.SetAccount(fault.Account{Images: 1})
	for want, call := range map[string]func() error{
		"InvalidAMIName.Duplicate": func() error {
			_, err := c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: i.InstanceId, Name: aws.String("web")})
			return err
		},
		"InvalidAMIName.Malformed": func() error {
			_, err := c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: i.InstanceId, Name: aws.String("a*")})
			return err
		},
		"ResourceLimitExceeded": func() error {
			_, err := c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: i.InstanceId, Name: aws.String("web-2")})
			return err
		},
		"InvalidKeyPair.Duplicate": func() error {
			_, err := c.CreateKeyPair(ctx, &sdk.CreateKeyPairInput{KeyName: aws.String("k")})
			return err
		},
		"InvalidGroup.Duplicate": func() error {
			_, err := c.CreateSecurityGroup(ctx, &sdk.CreateSecurityGroupInput{GroupName: aws.String("g"), Description: aws.String("d")})
			return err
		},
		"InvalidSnapshot.InUse": func() error {
			_, err := c.DeleteSnapshot(ctx, &sdk.DeleteSnapshotInput{SnapshotId: snap})
			return err
		},
		"VolumeInUse": func() error {
			_, err := c.DeleteVolume(ctx, &sdk.DeleteVolumeInput{VolumeId: vol})
			return err
		},
		"IncorrectInstanceState": func() error {
			_, err := c.ModifyInstanceAttribute(ctx, &sdk.ModifyInstanceAttributeInput{InstanceId: i.InstanceId, EnaSupport: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
			return err
		},
		"AuthFailure": func() error {
			_, err := c.ModifyImageAttribute(ctx, &sdk.ModifyImageAttributeInput{ImageId: aws.String(debianAMI), Description: &types.AttributeValue{Value: aws.String("mine")}})
			return err
		},
		"InvalidAMIID.Unavailable": func() error {
			_, err := c.DeregisterImage(ctx, &sdk.DeregisterImageInput{ImageId: aws.String("ami-50123456789abcdef")})
			return err
		},
	} {
		if err := call(); code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestRegions(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	c.faults.SetAccount(fault.Account{DisabledRegions: []string{"eu-south-*"}, NoDefaultVPC: []string{"eu-west-1"}, PrivateSubnets: []string{"eu-west-2"}})
	if _, err := c.in("eu-south-1").DescribeImages(ctx, &sdk.DescribeImagesInput{}); code(err) != "OptInRequired" {
		t.Error("a region that is not enabled:", err)
	}
	if _, err := c.in("mars-1").DescribeImages(ctx, &sdk.DescribeImagesInput{}); code(err) != "AuthFailure" {
		t.Error("no region:", err)
	}
	regions := must[*sdk.DescribeRegionsOutput](t)(c.DescribeRegions(ctx, &sdk.DescribeRegionsInput{}))
	for _, r := range regions.Regions {
		if strings.HasPrefix(*r.RegionName, "eu-south") {
			t.Error("lists", *r.RegionName)
		}
	}
	west := c.in("eu-west-1")
	if _, err := west.RunInstances(ctx, runInput()); code(err) != "VPCIdNotSpecified" {
		t.Error("no default VPC:", err)
	}
	vpcs := must[*sdk.DescribeVpcsOutput](t)(west.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{Filters: []types.Filter{{Name: aws.String("is-default"), Values: []string{"true"}}}}))
	if len(vpcs.Vpcs) != 0 {
		t.Error("has a default VPC")
	}
	subnets := must[*sdk.DescribeSubnetsOutput](t)(west.DescribeSubnets(ctx, &sdk.DescribeSubnetsInput{}))
	if _, err := west.RunInstances(ctx, runInput(func(in *sdk.RunInstancesInput) { in.SubnetId = subnets.Subnets[1].SubnetId })); err != nil {
		t.Error("with a subnet:", err)
	}
	private := must[*sdk.RunInstancesOutput](t)(c.in("eu-west-2").RunInstances(ctx, runInput()))
	if private.Instances[0].PublicIpAddress != nil {
		t.Error("public address in a private subnet:", *private.Instances[0].PublicIpAddress)
	}
	for _, public := range []bool{true, false} {
		out := must[*sdk.RunInstancesOutput](t)(c.RunInstances(ctx, runInput(func(in *sdk.RunInstancesInput) {
			in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), AssociatePublicIpAddress: aws.Bool(public)}}
		})))
		if got := out.Instances[0].PublicIpAddress != nil; got != public {
			t.Errorf("AssociatePublicIpAddress %v: public address %v", public, got)
		}
	}
}

// Faults come in the form of the service, and the SDK reads them.
func TestFaults(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	if err := c.faults.Add(
		fault.Rule{Call: "ec2.DescribeVpcs", Do: fault.Error, Times: 1},
		fault.Rule{Call: "ec2.DescribeSubnets@us-east-1", Do: fault.Error, Code: "RequestExpired"},
		fault.Rule{Call: "ec2.CreateKeyPair", Do: fault.DropAfter, Times: 1},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{}); code(err) != "RequestLimitExceeded" {
		t.Error(err)
	}
	if _, err := c.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{}); err != nil {
		t.Error("the second time:", err)
	}
	if _, err := c.DescribeSubnets(ctx, &sdk.DescribeSubnetsInput{}); code(err) != "RequestExpired" {
		t.Error(err)
	}
	if _, err := c.CreateKeyPair(ctx, &sdk.CreateKeyPairInput{KeyName: aws.String("k")}); err == nil {
		t.Error("the connection was not dropped")
	}
	if _, err := c.CreateKeyPair(ctx, &sdk.CreateKeyPairInput{KeyName: aws.String("k")}); code(err) != "InvalidKeyPair.Duplicate" {
		t.Error("the call did not act before the connection was dropped:", err)
	}
}

// What was made is not found by those who ask, for a while.
func TestConsistency(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(o *Options) { o.Timing.Consistency = time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	id := *must[*sdk.RunInstancesOutput](t)(c.RunInstances(ctx, runInput())).Instances[0].InstanceId
	describe := func() error {
		_, err := c.DescribeInstances(ctx, &sdk.DescribeInstancesInput{InstanceIds: []string{id}})
		return err
	}
	if err := describe(); code(err) != "InvalidInstanceID.NotFound" {
		t.Error("found at once:", err)
	}
	for describe() != nil {
		again(t)
	}
}
