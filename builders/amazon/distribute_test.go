package amazon

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
)

func full() AMIConfig {
	yes := true
	return AMIConfig{
		Name: "web-1", Description: "from " + op.Token("build.SourceAMI"),
		Regions: []string{"eu-west-1", "eu-central-1"}, SnapshotCopyDurationMinutes: 30,
		Users:        []string{"111111111111", "222222222222"},
		OrgARNs:      []string{"arn:aws:organizations::123456789012:organization/o-123example"},
		OuARNs:       []string{"arn:aws:organizations::123456789012:ou/o-123example/ou-1234-5example"},
		Tags:         map[string]string{"Base": op.Token("build.SourceAMIName"), "Region": op.Token("build.BuildRegion"), "On": op.Token("build.SourceAMITags.Role")},
		SnapshotTags: map[string]string{"Kind": "root"}, SnapshotUsers: []string{"333333333333"},
		EncryptBoot: &yes, RegionKMSKeyIDs: map[string]string{
			"eu-west-1":    "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555",
			"eu-central-1": "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-666666666666"},
		IMDSSupport: "v2.0", DeprecateAt: time.Now().Add(1000 * time.Hour).UTC().Format(time.RFC3339),
		DeregistrationProtection: &DeregistrationProtection{Enabled: true},
	}
}

func TestDistribute(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.distribution(full())
	a, err := d.Distribute(t.Context(), l.built("web-1", "Kind", "root", "Base", "base", "Region", home, "On", "ground"), l.env)
	if err != nil {
		t.Fatal(err)
	}
	if got := regionsOf(a); !slices.Equal(got, []string{"eu-central-1", "eu-west-1", home}) {
		t.Fatalf("places: %v", got)
	}
	if want := "eu-central-1:" + a.Places[0].ID + ",eu-west-1:" + a.Places[1].ID + "," + home + ":" + a.Places[2].ID; a.ID != want {
		t.Errorf("ID = %s, want %s", a.ID, want)
	}
	for _, p := range a.Places {
		l.checkDressed(p)
	}
	_, mark := l.Changes(0)
	again, err := d.Distribute(t.Context(), a, builders.Env{RunID: "run-2", Build: l.env.Build})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, again); diff != "" {
		t.Errorf("the second time it became something else: %s", diff)
	}
	if changes, _ := l.Changes(mark); len(changes) > 0 {
		t.Errorf("the second time it did %v", changes)
	}
}

func regionsOf(a artifact.Artifact) []string {
	var out []string
	for _, p := range a.Places {
		out = append(out, p.Name)
	}
	return out
}

// checkDressed reads all that full asks for back through the API.
func (l *lab) checkDressed(p artifact.Place) {
	l.t.Helper()
	ctx, r, want := l.t.Context(), l.region(p.Name), full()
	img := l.described(p.Name, p.ID)
	tags := tagMap(img.Tags)
	got := map[string]string{
		"name": aws.ToString(img.Name), "description": aws.ToString(img.Description), "Base": tags["Base"], "Region": tags["Region"], "On": tags["On"],
		"imds": string(img.ImdsSupport), "protection": aws.ToString(img.DeregistrationProtection), "expires": tags[tagExpires],
		"run": tags[tagRun], "deprecated": aws.ToString(img.DeprecationTime)[:16],
	}
	if diff := cmp.Diff(map[string]string{
		"name": "web-1", "description": "from ami-0base", "Base": "base", "Region": home, "On": "ground", "imds": "v2.0",
		"protection": "enabled-without-cooldown", "expires": "", "run": "run-1", "deprecated": want.DeprecateAt[:16],
	}, got); diff != "" {
		l.t.Errorf("%s in %s: %s", p.ID, p.Name, diff)
	}
	perms, err := r.EC2.DescribeImageAttribute(ctx, &ec2.DescribeImageAttributeInput{ImageId: &p.ID, Attribute: types.ImageAttributeNameLaunchPermission})
	if err != nil {
		l.t.Fatal(err)
	}
	var who []string
	for _, p := range perms.LaunchPermissions {
		who = append(who, aws.ToString(p.UserId)+aws.ToString(p.OrganizationArn)+aws.ToString(p.OrganizationalUnitArn))
	}
	slices.Sort(who)
	if !slices.Equal(who, sorted(slices.Concat(want.Users, want.OrgARNs, want.OuARNs))) {
		l.t.Errorf("%s: launch permissions %v", p.Name, who)
	}
	l.checkSnapshots(r, img)
}

