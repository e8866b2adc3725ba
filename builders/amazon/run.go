package amazon

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
)

// launch is what an instance is launched with.
type launch struct {
	pair    string // name of the key pair; "" is none
	groups  []string
	profile string // name of the instance profile; "" is none
	data    []byte // user data
	disks   []types.BlockDeviceMapping
}

// runOnDemand launches the instance in the first place that has capacity.
func (s *stay) runOnDemand(ctx context.Context, l launch, places []types.Subnet) (string, error) {
	var last error
	for _, p := range places {
		s.env.Log.Say(fmt.Sprintf("Launching a source AWS instance: %s in %s", s.run.InstanceType, aws.ToString(p.AvailabilityZone)))
		id, err := s.runAt(ctx, l, p)
		if err == nil {
			return id, nil
		}
		if last = s.r.explain(ctx, "launch from "+aws.ToString(s.image.ImageId), err); !noCapacity(err) {
			break
		}
		if len(places) > 1 {
			s.env.Log.Say(fmt.Sprintf("No capacity in %s: %s", aws.ToString(p.AvailabilityZone), plain(err)))
		}
	}
	return "", last
}

func (s *stay) runAt(ctx context.Context, l launch, p types.Subnet) (string, error) {
	token := s.token("run " + aws.ToString(p.SubnetId))
	in := s.runInput(l, p)
	in.ClientToken = &token
	return s.create(ctx, kindInstance, "", token, func(ctx context.Context) (string, error) {
		var out *ec2.RunInstancesOutput
		err := eventually(ctx, func() (err error) {
			out, err = s.r.EC2.RunInstances(ctx, in)
			return err
		}, newCodes()...)
		switch {
		case err != nil:
			return "", err
		case len(out.Instances) == 0:
			return "", errors.New("EC2 launched no instance")
		}
		return aws.ToString(out.Instances[0].InstanceId), nil
	})
}

// newCodes are errors about things that are too new to be known everywhere.
func newCodes() []string {
	return []string{"InvalidKeyPair.NotFound", "InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidSecurityGroupID.NotFound",
		"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.NotFoundException"}
}

// runInput is the request for an instance.
func (s *stay) runInput(l launch, p types.Subnet) *ec2.RunInstancesInput {
	c := s.run
	one := int32(1)
	in := &ec2.RunInstancesInput{
		MinCount: &one, MaxCount: &one, ImageId: s.image.ImageId, InstanceType: types.InstanceType(c.InstanceType),
		BlockDeviceMappings: l.disks, InstanceInitiatedShutdownBehavior: types.ShutdownBehavior(c.shutdown()),
		TagSpecifications: s.instanceTags(),
	}
	if l.pair != "" {
		in.KeyName = &l.pair
	}
	if len(l.data) > 0 {
		in.UserData = aws.String(base64.StdEncoding.EncodeToString(l.data))
	}
	if l.profile != "" {
		in.IamInstanceProfile = profileSpec(l.profile)
	}
	s.connectTo(in, l, p)
	if c.EBSOptimized {
		in.EbsOptimized = &c.EBSOptimized
	}
	if c.EnableNitroEnclave {
		in.EnclaveOptions = &types.EnclaveOptionsRequest{Enabled: &c.EnableNitroEnclave}
	}
	if c.unlimited() {
		in.CreditSpecification = &types.CreditSpecificationRequest{CpuCredits: aws.String("unlimited")}
	}
	in.CapacityReservationSpecification = c.reservation()
	in.Placement = c.placement()
	for _, l := range c.LicenseSpecifications {
		in.LicenseSpecifications = append(in.LicenseSpecifications, types.LicenseConfigurationRequest{LicenseConfigurationArn: aws.String(l.Request.ARN)})
	}
	if m := c.MetadataOptions; m != nil {
		in.MetadataOptions = &types.InstanceMetadataOptionsRequest{
			HttpEndpoint: types.InstanceMetadataEndpointState(m.HTTPEndpoint), HttpTokens: types.HttpTokensState(m.HTTPTokens),
			InstanceMetadataTags: types.InstanceMetadataTagsState(m.InstanceMetadataTags), HttpPutResponseHopLimit: positive(m.HTTPPutResponseHopLimit),
		}
	}
	return in
}

