package amazon

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// fromTemplate returns a source with options as a template has them, beside
// those that all have.
func fromTemplate(t *testing.T, options string) *Config {
	t.Helper()
	text := "source_ami = \"ami-0123456789abcdef0\"\ninstance_type = \"t3.micro\"\nssh_username = \"admin\"\nami_name = \"web-1\"\nregion = \"" + home + "\"\n" + options
	f, diags := hclsyntax.ParseConfig([]byte(text), "t.hcl", hcl.InitialPos)
	c := DefinitionEBS().New().(*Config)
	if !diags.HasErrors() {
		var d component.Decoder
		_, diags = d.Decode(component.Input{What: "source", Parts: []component.Part{{Body: f.Body, Context: &hcl.EvalContext{}}}}, c)
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c
}

// TestDevicesOfTemplate launches with devices and metadata options, and has
// those on the image that are to be there.
func TestDevicesOfTemplate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := fromTemplate(t, `
metadata_options {
  http_tokens            = "required"
  instance_metadata_tags = "enabled"
}
subnet_filter {
  filters = { "default-for-az" = "true" }
  random  = true
}
launch_block_device_mappings {
  device_name = "/dev/sdf"
  volume_size = 2
  volume_type = "gp3"
  throughput  = 250
}
launch_block_device_mappings {
  device_name  = "/dev/sdb"
  virtual_name = "ephemeral0"
}
ami_block_device_mappings {
  device_name = "/dev/sdf"
  no_device   = true
}
`)
	a, err := l.bake(c, &said{}, func(id string) {
		i := l.seen(id)
		if m := i.MetadataOptions; m == nil || m.HttpTokens != types.HttpTokensStateRequired || m.InstanceMetadataTags != types.InstanceMetadataTagsStateEnabled {
			t.Errorf("metadata options %+v", m)
		}
		v, err := l.region(home).EC2.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{Filters: []types.Filter{filter("attachment.instance-id", id), filter("attachment.device", "/dev/sdf")}})
		if err != nil || len(v.Volumes) != 1 || aws.ToInt32(v.Volumes[0].Throughput) != 250 {
			t.Errorf("volumes %+v, %v", v, err)
		}
	})
	if err != nil {
		t.Fatalf("%v, hint %q", err, builders.Hint(err))
	}
	for _, m := range l.baked(a.Places[0].ID).BlockDeviceMappings {
		if aws.ToString(m.DeviceName) == "/dev/sdf" && m.Ebs != nil {
			t.Errorf("a device that was left out is on the image: %+v", m.Ebs)
		}
	}
	l.checkLeft(1)
}

// TestSubnetWithMostFree takes the subnet that has the most free addresses.
func TestSubnetWithMostFree(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := fromTemplate(t, `
subnet_filter {
  filters   = { "default-for-az" = "true" }
  most_free = true
}
`)
	subnets, err := l.region(home).EC2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	free := map[string]int32{}
	most := int32(0)
	for _, s := range subnets.Subnets {
		free[aws.ToString(s.SubnetId)] = aws.ToInt32(s.AvailableIpAddressCount)
		most = max(most, aws.ToInt32(s.AvailableIpAddressCount))
	}
	if _, err := l.bake(c, &said{}, func(id string) {
		if in := aws.ToString(l.seen(id).SubnetId); free[in] != most {
			t.Errorf("launched in %s with %d free addresses, the most is %d", in, free[in], most)
		}
	}); err != nil {
		t.Fatalf("%v, hint %q", err, builders.Hint(err))
	}
	l.checkLeft(1)
}

// TestSourceValues says of the source image what the cloud knows of it.
func TestSourceValues(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	b, err := fromTemplate(t, "").Open(l.Host)
	if err != nil {
		t.Fatal(err)
	}
	base, err := b.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	img := l.baked("ami-0123456789abcdef0")
	img.Tags = append(img.Tags, types.Tag{Key: aws.String("Role"), Value: aws.String("ground")})
	if v := lateValues(artifact.Artifact{Labels: lateLabels(baseVars(img, home))}); v["build.SourceAMITags.Role"].Reveal() != "ground" {
		t.Errorf("the values of a later copy are %v", v)
	}
	for name, want := range map[string]*string{
		"build.SourceAMI": img.ImageId, "build.SourceAMIName": img.Name, "build.SourceAMICreationDate": img.CreationDate,
		"build.SourceAMIOwner": img.OwnerId, "build.SourceAMIOwnerName": img.ImageOwnerAlias,
	} {
		if got := base.Vars.Text(op.Token(name)); got != aws.ToString(want) || name != "build.SourceAMIOwnerName" && strings.TrimSpace(got) == "" {
			t.Errorf("%s is %q, want %q", name, got, aws.ToString(want))
		}
	}
}
