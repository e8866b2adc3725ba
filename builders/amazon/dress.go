package amazon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// dressing is one image in one region that gets what it lacks.
type dressing struct {
	*spreading
	r   *Region
	id  string
	img types.Image
	// fresh is an image of this run: nobody but it has changed the image, so
	// that there is nothing to look at.
	fresh bool
}

// dress gives an image all that the options say of it: who may use it, when it
// is deprecated, its tags and those of its snapshots. All that does not depend
// on one another is done at the same time.
func (s *spreading) dress(ctx context.Context, r *Region, img types.Image) error {
	d := &dressing{spreading: s, r: r, id: aws.ToString(img.ImageId), img: img, fresh: tagMap(img.Tags)[tagRun] == s.env.RunID}
	jobs := []struct {
		what string
		do   func(context.Context) error
	}{
		{"launch permissions", d.launchPermissions},
		{"product codes", d.productCodes},
		{"imds_support", d.imds},
		{"description", d.describe},
		{"deprecate_at", d.deprecate},
		{"deregistration_protection", d.protect},
		{"tags", d.tagImage},
		{"snapshots", d.snapshots},
	}
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() { errs[i] = r.explain(ctx, j.what, soon(ctx, func() error { return j.do(ctx) })) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// launchPermissions lets in those who may launch the image and can't yet.
func (d *dressing) launchPermissions(ctx context.Context) error {
	c := d.ami
	if len(c.Users)+len(c.Groups)+len(c.OrgARNs)+len(c.OuARNs) == 0 {
		return nil
	}
	has := map[string]bool{}
	if !d.fresh {
		out, err := d.r.EC2.DescribeImageAttribute(ctx, &ec2.DescribeImageAttributeInput{ImageId: &d.id, Attribute: types.ImageAttributeNameLaunchPermission})
		if err != nil {
			return err
		}
		for _, p := range out.LaunchPermissions {
			for _, who := range []string{aws.ToString(p.UserId), string(p.Group), aws.ToString(p.OrganizationArn), aws.ToString(p.OrganizationalUnitArn)} {
				has[who] = true
			}
		}
	}
	var add []types.LaunchPermission
	for _, l := range []struct {
		list []string
		as   func(who string) types.LaunchPermission
	}{
		{c.Users, func(who string) types.LaunchPermission { return types.LaunchPermission{UserId: &who} }},
		{c.Groups, func(who string) types.LaunchPermission {
			return types.LaunchPermission{Group: types.PermissionGroup(who)}
		}},
		{c.OrgARNs, func(who string) types.LaunchPermission { return types.LaunchPermission{OrganizationArn: &who} }},
		{c.OuARNs, func(who string) types.LaunchPermission { return types.LaunchPermission{OrganizationalUnitArn: &who} }},
	} {
		for _, who := range sorted(l.list) {
			if !has[who] {
				add = append(add, l.as(who))
			}
		}
	}
	if len(add) == 0 {
		return nil
	}
	_, err := d.r.EC2.ModifyImageAttribute(ctx, &ec2.ModifyImageAttributeInput{ImageId: &d.id,
		LaunchPermission: &types.LaunchPermissionModifications{Add: add}})
	return err
}

func (d *dressing) productCodes(ctx context.Context) error {
	has := map[string]bool{}
	for _, p := range d.img.ProductCodes {
		has[aws.ToString(p.ProductCodeId)] = true
	}
	missing := slices.DeleteFunc(sorted(d.ami.ProductCodes), func(p string) bool { return has[p] })
	if len(missing) == 0 {
		return nil
	}
	_, err := d.r.EC2.ModifyImageAttribute(ctx, &ec2.ModifyImageAttributeInput{ImageId: &d.id, Attribute: aws.String("productCodes"),
		OperationType: types.OperationTypeAdd, ProductCodes: missing})
	return err
}

func (d *dressing) imds(ctx context.Context) error {
	if d.ami.IMDSSupport == "" || string(d.img.ImdsSupport) == d.ami.IMDSSupport {
		return nil
	}
	_, err := d.r.EC2.ModifyImageAttribute(ctx, &ec2.ModifyImageAttributeInput{ImageId: &d.id, Attribute: aws.String("imdsSupport"),
		ImdsSupport: &types.AttributeValue{Value: &d.ami.IMDSSupport}})
	return err
}

func (d *dressing) describe(ctx context.Context) error {
	text := d.values.Text(d.ami.Description)
	if text == "" || aws.ToString(d.img.Description) == text {
		return nil
	}
	_, err := d.r.EC2.ModifyImageAttribute(ctx, &ec2.ModifyImageAttributeInput{ImageId: &d.id, Attribute: aws.String("description"),
		Description: &types.AttributeValue{Value: &text}})
	return err
}

// deprecate sets when the image is deprecated. EC2 keeps the minute.
func (d *dressing) deprecate(ctx context.Context) error {
	if d.ami.DeprecateAt == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, d.ami.DeprecateAt)
	if err != nil {
		return err
	}
	if has, err := time.Parse(time.RFC3339, aws.ToString(d.img.DeprecationTime)); err == nil && has.Truncate(time.Minute).Equal(at.Truncate(time.Minute)) {
		return nil
	}
	_, err = d.r.EC2.EnableImageDeprecation(ctx, &ec2.EnableImageDeprecationInput{ImageId: &d.id, DeprecateAt: &at})
	return err
}

func (d *dressing) protect(ctx context.Context) error {
	p := d.ami.DeregistrationProtection
	has := aws.ToString(d.img.DeregistrationProtection)
	switch {
	case p == nil:
		return nil
	case !p.Enabled:
		if has == "" || strings.HasPrefix(has, "disabled") {
			return nil
		}
		_, err := d.r.EC2.DisableImageDeregistrationProtection(ctx, &ec2.DisableImageDeregistrationProtectionInput{ImageId: &d.id})
		return err
	case p.WithCooldown && has == "enabled-with-cooldown", !p.WithCooldown && (has == "enabled" || has == "enabled-without-cooldown"):
		return nil
	}
	_, err := d.r.EC2.EnableImageDeregistrationProtection(ctx, &ec2.EnableImageDeregistrationProtectionInput{ImageId: &d.id, WithCooldown: &p.WithCooldown})
	return err
}

// tagImage adds the tags that the image lacks or has with another value.
func (d *dressing) tagImage(ctx context.Context) error {
	want, _ := d.tags.of(d.values)
	return d.r.addTags(ctx, want, map[string][]types.Tag{d.id: d.img.Tags})
}

// snapshots shares and tags the image's snapshots.
func (d *dressing) snapshots(ctx context.Context) error {
	ids := snapshotsOf(d.img)
	if len(ids) == 0 {
		return nil
	}
	errs := make([]error, len(ids)+1)
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { errs[i] = d.shareSnapshot(ctx, id) })
	}
	_, want := d.tags.of(d.values)
	if len(want) > 0 && !d.fresh {
		wg.Go(func() {
			has, err := fetchSnapshots(d.r.EC2)(ctx, ids)
			if err == nil {
				tags := map[string][]types.Tag{}
				for _, id := range ids {
					tags[id] = has[id].Tags
				}
				err = d.r.addTags(ctx, want, tags)
			}
			errs[len(ids)] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// shareSnapshot lets in those who may make volumes of a snapshot and can't yet.
func (d *dressing) shareSnapshot(ctx context.Context, id string) error {
	users, groups := sorted(d.ami.SnapshotUsers), sorted(d.ami.SnapshotGroups)
	if len(users)+len(groups) == 0 {
		return nil
	}
	has := map[string]bool{}
	if !d.fresh {
		out, err := d.r.EC2.DescribeSnapshotAttribute(ctx, &ec2.DescribeSnapshotAttributeInput{SnapshotId: &id,
			Attribute: types.SnapshotAttributeNameCreateVolumePermission})
		if err != nil {
			return err
		}
		for _, p := range out.CreateVolumePermissions {
			has[aws.ToString(p.UserId)], has[string(p.Group)] = true, true
		}
	}
	var add []types.CreateVolumePermission
	for _, who := range users {
		if !has[who] {
			add = append(add, types.CreateVolumePermission{UserId: &who})
		}
	}
	for _, who := range groups {
		if !has[who] {
			add = append(add, types.CreateVolumePermission{Group: types.PermissionGroup(who)})
		}
	}
	if len(add) == 0 {
		return nil
	}
	_, err := d.r.EC2.ModifySnapshotAttribute(ctx, &ec2.ModifySnapshotAttributeInput{SnapshotId: &id,
		Attribute:              types.SnapshotAttributeNameCreateVolumePermission,
		CreateVolumePermission: &types.CreateVolumePermissionModifications{Add: add}})
	return err
}

// addTags adds tags to those that lack one of them, in one call.
func (r *Region) addTags(ctx context.Context, want map[string]string, has map[string][]types.Tag) error {
	var lacking []string
	for id, tags := range has {
		m := tagMap(tags)
		for k, v := range want {
			if old, ok := m[k]; !ok || old != v {
				lacking = append(lacking, id)
				break
			}
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	slices.Sort(lacking)
	_, err := r.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: lacking, Tags: tagList(maps.Clone(want))})
	return err
}
