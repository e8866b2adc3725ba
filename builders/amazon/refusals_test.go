package amazon

import (
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// refusal is a thing that is wrong, and what is said of it.
type refusal struct {
	change  func(*Config)
	account fault.Account
	rules   []fault.Rule
	want    string
	hint    string
}

func refusals() map[string]refusal {
	never := fault.Rule{Do: fault.Error, Times: -1}
	rule := func(call, code, message string) fault.Rule {
		r := never
		r.Call, r.Code, r.Message, r.Status = call, code, message, 400
		return r
	}
	return map[string]refusal{
		"no default VPC": {account: fault.Account{NoDefaultVPC: []string{home}},
			want: "there is no default VPC in us-east-1", hint: "create-default-vpc"},
		"no such image": {change: func(c *Config) { c.SourceAMI = "ami-50000000000000001" },
			want: "there is no image ami-50000000000000001 in us-east-1", hint: "another id in each region"},
		"no match": {change: func(c *Config) {
			c.SourceAMI, c.SourceAMIFilter = "", &AMIFilter{Filters: map[string]string{"name": "mine-*", "architecture": "arm64"}, Owners: []string{"self"}}
		}, want: `no image in us-east-1 matches architecture = "arm64", name = "mine-*", owners = ["self"]`, hint: "would match"},
		"private subnet": {change: func(c *Config) { c.SSHInterface = "public_ip" }, account: fault.Account{PrivateSubnets: []string{home}},
			want: "gives instances no public address", hint: "associate_public_ip_address"},
		"disabled region": {change: func(c *Config) { c.Regions = []string{"ap-east-1"} }, account: fault.Account{DisabledRegions: []string{"ap-east-1"}},
			want: "ap-east-1 is not enabled", hint: "enable-region"},
		"unknown region":             {change: func(c *Config) { c.Regions = []string{"eu-moon-1"} }, want: `no region "eu-moon-1"`, hint: "describe-regions"},
		"build in a disabled region": {account: fault.Account{DisabledRegions: []string{home}}, want: "the region us-east-1 is not enabled", hint: "enable-region"},
		"no such subnet":             {change: func(c *Config) { c.SubnetID = "subnet-0123456789abcdef0" }, want: "no subnet subnet-0123456789abcdef0", hint: "subnet_id"},
		"no such group":              {change: func(c *Config) { c.SecurityGroupID = "sg-0123456789abcdef0" }, want: "no security group sg-0123456789abcdef0", hint: "security_group_id"},
		"no such type":               {change: func(c *Config) { c.InstanceType = "z9.huge" }, want: "z9.huge is not to be had in us-east-1", hint: "instance_type"},
		"no such profile":            {change: func(c *Config) { c.IAMInstanceProfile = "nobody" }, want: `no instance profile "nobody"`, hint: "iam_instance_profile"},
		"no such profile, unasked":   {change: func(c *Config) { c.IAMInstanceProfile, c.SkipProfileValidation = "nobody", true }, want: "Invalid IAM Instance Profile", hint: "iam_instance_profile"},
		"another architecture":       {change: func(c *Config) { c.InstanceType = "t4g.micro" }, want: "does not match the architecture", hint: "instance_type"},
		"no capacity": {account: fault.Account{NoCapacity: []string{"t3.micro"}},
			want: "launch from ami-0123456789abcdef0", hint: "another instance_type"},
		"bad credentials": {rules: []fault.Rule{rule("sts.GetCallerIdentity", "InvalidClientTokenId", "The security token included in the request is invalid.")},
			want: "check the credentials: The security token included in the request is invalid (InvalidClientTokenId)", hint: "get-caller-identity"},
		"expired at launch": {rules: []fault.Rule{{Call: "ec2.RunInstances", Do: fault.Error, Code: "RequestExpired", Status: 400, Message: "Request has expired."}},
			want: "Request has expired (RequestExpired)", hint: "aws sso login"},
		"not allowed": {rules: []fault.Rule{rule("ec2.CreateSecurityGroup", "UnauthorizedOperation", "You are not authorized to perform this operation. Encoded authorization failure message: abc")},
			want: "create the security group: You are not authorized to perform this operation. (UnauthorizedOperation)", hint: "permission"},
		"image limit": {rules: []fault.Rule{rule("ec2.CreateImage", "ResourceLimitExceeded", "You have reached your quota of 50000 images.")},
			want: "create the image web-1: You have reached your quota of 50000 images (ResourceLimitExceeded)", hint: "quota"},
	}
}

// TestRefusals are what a user can do wrong, or what can be wrong with the
// account. Each is one clear error with a hint, and nothing is left behind.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range refusals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, test.rules...)
			l.Faults.SetAccount(test.account)
			c := plainConfig()
			if test.change != nil {
				test.change(c)
			}
			if test.hint == "would match" {
				if _, err := l.bake(config2("mine-1"), &said{}, nil); err != nil {
					t.Fatal(err)
				}
			}
			images := strings.Count(strings.Join(l.Server.Inventory(), "\n"), " image ")
			_, err := l.bake(c, &said{}, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(builders.Hint(err), test.hint) {
				t.Errorf("error %v\nhint %q\nwant %q and %q", err, builders.Hint(err), test.want, test.hint)
			}
			l.checkLeft(images)
		})
	}
}

func config2(name string) *Config {
	c := plainConfig()
	c.Name = name
	return c
}