func (l *lab) checkSnapshots(r *Region, img types.Image) {
	l.t.Helper()
	for _, id := range snapshotsOf(img) {
		out, err := r.EC2.DescribeSnapshots(l.t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
		if err != nil {
			l.t.Fatal(err)
		}
		s := out.Snapshots[0]
		tags := tagMap(s.Tags)
		if tags["Kind"] != "root" || tags["Base"] != "base" || tags[tagExpires] != "" {
			l.t.Errorf("%s in %s: tags %v", id, r.Name, tags)
		}
		if key := full().RegionKMSKeyIDs[r.Name]; key != "" && (!aws.ToBool(s.Encrypted) || aws.ToString(s.KmsKeyId) != key) {
			l.t.Errorf("%s in %s is encrypted with %q", id, r.Name, aws.ToString(s.KmsKeyId))
		}
		perms, err := r.EC2.DescribeSnapshotAttribute(l.t.Context(), &ec2.DescribeSnapshotAttributeInput{SnapshotId: &id,
			Attribute: types.SnapshotAttributeNameCreateVolumePermission})
		if err != nil {
			l.t.Fatal(err)
		}
		if p := perms.CreateVolumePermissions; len(p) != 1 || aws.ToString(p[0].UserId) != "333333333333" {
			l.t.Errorf("%s in %s: permissions %v", id, r.Name, p)
		}
	}
}

func TestDistributePublic(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := AMIConfig{Name: "web-1", Groups: []string{"all"}, SnapshotGroups: []string{"all"}, ProductCodes: []string{"abcdefghijklmnopqrstuvwxy"},
		DeregistrationProtection: &DeregistrationProtection{Enabled: true, WithCooldown: true}}
	a, err := l.distribution(c).Distribute(t.Context(), l.built("web-1"), l.env)
	if err != nil {
		t.Fatal(err)
	}
	img := l.described(home, a.Places[0].ID)
	if !aws.ToBool(img.Public) || len(img.ProductCodes) != 1 || aws.ToString(img.DeregistrationProtection) != "enabled-with-cooldown" {
		t.Errorf("public %v, product codes %v, protection %v", aws.ToBool(img.Public), img.ProductCodes, aws.ToString(img.DeregistrationProtection))
	}
	_, mark := l.Changes(0)
	if _, err := l.distribution(c).Distribute(t.Context(), a, l.env); err != nil {
		t.Fatal(err)
	}
	if changes, _ := l.Changes(mark); slices.Contains(changes, "ec2.DeleteTags") || slices.Contains(changes, "ec2.CopyImage") {
		t.Errorf("the second time it did %v", changes)
	}
}

func TestSkipSaveBuildRegion(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.built("web-1")
	c := AMIConfig{Name: "web-1", Regions: []string{"eu-west-1"}, SkipSaveBuildRegion: true}
	a, err := l.distribution(c).Distribute(t.Context(), a, l.env)
	if err != nil {
		t.Fatal(err)
	}
	if got := regionsOf(a); !slices.Equal(got, []string{"eu-west-1"}) {
		t.Fatalf("places: %v", got)
	}
	for _, line := range l.Server.Inventory() {
		if strings.Contains(line, home) {
			t.Errorf("left: %s", line)
		}
	}
	c.Regions = append(c.Regions, "eu-central-1")
	if a, err = l.distribution(c).Distribute(t.Context(), a, l.env); err != nil {
		t.Fatal(err)
	}
	if got := regionsOf(a); !slices.Equal(got, []string{"eu-central-1", "eu-west-1"}) {
		t.Errorf("places: %v", got)
	}
}

func TestNameInUseElsewhere(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	old := l.registered("eu-west-1", "web-1", nil)
	c := AMIConfig{Name: "web-1", Regions: []string{"eu-west-1"}}
	a, err := l.distribution(c).Distribute(t.Context(), l.built("web-1"), l.env)
	if err == nil || !strings.Contains(err.Error(), old) || builders.Hint(err) == "" {
		t.Fatalf("error = %v", err)
	}
	c.ForceDeregister, c.ForceDeleteSnapshot = true, true
	a, err = l.distribution(c).Distribute(t.Context(), a, l.env)
	if err != nil {
		t.Fatal(err)
	}
	if ids := l.images("eu-west-1"); len(ids) != 1 || ids[0] == old || ids[0] != a.Places[0].ID {
		t.Errorf("images: %v", ids)
	}
	if list, _ := findSnapshots(t.Context(), l.region("eu-west-1"), nil); len(list) != 1 {
		t.Errorf("%d snapshots are left", len(list))
	}
}

// TestNameInUseBefore checks that nothing is launched where a copy could not
// have its name.
func TestNameInUseBefore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	old := l.registered("eu-west-1", "web-1", nil)
	c := DefinitionEBS().New().(*Config)
	c.Region, c.SourceAMI, c.InstanceType, c.Communicator, c.Name = home, "ami-0123456789abcdef0", "t3.micro", "none", "web-1"
	c.Regions = []string{"eu-west-1"}
	if _, err := l.build(c); err == nil || !strings.Contains(err.Error(), "in use in eu-west-1, by "+old) {
		t.Errorf("error = %v", err)
	}
	if n := l.Count("ec2.RunInstances"); n > 0 {
		t.Errorf("%d instances were launched", n)
	}
	c.Regions = []string{"eu-nowhere-1"}
	if _, err := l.build(c); err == nil || !strings.Contains(err.Error(), `there is no region "eu-nowhere-1"`) {
		t.Errorf("error = %v", err)
	}
}

