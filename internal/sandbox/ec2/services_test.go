package ec2

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	for _, test := range []struct{ key, secret, ec2, sts string }{
		{"AKIANOBODY", testSecret, "AuthFailure", "InvalidClientTokenId"},
		{testKey, "wrong", "AuthFailure", "SignatureDoesNotMatch"},
		{testKey, testSecret, "", ""},
	} {
		cfg := c.config("us-east-1")
		cfg.Credentials = credentials.NewStaticCredentialsProvider(test.key, test.secret, "")
		if _, err := sdk.NewFromConfig(cfg).DescribeVpcs(ctx, &sdk.DescribeVpcsInput{}); code(err) != test.ec2 {
			t.Errorf("%s, %s: ec2: %v", test.key, test.secret, err)
		}
		if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); code(err) != test.sts {
			t.Errorf("%s, %s: sts: %v", test.key, test.secret, err)
		}
	}
	resp, err := http.Post(c.url, "application/x-www-form-urlencoded", strings.NewReader("Action=DescribeVpcs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Error("without a signature:", resp.Status, err)
	}
}

// A role with a policy in an instance profile, as temporary profiles have it.
func TestIAM(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	client := iam.NewFromConfig(c.config("us-east-1"))
	name, doc := aws.String("ingot-1"), aws.String(`{"Version":"2012-10-17","Statement":[]}`)
	must[*iam.CreateRoleOutput](t)(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: doc}))
	must[*iam.CreateInstanceProfileOutput](t)(client.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name}))
	must[*iam.PutRolePolicyOutput](t)(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: doc}))
	launch := func() error {
		_, err := c.RunInstances(ctx, runInput(func(in *sdk.RunInstancesInput) {
			in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: name}
		}))
		return err
	}
	if err := launch(); code(err) != "InvalidParameterValue" {
		t.Error("launched with a profile that has no role:", err)
	}
	must[*iam.AddRoleToInstanceProfileOutput](t)(client.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: name}))
	i := c.run(func(in *sdk.RunInstancesInput) {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: name}
	})
	if i.IamInstanceProfile == nil || !strings.HasSuffix(*i.IamInstanceProfile.Arn, ":instance-profile/ingot-1") {
		t.Errorf("profile: %+v", i.IamInstanceProfile)
	}
	m := c.host.machine(*i.InstanceId)
	if _, got := metadata(m, "/latest/meta-data/iam/security-credentials/", nil); got != "ingot-1" {
		t.Error("role:", got)
	}
	if _, got := metadata(m, "/latest/meta-data/iam/security-credentials/ingot-1", nil); !strings.Contains(got, "SecretAccessKey") {
		t.Error("credentials:", got)
	}
	assumed := must[*sts.AssumeRoleOutput](t)(sts.NewFromConfig(c.config("us-east-1")).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/ingot-1"), RoleSessionName: aws.String("s")}))
	cfg := c.config("us-east-1")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*assumed.Credentials.AccessKeyId, *assumed.Credentials.SecretAccessKey, *assumed.Credentials.SessionToken)
	must[*sdk.DescribeVpcsOutput](t)(sdk.NewFromConfig(cfg).DescribeVpcs(ctx, &sdk.DescribeVpcsInput{}))
	if _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); code(err) != "DeleteConflict" {
		t.Error("deleted a role with a policy:", err)
	}
	if _, err := client.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name}); code(err) != "DeleteConflict" {
		t.Error("deleted a profile with a role:", err)
	}
	must[*iam.RemoveRoleFromInstanceProfileOutput](t)(client.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: name}))
	must[*iam.DeleteInstanceProfileOutput](t)(client.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name}))
	must[*iam.DeleteRolePolicyOutput](t)(client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: name}))
	must[*iam.DeleteRoleOutput](t)(client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))
	if _, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: name}); code(err) != "NoSuchEntity" {
		t.Error("the role is still there:", err)
	}
	c.terminate(*i.InstanceId)
	c.empty()
}

