package amazon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// debris is one thing of each kind that a killed build leaves.
type debris struct {
	instance, image, snapshot, volume, group, key, template, profile, role string
}

// leave makes one thing of each kind, with marks that expire in an hour.
func (l *lab) leave(region string, tags map[string]string) debris {
	l.t.Helper()
	ctx, c := l.t.Context(), l.region(region).EC2
	var d debris
	check := func(err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
	}
	name := "ingot-" + tags[tagRun]
	group, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("test"),
		VpcId: aws.String(l.vpc(region)), TagSpecifications: tagSpec(types.ResourceTypeSecurityGroup, tags)})
	check(err)
	d.group = aws.ToString(group.GroupId)
	pair, err := c.CreateKeyPair(ctx, &ec2.CreateKeyPairInput{KeyName: &name, KeyType: types.KeyTypeEd25519, TagSpecifications: tagSpec(types.ResourceTypeKeyPair, tags)})
	check(err)
	d.key = aws.ToString(pair.KeyPairId)
	template, err := c.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &name,
		LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: types.InstanceTypeT3Micro}, TagSpecifications: tagSpec(types.ResourceTypeLaunchTemplate, tags)})
	check(err)
	d.template = aws.ToString(template.LaunchTemplate.LaunchTemplateId)
	d.image, d.snapshot, d.volume = l.registered(region, name, tags), l.snapshot(region, tags), l.volume(region, tags)
	d.instance = l.running(region, name, d.group, tags)
	d.role, d.profile = l.identity(name, tags)
	return d
}

func (l *lab) running(region, key, group string, tags map[string]string) string {
	l.t.Helper()
	one := int32(1)
	out, err := l.region(region).EC2.RunInstances(l.t.Context(), &ec2.RunInstancesInput{ImageId: aws.String("ami-0123456789abcdef0"), MinCount: &one, MaxCount: &one,
		InstanceType: types.InstanceTypeT3Micro, KeyName: &key, SecurityGroupIds: []string{group}, ClientToken: aws.String("token-" + tags[tagRun]),
		TagSpecifications: tagSpec(types.ResourceTypeInstance, tags)})
	if err != nil {
		l.t.Fatal(err)
	}
	return aws.ToString(out.Instances[0].InstanceId)
}

func (l *lab) identity(name string, tags map[string]string) (role, profile string) {
	l.t.Helper()
	ctx, c := l.t.Context(), l.region(home).IAM()
	var list []iamtypes.Tag
	for _, t := range tagList(tags) {
		list = append(list, iamtypes.Tag{Key: t.Key, Value: t.Value})
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`
	_, err1 := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &policy, Tags: list})
	_, err2 := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`)})
	_, err3 := c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name, Tags: list})
	_, err4 := c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return name, name
}

func (l *lab) vpc(region string) string {
	l.t.Helper()
	out, err := l.region(region).EC2.DescribeVpcs(l.t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil || len(out.Vpcs) == 0 {
		l.t.Fatal(err)
	}
	return aws.ToString(out.Vpcs[0].VpcId)
}

// all are the lines that a sweep prints for it.
func (d debris) all() []string {
	out := []string{"image " + d.image, "instance " + d.instance, "instance-profile " + d.profile, "key-pair " + d.key,
		"launch-template " + d.template, "role " + d.role, "security-group " + d.group, "snapshot " + d.snapshot, "volume " + d.volume}
	slices.Sort(out)
	return out
}

// journal names the debris: by id, or as it stands before the answer.
func (d debris) journal(region string, tags map[string]string, answered bool) []journal.Resource {
	name := "ingot-" + tags[tagRun]
	out := []journal.Resource{
		{Kind: kindInstance, Token: "token-" + tags[tagRun], ID: d.instance}, {Kind: kindImage, Name: name, ID: d.image},
		{Kind: kindSnapshot, ID: d.snapshot}, {Kind: kindVolume, ID: d.volume}, {Kind: kindGroup, Name: name, ID: d.group},
		{Kind: kindKeyPair, Name: name, ID: d.key}, {Kind: kindTemplate, Name: name, ID: d.template},
		{Kind: kindProfile, Name: name, ID: d.profile}, {Kind: kindRole, Name: name, ID: d.role},
	}
	for i := range out {
		out[i].Cloud, out[i].Place, out[i].Tags, out[i].Created = cloud, region, tags, time.Now()
		if !answered {
			out[i].ID = ""
		}
	}
	return out
}

func (l *lab) marksOf(run string, lifetime time.Duration) map[string]string {
	return marks(builders.Env{RunID: run, Build: "amazon-ebs.web"}, lifetime, time.Now())
}

// without returns the lines that are not those of the images' own snapshots.
func without(lines []string, kind string, except ...string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return strings.HasPrefix(s, kind+" ") && !slices.Contains(except, s) })
}