// TestDistributionKey checks that each option of the distribution counts.
func TestDistributionKey(t *testing.T) {
	t.Parallel()
	keyIn := func(region string, change func(*AMIConfig)) string {
		c := full()
		change(&c)
		from := &source{access: &Access{config: AccessConfig{Region: region}}}
		return string(distribution{from: from, ami: c, tags: imageTags{ami: c}}.Distribution())
	}
	keyOf := func(change func(*AMIConfig)) string { return keyIn(home, change) }
	seen := map[string]string{keyOf(func(*AMIConfig) {}): "as it was", keyIn("ap-south-1", func(*AMIConfig) {}): "another region"}
	changes := map[string]func(*AMIConfig){
		"description": func(c *AMIConfig) { c.Description = "other" },
		"regions":     func(c *AMIConfig) { c.Regions = nil }, "users": func(c *AMIConfig) { c.Users = nil },
		"groups": func(c *AMIConfig) { c.Groups = []string{"all"} }, "orgs": func(c *AMIConfig) { c.OrgARNs = nil },
		"ous": func(c *AMIConfig) { c.OuARNs = nil }, "codes": func(c *AMIConfig) { c.ProductCodes = []string{"a"} },
		"tags": func(c *AMIConfig) { c.Tags = maps.Clone(c.Tags); c.Tags["a"] = "b" }, "snapshot tags": func(c *AMIConfig) { c.SnapshotTags = nil },
		"snapshot users": func(c *AMIConfig) { c.SnapshotUsers = nil }, "snapshot groups": func(c *AMIConfig) { c.SnapshotGroups = []string{"all"} },
		"keys": func(c *AMIConfig) { c.RegionKMSKeyIDs = nil }, "imds": func(c *AMIConfig) { c.IMDSSupport = "" },
		"deprecation": func(c *AMIConfig) { c.DeprecateAt = "" }, "protection": func(c *AMIConfig) { c.DeregistrationProtection = nil },
		"skip": func(c *AMIConfig) { c.SkipSaveBuildRegion = true }, "duration": func(c *AMIConfig) { c.SnapshotCopyDurationMinutes = 0 },
	}
	for name, change := range changes {
		k := keyOf(change)
		if old, ok := seen[k]; ok {
			t.Errorf("%s: the key is that of %s", name, old)
		}
		seen[k] = name
	}
}
