package ec2

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// What other programs rely on in the description of an instance: Terraform's
// provider ends where an interface has no attachment, and sees a change in user
// data where an empty text takes the place of none.
func TestDescribedInstance(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	i := c.run()
	all := must[*sdk.DescribeInstancesOutput](t)(c.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{InstanceIds: []string{*i.InstanceId}}))
	nics := all.Reservations[0].Instances[0].NetworkInterfaces
	if len(nics) != 1 || nics[0].Attachment == nil || aws.ToInt32(nics[0].Attachment.DeviceIndex) != 0 ||
		len(nics[0].PrivateIpAddresses) != 1 || !aws.ToBool(nics[0].PrivateIpAddresses[0].Primary) {
		t.Errorf("interfaces: %+v", nics)
	}
	out := must[*sdk.DescribeInstanceAttributeOutput](t)(c.DescribeInstanceAttribute(t.Context(),
		&sdk.DescribeInstanceAttributeInput{InstanceId: i.InstanceId, Attribute: types.InstanceAttributeNameUserData}))
	if out.UserData == nil || out.UserData.Value != nil {
		t.Errorf("user data: %+v", out.UserData)
	}
}