func TestSweepJournal(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]bool{"ids known": true, "answers lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			tags := l.marksOf("dead", time.Hour)
			d := l.leave("eu-west-1", tags)
			in := builders.SweepInput{Journal: d.journal("eu-west-1", tags, answered), Now: time.Now(), DryRun: true}
			own := "snapshot " + d.snapshot
			if got := without(l.sweep(in), kindSnapshot, own); !slices.Equal(got, d.all()) {
				t.Errorf("dry run: %v, want %v", got, d.all())
			}
			in.DryRun = false
			if got := without(l.sweep(in), kindSnapshot, own); !slices.Equal(got, d.all()) {
				t.Errorf("removed %v, want %v", got, d.all())
			}
			if left := l.Server.Inventory(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if got := l.sweep(in); len(got) > 0 {
				t.Errorf("the second sweep found %v", got)
			}
		})
	}
}

// TestSweepCheckpoints checks that what a registry says leads to checkpoints,
// and to nothing else.
func TestSweepCheckpoints(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	tags := l.marksOf("dead", time.Hour)
	d := l.leave(home, tags)
	other, checkpoint := l.registered(home, "other", nil), l.registered(home, "checkpoint", map[string]string{tagCheckpoint: "k"})
	in := builders.SweepInput{Checkpoints: d.journal(home, tags, true), Now: time.Now()}
	for _, id := range []string{other, checkpoint} {
		in.Checkpoints = append(in.Checkpoints, journal.Resource{Cloud: cloud, Place: home, Kind: kindImage, ID: id})
	}
	if got := without(l.sweep(in), kindSnapshot); !slices.Equal(got, []string{"image " + checkpoint}) {
		t.Errorf("removed %v, want the checkpoint %s alone", got, checkpoint)
	}
	again := l.registered(home, "again", map[string]string{tagCheckpoint: "k"})
	for id, stays := range map[string]bool{other: true, again: false} {
		a := artifact.Artifact{Places: []artifact.Place{{Name: home, ID: id}}}
		if err := (distribution{from: l.source()}).Remove(t.Context(), a, true); err != nil || l.there(home, id) != stays {
			t.Errorf("%s stays: %t, %v; want %t", id, l.there(home, id), err, stays)
		}
	}
}

func (l *lab) there(region, image string) bool {
	l.t.Helper()
	_, ok, err := l.region(region).present(l.t.Context(), image)
	if err != nil {
		l.t.Error(err)
	}
	return ok
}

// TestSweepMarks checks that without a journal just what is expired and this
// user's is cleared, and not what a live run has or what is published.
func TestSweepMarks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dead := l.leave(home, l.marksOf("dead", time.Hour))
	live := l.leave(home, l.marksOf("live", time.Hour))
	fresh := l.leave(home, l.marksOf("fresh", 100*time.Hour))
	other := l.marksOf("other", time.Hour)
	other[tagUser] = "somebody@elsewhere"
	foreign := l.leave(home, other)
	published := l.registered(home, "published", l.marksOf("done", 0))
	in := builders.SweepInput{Places: []string{home}, Now: time.Now().Add(2 * time.Hour),
		Live: func(run string) bool { return run == "live" }}
	in.OlderThan = 24 * time.Hour
	if got := l.sweep(in); len(got) > 0 {
		t.Errorf("it removed what is younger than a day: %v", got)
	}
	in.OlderThan = time.Hour
	l.sweep(in)
	left := strings.Join(l.Server.Inventory(), "\n")
	for _, id := range []string{dead.instance, dead.image, dead.snapshot, dead.volume, dead.group, dead.key, dead.template, "ingot-dead"} {
		if strings.Contains(left, id) {
			t.Errorf("%s is left", id)
		}
	}
	for _, d := range []debris{live, fresh, foreign} {
		for _, id := range []string{d.instance, d.image, d.snapshot, d.volume, d.group, d.key, d.template, d.role, published} {
			if !strings.Contains(left, id) {
				t.Errorf("%s was removed", id)
			}
		}
	}
}

