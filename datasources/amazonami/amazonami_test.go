package amazonami_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/datasources/amazonami"
	"github.com/ingot-build/ingot/internal/component"
)

const region = "eu-west-1"

func config(filters map[string]string) *amazonami.Config {
	return &amazonami.Config{AccessConfig: amazon.AccessConfig{Region: region},
		AMIFilter: amazon.AMIFilter{Filters: filters, Owners: []string{"self"}}}
}

// image registers an image in the cloud.
func image(t *testing.T, c *amazontest.Cloud, name string) string {
	t.Helper()
	r, err := amazon.AccessConfig{Region: region}.Home(t.Context(), c.Host)
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.EC2.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: aws.String(region + "a"), Size: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.EC2.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: v.VolumeId})
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.EC2.RegisterImage(t.Context(), &ec2.RegisterImageInput{Name: &name, RootDeviceName: aws.String("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: s.SnapshotId}}},
		TagSpecifications:   []types.TagSpecification{{ResourceType: types.ResourceTypeImage, Tags: []types.Tag{{Key: aws.String("Kind"), Value: aws.String("web")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ImageId)
}

func TestRead(t *testing.T) {
	t.Parallel()
	c := amazontest.Start(t)
	first, second := image(t, c, "web-1"), image(t, c, "web-2")
	got, err := config(map[string]string{"name": "web-1"}).Read(t.Context(), datasources.Input{Host: c.Host})
	if err != nil {
		t.Fatal(err)
	}
	out := got.(amazonami.Output)
	if out.ID != first || out.Name != "web-1" || out.Owner != "123456789012" || out.Tags["Kind"] != "web" || out.CreationDate == "" {
		t.Errorf("got %+v", out)
	}
	several := config(map[string]string{"name": "web-*"})
	_, err = several.Read(t.Context(), datasources.Input{Host: c.Host})
	if err == nil || !strings.Contains(err.Error(), "2 images in eu-west-1 match") || !strings.Contains(builders.Hint(err), "most_recent") {
		t.Errorf("several: %v, hint %q", err, builders.Hint(err))
	}
	several.MostRecent = true
	if got, err = several.Read(t.Context(), datasources.Input{Host: c.Host}); err != nil {
		t.Fatal(err)
	}
	if id := got.(amazonami.Output).ID; id != first && id != second {
		t.Errorf("most recent: %s", id)
	}
	_, err = config(map[string]string{"name": "db-*", "tag:Kind": "web"}).Read(t.Context(), datasources.Input{Host: c.Host})
	if err == nil || !strings.Contains(err.Error(), `name = "db-*"`) || !strings.Contains(builders.Hint(err), "2 would match") {
		t.Errorf("none: %v, hint %q", err, builders.Hint(err))
	}
}

// TestDeprecated finds an image of others that is deprecated only where that is
// asked for. Public images are so two years after they were made.
func TestDeprecated(t *testing.T) {
	t.Parallel()
	c := amazontest.Start(t)
	old := config(map[string]string{"name": "al2-*", "creation-date": "2020-01-01T00:00:00.000Z"})
	old.Owners = []string{"amazon"}
	_, err := old.Read(t.Context(), datasources.Input{Host: c.Host})
	if err == nil || !strings.Contains(builders.Hint(err), "without leaving out deprecated images, 1 would match") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	old.IncludeDeprecated = true
	got, err := old.Read(t.Context(), datasources.Input{Host: c.Host})
	if err != nil || got.(amazonami.Output).CreationDate != "2020-01-01T00:00:00.000Z" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for option, c := range map[string]*amazonami.Config{
		"filters": config(nil),
		"owners":  {AMIFilter: amazon.AMIFilter{Filters: map[string]string{"name": "a"}}},
		"secret_key": {AccessConfig: amazon.AccessConfig{AccessKey: "AKID"},
			AMIFilter: amazon.AMIFilter{Filters: map[string]string{"name": "a"}, Owners: []string{"self"}}},
	} {
		var opt *component.OptionError
		if err := c.Check(); !errors.As(err, &opt) || opt.Option != option {
			t.Errorf("%s: error = %v", option, err)
		}
	}
}