// connectTo puts the instance on its network. Whether it gets a public address
// can be said of a network interface only.
func (s *stay) connectTo(in *ec2.RunInstancesInput, l launch, p types.Subnet) {
	n := s.network
	if n.AssociatePublicIP == nil {
		in.SubnetId, in.SecurityGroupIds = p.SubnetId, l.groups
		if n.SSHInterface == "ipv6" {
			in.Ipv6AddressCount = aws.Int32(1)
		}
		return
	}
	nic := types.InstanceNetworkInterfaceSpecification{
		DeviceIndex: aws.Int32(0), AssociatePublicIpAddress: n.AssociatePublicIP, SubnetId: p.SubnetId,
		Groups: l.groups, DeleteOnTermination: aws.Bool(true),
	}
	if n.SSHInterface == "ipv6" {
		nic.Ipv6AddressCount = aws.Int32(1)
	}
	in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{nic}
}

// instanceTags are the tags of the instance and of what comes with it.
func (s *stay) instanceTags() []types.TagSpecification {
	c := s.run
	name := map[string]string{"Name": strings.TrimSpace("ingot " + s.env.Build)}
	volume := merged(c.RunVolumeTags, c.RunVolumeTag, s.values)
	var out []types.TagSpecification
	out = append(out, tagSpec(types.ResourceTypeInstance, name, s.tags, s.marks)...)
	out = append(out, tagSpec(types.ResourceTypeVolume, volume, s.marks)...)
	return append(out, tagSpec(types.ResourceTypeNetworkInterface, s.tags, s.marks)...)
}

func profileSpec(name string) *types.IamInstanceProfileSpecification {
	if strings.HasPrefix(name, "arn:") {
		return &types.IamInstanceProfileSpecification{Arn: &name}
	}
	return &types.IamInstanceProfileSpecification{Name: &name}
}

// shutdown is what becomes of the instance when it shuts itself down.
func (c RunConfig) shutdown() string {
	switch {
	case c.ShutdownBehavior != "":
		return c.ShutdownBehavior
	case c.DisableStopInstance, c.MaxLifetime == 0:
		return "stop"
	}
	return "terminate"
}

func (c RunConfig) unlimited() bool { return c.EnableUnlimitedCredits || c.EnableT2Unlimited }

func (c RunConfig) reservation() *types.CapacityReservationSpecification {
	spec := &types.CapacityReservationSpecification{CapacityReservationPreference: types.CapacityReservationPreference(c.CapacityReservationPreference)}
	switch {
	case c.CapacityReservationID != "":
		spec.CapacityReservationTarget = &types.CapacityReservationTarget{CapacityReservationId: aws.String(c.CapacityReservationID)}
	case c.CapacityReservationGroupARN != "":
		spec.CapacityReservationTarget = &types.CapacityReservationTarget{CapacityReservationResourceGroupArn: aws.String(c.CapacityReservationGroupARN)}
	case c.CapacityReservationPreference == "":
		return nil
	}
	return spec
}

func (c RunConfig) placement() *types.Placement {
	p := &types.Placement{Tenancy: types.Tenancy(c.Tenancy)}
	if at := c.Placement; at != nil {
		if at.Tenancy != "" {
			p.Tenancy = types.Tenancy(at.Tenancy)
		}
		if at.HostID != "" {
			p.HostId = aws.String(at.HostID)
		}
		if at.HostResourceGroupARN != "" {
			p.HostResourceGroupArn = aws.String(at.HostResourceGroupARN)
		}
	}
	if p.Tenancy == "" && p.HostId == nil && p.HostResourceGroupArn == nil {
		return nil
	}
	return p
}

func positive(n int) *int32 {
	if n <= 0 || n > math.MaxInt32 {
		return nil
	}
	return aws.Int32(int32(n))
}

// instanceData returns the user data: the user's, or else a script that ends
// the instance when its time is over. It is left out where it would not be
// taken for a script.
func (s *stay) instanceData() ([]byte, error) {
	data, err := s.run.userData(s.dir)
	if err != nil || len(data) > 0 || s.run.MaxLifetime == 0 {
		return data, err
	}
	name := strings.ToLower(aws.ToString(s.image.Name))
	for _, other := range []string{"bottlerocket", "coreos"} {
		if strings.Contains(name, other) {
			return nil, nil
		}
	}
	minutes := int(math.Ceil(s.run.MaxLifetime.Minutes()))
	return fmt.Appendf(nil, "#!/bin/sh\n# Ends this instance of ingot when nobody else does.\n[ ! -d /run/systemd/system ] || shutdown -P +%d\n", minutes), nil
}