// TestSweepSharedSnapshot checks that a snapshot that an image was only given
// is not deleted with it.
func TestSweepSharedSnapshot(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	tags := l.marksOf("dead", time.Hour)
	users := l.snapshot(home, map[string]string{"Owner": "me"})
	out, err := l.region(home).EC2.RegisterImage(t.Context(), &ec2.RegisterImageInput{Name: aws.String("web"), RootDeviceName: aws.String("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &users}}},
		TagSpecifications:   tagSpec(types.ResourceTypeImage, tags)})
	if err != nil {
		t.Fatal(err)
	}
	l.sweep(builders.SweepInput{Now: time.Now(), Journal: []journal.Resource{{Cloud: cloud, Place: home, Kind: kindImage, ID: *out.ImageId, Tags: tags}}})
	left := strings.Join(l.Server.Inventory(), "\n")
	if strings.Contains(left, *out.ImageId) || !strings.Contains(left, users) {
		t.Errorf("left: %s", left)
	}
}

// TestSweepDeregistered checks that the snapshots of an image go with it where
// the run was killed after it had deregistered that: they name no image any
// more, and the journal names only that.
func TestSweepDeregistered(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	tags := l.marksOf("dead", time.Hour)
	d := l.leave(home, tags)
	c := l.region(home).EC2
	made := map[string]string{}
	for _, name := range []string{"killed", "kept"} {
		out, err := c.CreateImage(t.Context(), &ec2.CreateImageInput{InstanceId: &d.instance, Name: &name, TagSpecifications: tagSpec(types.ResourceTypeSnapshot, tags)})
		if err != nil {
			t.Fatal(err)
		}
		img, err := l.region(home).await(t.Context(), *out.ImageId, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		made[name], made[name+" snapshot"] = *out.ImageId, snapshotsOf(img)[0]
	}
	id := made["killed"]
	if _, err := c.DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: &id}); err != nil {
		t.Fatal(err)
	}
	in := builders.SweepInput{Now: time.Now(), Journal: []journal.Resource{{Cloud: cloud, Place: home, Kind: kindImage, Name: "killed", ID: id, Tags: tags}}}
	want := []string{"snapshot " + made["killed snapshot"]}
	in.DryRun = true
	if got := l.sweep(in); !slices.Equal(got, want) {
		t.Errorf("dry run: %v, want %v", got, want)
	}
	in.DryRun = false
	if got := l.sweep(in); !slices.Equal(got, want) {
		t.Errorf("removed %v, want %v", got, want)
	}
	left := strings.Join(l.Server.Inventory(), "\n")
	if strings.Contains(left, want[0]) || !strings.Contains(left, made["kept snapshot"]) || !strings.Contains(left, d.snapshot) {
		t.Errorf("left: %s", left)
	}
}

// TestSweepAdopted checks that a copy which another run found half done and went
// on with is that run's, with its snapshots.
func TestSweepAdopted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dead, other := l.marksOf("dead", time.Hour), l.marksOf("other", time.Hour)
	d := l.leave(home, dead)
	c, name := l.region(home).EC2, "copy"
	out, err := c.CreateImage(t.Context(), &ec2.CreateImageInput{InstanceId: &d.instance, Name: &name,
		TagSpecifications: append(tagSpec(types.ResourceTypeImage, other), tagSpec(types.ResourceTypeSnapshot, dead)...)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.region(home).await(t.Context(), *out.ImageId, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := l.sweep(builders.SweepInput{Now: time.Now(), Journal: []journal.Resource{
		{Cloud: cloud, Place: home, Kind: kindImage, Name: name, ID: *out.ImageId, Tags: dead},
		{Cloud: cloud, Place: home, Kind: kindKeyPair, ID: d.key, Tags: dead},
	}}); !slices.Equal(got, []string{"key-pair " + d.key}) {
		t.Errorf("removed %v", got)
	}
	if left := strings.Join(l.Server.Inventory(), "\n"); !strings.Contains(left, *out.ImageId) {
		t.Errorf("left: %s", left)
	}
}

// TestSweepGoesOn checks that one thing that can't be removed keeps nothing
// else from being removed.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	l := newLab(t, fault.Rule{Call: "ec2.DeleteKeyPair", Do: fault.Error, Code: "UnauthorizedOperation", Status: 403, Message: "You may not"})
	tags := l.marksOf("dead", time.Hour)
	d := l.leave(home, tags)
	failed := 0
	err := Sweeper().Sweep(t.Context(), l.Host, builders.SweepInput{Journal: d.journal(home, tags, true), Now: time.Now(),
		Found: func(r journal.Resource, err error) {
			if err != nil {
				failed++
			}
		}})
	if err == nil || !strings.Contains(err.Error(), "key-pair "+d.key) || failed != 1 {
		t.Errorf("%d failed, error = %v", failed, err)
	}
	if left := l.Server.Inventory(); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}
