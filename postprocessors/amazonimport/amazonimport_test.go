package amazonimport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

// input is of an artifact of one file with those names.
func input(t *testing.T, cloud *amazontest.Cloud, names ...string) postprocessors.Input {
	t.Helper()
	a := artifact.Artifact{Builder: "file", Labels: map[string]string{"team": "web"}}
	dir := t.TempDir()
	for _, name := range names {
		raw := make([]byte, 1<<20)
		raw[1080], raw[1081] = 0x53, 0xEF // of an ext4 file system
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		a.Files = append(a.Files, artifact.File{Path: name, Size: int64(len(raw))})
	}
	in := postprocessortest.Input(dir, a)
	in.Build, in.Host, in.Journal = "file.web", cloud.Host, journal.Open(t.TempDir(), in.RunID)
	return in
}

func config() *Config {
	c := Definition().New().(*Config)
	c.Region, c.Bucket, c.Format = "eu-west-1", "acme", "raw"
	return c
}

func TestProcess(t *testing.T) {
	t.Parallel()
	cloud := amazontest.Start(t)
	in := input(t, cloud, "notes.txt", "web.raw")
	c := config()
	c.Name, c.Architecture, c.Tags, c.SkipClean, c.Key = "web-1", "arm64", map[string]string{"a": "b"}, true, "in/web.raw"
	if err := c.Check(in); err != nil {
		t.Fatal(err)
	}
	r, err := c.Process(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Artifact
	if r.Keep || a.Builder != "amazon-import" || len(a.Places) != 1 || a.ID != "eu-west-1:"+a.Places[0].ID || a.Labels["team"] != "web" || a.Arch != "arm64" {
		t.Errorf("result: %+v", r)
	}
	region, err := amazon.AccessConfig{Region: "eu-west-1"}.Home(t.Context(), cloud.Host)
	if err != nil {
		t.Fatal(err)
	}
	out, err := region.EC2.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{a.Places[0].ID}})
	if err != nil {
		t.Fatal(err)
	}
	if img := out.Images[0]; aws.ToString(img.Name) != "web-1" || img.Architecture != "arm64" || img.BootMode != "uefi" {
		t.Errorf("image: %+v", img)
	}
	if left := strings.Join(cloud.Server.Inventory(), "\n"); !strings.Contains(left, "s3 object acme/in/web.raw") {
		t.Errorf("skip_clean left:\n%s", left)
	}
	if there, err := c.Exists(t.Context(), in, a); err != nil || !there {
		t.Errorf("exists: %v, %v", there, err)
	}
	if left := in.Journal.Left(); len(left) != 0 {
		t.Errorf("journal: %+v", left)
	}
}

func TestWhichFile(t *testing.T) {
	t.Parallel()
	cloud := amazontest.Start(t)
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, "the artifact has no file that ends with .raw"},
		{[]string{"a.ova"}, "the artifact has no file that ends with .raw"},
		{[]string{"a.raw", "b.raw"}, "the artifact has 2 files that end with .raw: a.raw, b.raw"},
		{[]string{"a.ova", "b.RAW"}, ""},
	} {
		_, err := config().Process(t.Context(), input(t, cloud, tt.names...))
		if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%v: %v, want %q", tt.names, err, tt.want)
		}
	}
}