func TestParametersAndSecrets(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	params := ssm.NewFromConfig(c.config("us-east-1"))
	name := aws.String("/web/password")
	must[*ssm.PutParameterOutput](t)(params.PutParameter(ctx, &ssm.PutParameterInput{Name: name, Value: aws.String("secret"), Type: ssmtypes.ParameterTypeSecureString}))
	for decrypt, want := range map[bool]bool{true: true, false: false} {
		p := must[*ssm.GetParameterOutput](t)(params.GetParameter(ctx, &ssm.GetParameterInput{Name: name, WithDecryption: &decrypt}))
		if (*p.Parameter.Value == "secret") != want || p.Parameter.Version != 1 {
			t.Errorf("decrypt %v: %s, version %d", decrypt, *p.Parameter.Value, p.Parameter.Version)
		}
	}
	if _, err := params.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("none")}); code(err) != "ParameterNotFound" {
		t.Error(err)
	}
	if _, err := params.StartSession(ctx, &ssm.StartSessionInput{Target: aws.String("i-1")}); code(err) != "TargetNotConnected" {
		t.Error(err)
	}
	secrets := secretsmanager.NewFromConfig(c.config("us-east-1"))
	must[*secretsmanager.CreateSecretOutput](t)(secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("db"), SecretString: aws.String(`{"user":"me"}`)}))
	got := must[*secretsmanager.GetSecretValueOutput](t)(secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("db")}))
	if *got.SecretString != `{"user":"me"}` || got.VersionStages[0] != "AWSCURRENT" {
		t.Errorf("secret: %+v", got)
	}
	if _, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("none")}); code(err) != "ResourceNotFoundException" {
		t.Error(err)
	}
}

// A fleet falls back to the next type and zone when one has no capacity.
func TestFleet(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	account := c.faults.Account()
	account.NoCapacity = []string{"t3.micro", "t3.small@us-east-1a"}
	c.faults.SetAccount(account)
	lt := must[*sdk.CreateLaunchTemplateOutput](t)(c.CreateLaunchTemplate(ctx, &sdk.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("lt"), LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: aws.String(debianAMI),
			UserData: aws.String(""), TagSpecifications: []types.LaunchTemplateTagSpecificationRequest{
				{ResourceType: "instance", Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("fleet")}}}}},
	})).LaunchTemplate
	in := &sdk.CreateFleetInput{
		Type: "instant", TargetCapacitySpecification: &types.TargetCapacitySpecificationRequest{TotalTargetCapacity: aws.Int32(1), DefaultTargetCapacityType: "spot"},
		SpotOptions: &types.SpotOptionsRequest{AllocationStrategy: "lowest-price"},
		LaunchTemplateConfigs: []types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateId: lt.LaunchTemplateId, Version: aws.String("1")},
			Overrides: []types.FleetLaunchTemplateOverridesRequest{
				{InstanceType: "t3.micro"}, {InstanceType: "t3.small", AvailabilityZone: aws.String("us-east-1a")}, {InstanceType: "t3.small", AvailabilityZone: aws.String("us-east-1b")},
			},
		}},
	}
	out := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	if len(out.Instances) != 1 || len(out.Errors) != 0 {
		t.Fatalf("fleet: %+v", out)
	}
	i := c.wait(out.Instances[0].InstanceIds[0], "running")
	if *i.Placement.AvailabilityZone != "us-east-1b" || i.InstanceLifecycle != "spot" || i.InstanceType != "t3.small" {
		t.Errorf("instance: %+v", i)
	}
	tags := map[string]string{}
	for _, tag := range i.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if tags["Name"] != "fleet" || tags["aws:ec2:fleet-id"] != *out.FleetId || tags["aws:ec2launchtemplate:id"] != *lt.LaunchTemplateId {
		t.Errorf("tags: %v", tags)
	}
	in.ClientToken = nil // which the SDK has filled in
	in.LaunchTemplateConfigs[0].Overrides = in.LaunchTemplateConfigs[0].Overrides[:2]
	none := must[*sdk.CreateFleetOutput](t)(c.CreateFleet(ctx, in))
	if len(none.Instances) != 0 || len(none.Errors) != 2 || *none.Errors[0].ErrorCode != "InsufficientInstanceCapacity" {
		t.Errorf("without capacity: %+v", none)
	}
	must[*sdk.DeleteFleetsOutput](t)(c.DeleteFleets(ctx, &sdk.DeleteFleetsInput{FleetIds: []string{*out.FleetId}, TerminateInstances: aws.Bool(true)}))
	c.wait(*i.InstanceId, "terminated")
	versions := must[*sdk.DescribeLaunchTemplateVersionsOutput](t)(c.DescribeLaunchTemplateVersions(ctx, &sdk.DescribeLaunchTemplateVersionsInput{LaunchTemplateName: aws.String("lt")}))
	if len(versions.LaunchTemplateVersions) != 1 || *versions.LaunchTemplateVersions[0].LaunchTemplateData.ImageId != debianAMI {
		t.Errorf("versions: %+v", versions.LaunchTemplateVersions)
	}
	must[*sdk.DeleteLaunchTemplateOutput](t)(c.DeleteLaunchTemplate(ctx, &sdk.DeleteLaunchTemplateInput{LaunchTemplateId: lt.LaunchTemplateId}))
	c.empty()
}