// disks are the block devices of the instance. Volumes are removed with it, and
// encrypted where the image is to be: then no copy is needed for that.
func (s *stay) disks(encrypt bool, kmsKey string) []types.BlockDeviceMapping {
	given := map[string]bool{}
	out := mappings(s.devices, true)
	if s.again {
		s.keepContent(out)
	}
	for _, m := range out {
		given[aws.ToString(m.DeviceName)] = true
	}
	for _, m := range s.image.BlockDeviceMappings {
		if m.Ebs == nil || given[aws.ToString(m.DeviceName)] {
			continue
		}
		if encrypt || !aws.ToBool(m.Ebs.DeleteOnTermination) {
			out = append(out, types.BlockDeviceMapping{DeviceName: m.DeviceName, Ebs: &types.EbsBlockDevice{DeleteOnTermination: aws.Bool(true)}})
		}
	}
	if encrypt {
		for _, m := range out {
			if m.Ebs != nil && m.Ebs.Encrypted == nil {
				m.Ebs.Encrypted = aws.Bool(true)
				if kmsKey != "" {
					m.Ebs.KmsKeyId = &kmsKey
				}
			}
		}
	}
	return out
}

// warnRoot says so where a device was probably meant to be the root device, and
// is a further volume: its name differs from image to image.
func (s *stay) warnRoot() {
	root := aws.ToString(s.image.RootDeviceName)
	for _, d := range s.devices {
		usual := d.DeviceName == "/dev/sda1" || d.DeviceName == "/dev/xvda" || d.DeviceName == "/dev/sda"
		if usual && root != "" && d.DeviceName != root {
			s.env.Log.Warn(fmt.Sprintf("launch_block_device_mappings has %s, but the root device of %s is %s: this is a further volume",
				d.DeviceName, imageName(s.image), root))
		}
	}
}

// endedError is the error of an instance that went away.
func endedError(i types.Instance) error {
	why := ""
	if r := i.StateReason; r != nil {
		why = ": " + aws.ToString(r.Message)
	}
	err := fmt.Errorf("the instance %s is %s%s", aws.ToString(i.InstanceId), stateOf(i), why)
	switch code := aws.ToString(stateReason(i).Code); {
	case strings.Contains(code, "SpotInstance"):
		return builders.WithHint(err, "EC2 took the spot instance back: run again, or leave out spot_price")
	case code == "Client.UserInitiatedShutdown", code == "Client.InstanceInitiatedShutdown":
		return builders.WithHint(err, "a step shut it down, or its max_lifetime was over; shutdown_behavior = \"stop\" keeps one that shuts itself down")
	case strings.Contains(code, "VolumeLimitExceeded"), strings.Contains(code, "InvalidSnapshot"), strings.Contains(code, "InternalError"):
		return builders.WithHint(err, "check the quota of volumes, and that the credentials may use the key that a volume is encrypted with")
	}
	return err
}

func stateOf(i types.Instance) types.InstanceStateName {
	if i.State == nil {
		return ""
	}
	return i.State.Name
}

func stateReason(i types.Instance) types.StateReason {
	if i.StateReason == nil {
		return types.StateReason{}
	}
	return *i.StateReason
}

// runningTime is how long an instance may take to run, or to stop.
const runningTime = 10 * time.Minute

// awaitInstance waits until an instance is as check wants it. One that ends
// meanwhile is an error.
func (r *Region) awaitInstance(ctx context.Context, id string, patience time.Duration, check func(types.Instance) bool) (types.Instance, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the instance %s is not there after %s", id, patience))
	defer cancel()
	i, err := r.instances.Wait(ctx, id, func(i types.Instance, exists bool) (bool, error) {
		if !exists {
			return false, nil
		}
		if check(i) {
			return true, nil
		}
		if s := stateOf(i); s == types.InstanceStateNameTerminated || s == types.InstanceStateNameShuttingDown {
			return false, endedError(i)
		}
		return false, nil
	})
	if err != nil && code(err) != "" {
		err = r.explain(ctx, "wait for the instance "+id, err)
	}
	return i, err
}
