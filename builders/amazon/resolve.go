package amazon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/outage"
	"github.com/ingot-build/ingot/internal/secret"
)

// foundFor is how long an image that was found counts as the one to be found.
const foundFor = 2 * time.Second

// Resolve pins the source image. Nothing has begun yet, so that a service that
// can't be reached is not waited for.
func (s *source) Resolve(ctx context.Context) (builders.Base, error) {
	ctx = outage.Hurry(ctx)
	r, err := s.access.Region(ctx, "")
	if err != nil {
		return builders.Base{}, err
	}
	img, err := s.find(ctx, r)
	if err != nil {
		return builders.Base{}, err
	}
	s.bases.Store(aws.ToString(img.ImageId), img)
	return builders.Base{
		ID: aws.ToString(img.ImageId), Name: imageName(img), Arch: goArch(img.Architecture), Vars: baseVars(img, r.Name),
	}, nil
}

func (s *source) find(ctx context.Context, r *Region) (types.Image, error) {
	if f := s.run.SourceAMIFilter; f != nil {
		return r.FindImage(ctx, *f)
	}
	return r.imageByID(ctx, s.run.SourceAMI)
}

// base returns the image that an instance is launched from.
func (s *source) base(ctx context.Context, r *Region, id string) (types.Image, error) {
	if img, ok := s.bases.Load(id); ok {
		return img.(types.Image), nil
	}
	img, err := r.imageByID(ctx, id)
	if err == nil {
		s.bases.Store(id, img)
	}
	return img, err
}

// imageByID returns the image with this id, also one of others.
func (r *Region) imageByID(ctx context.Context, id string) (types.Image, error) {
	found, err := r.found.get(ctx, "id "+id, foundFor, func(ctx context.Context) ([]types.Image, error) {
		out, err := r.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
		if err != nil {
			return nil, err
		}
		return out.Images, nil
	})
	switch {
	case hasCode(err, "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"), err == nil && len(found) == 0:
		return types.Image{}, builders.WithHint(fmt.Errorf("there is no image %s in %s", id, r.Name),
			"an image has another id in each region; one that is private or was deregistered is not found either")
	case err != nil:
		return types.Image{}, r.explain(ctx, "look for the image "+id, err)
	}
	return found[0], nil
}

// FindImage returns the one image that a filter is for. Where several match
// and most_recent is not set, or none does, the error says how to go on.
func (r *Region) FindImage(ctx context.Context, f AMIFilter) (types.Image, error) {
	found, err := r.found.get(ctx, "filter "+f.text(), foundFor, func(ctx context.Context) ([]types.Image, error) {
		return r.matching(ctx, f)
	})
	if err != nil {
		return types.Image{}, r.explain(ctx, "look for an image with "+f.text(), err)
	}
	switch {
	case len(found) == 0:
		return types.Image{}, r.noneMatches(ctx, f)
	case len(found) > 1 && !f.MostRecent:
		var names []string
		for _, img := range found[:min(3, len(found))] {
			names = append(names, fmt.Sprintf("%s (%s)", imageName(img), aws.ToString(img.ImageId)))
		}
		if len(found) > len(names) {
			names = append(names, "…")
		}
		return types.Image{}, builders.WithHint(fmt.Errorf("%d images in %s match %s: %s", len(found), r.Name, f.text(), strings.Join(names, ", ")),
			"set most_recent = true to take the newest, or narrow the filters")
	}
	return found[0], nil
}

// matching returns the images that a filter lets through, the newest first.
func (r *Region) matching(ctx context.Context, f AMIFilter) ([]types.Image, error) {
	p := ec2.NewDescribeImagesPaginator(r.EC2, &ec2.DescribeImagesInput{
		Owners: f.Owners, Filters: filters(f.Filters), IncludeDeprecated: &f.IncludeDeprecated, MaxResults: aws.Int32(1000),
	})
	var found []types.Image
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		found = append(found, page.Images...)
	}
	slices.SortStableFunc(found, func(a, b types.Image) int {
		return -cmp.Or(strings.Compare(aws.ToString(a.CreationDate), aws.ToString(b.CreationDate)),
			strings.Compare(aws.ToString(a.ImageId), aws.ToString(b.ImageId)))
	})
	return found, nil
}

// noneMatches says what the filter was and how near it came: it asks again
// without each of its parts, all at the same time.
func (r *Region) noneMatches(ctx context.Context, f AMIFilter) error {
	err := fmt.Errorf("no image in %s matches %s", r.Name, f.text())
	type trial struct {
		without string
		in      *ec2.DescribeImagesInput
		count   int
		more    bool
	}
	var trials []*trial
	for _, name := range slices.Sorted(maps.Keys(f.Filters)) {
		rest := maps.Clone(f.Filters)
		delete(rest, name)
		trials = append(trials, &trial{without: fmt.Sprintf("%s = %q", name, f.Filters[name]),
			in: &ec2.DescribeImagesInput{Owners: f.Owners, Filters: filters(rest), IncludeDeprecated: &f.IncludeDeprecated}})
	}
	trials = append(trials, &trial{without: fmt.Sprintf("owners = %q", f.Owners),
		in: &ec2.DescribeImagesInput{Filters: filters(f.Filters), IncludeDeprecated: &f.IncludeDeprecated}})
	if !f.IncludeDeprecated {
		trials = append(trials, &trial{without: "leaving out deprecated images",
			in: &ec2.DescribeImagesInput{Owners: f.Owners, Filters: filters(f.Filters), IncludeDeprecated: aws.Bool(true)}})
	}
	var all sync.WaitGroup
	for _, t := range trials {
		all.Go(func() {
			t.in.MaxResults = aws.Int32(1000)
			if out, err := r.EC2.DescribeImages(ctx, t.in); err == nil {
				t.count, t.more = len(out.Images), out.NextToken != nil
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var near []string
	for _, t := range trials {
		if t.count == 0 {
			continue
		}
		n := fmt.Sprint(t.count)
		if t.more {
			n = "more than " + n
		}
		near = append(near, fmt.Sprintf("without %s, %s would match", t.without, n))
	}
	if len(near) == 0 {
		return builders.WithHint(err, "more than one of these excludes every image: leaving out any single one is not enough")
	}
	return builders.WithHint(err, strings.Join(near, "; "))
}

// text is the filter as people read it.
func (f AMIFilter) text() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f.Filters)) {
		parts = append(parts, fmt.Sprintf("%s = %q", name, f.Filters[name]))
	}
	parts = append(parts, fmt.Sprintf("owners = %q", f.Owners))
	if f.IncludeDeprecated {
		parts = append(parts, "include_deprecated")
	}
	return strings.Join(parts, ", ")
}

func filters(m map[string]string, pairs ...Pair) []types.Filter {
	var out []types.Filter
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, filter(name, m[name]))
	}
	for _, p := range pairs {
		out = append(out, filter(p.Name, p.Value))
	}
	return out
}

func imageName(img types.Image) string {
	return cmp.Or(aws.ToString(img.Name), aws.ToString(img.ImageId))
}

// goArch is the GOARCH name of an architecture of EC2.
func goArch(a types.ArchitectureValues) string {
	switch a {
	case types.ArchitectureValuesX8664, types.ArchitectureValuesX8664Mac:
		return "amd64"
	case types.ArchitectureValuesArm64, types.ArchitectureValuesArm64Mac:
		return "arm64"
	case types.ArchitectureValuesI386:
		return "386"
	}
	return string(a)
}

func baseVars(img types.Image, region string) op.Values {
	v := op.Values{}
	for name, value := range map[string]string{
		"SourceAMI": aws.ToString(img.ImageId), "SourceAMIName": aws.ToString(img.Name),
		"SourceAMICreationDate": aws.ToString(img.CreationDate), "SourceAMIOwner": aws.ToString(img.OwnerId),
		"SourceAMIOwnerName": aws.ToString(img.ImageOwnerAlias), "BuildRegion": region,
	} {
		v["build."+name] = secret.Plain(value)
	}
	for name, value := range tagMap(img.Tags) {
		v[sourceTag+name] = secret.Plain(value)
	}
	return v
}

// checkBase refuses source images that an image can't be made from as the
// options say.
func (c *ebs) checkBase(img types.Image) error {
	name := imageName(img)
	switch {
	case img.State != "" && img.State != types.ImageStateAvailable:
		return fmt.Errorf("the source image %s is %s", name, img.State)
	case strings.EqualFold(string(img.Platform), "windows") && c.ssh != nil:
		return builders.WithHint(fmt.Errorf(`the source image %s is Windows, and communicator is "ssh"`, name), `set communicator = "winrm"`)
	case img.RootDeviceType == types.DeviceTypeInstanceStore:
		return builders.WithHint(fmt.Errorf("the root device of the source image %s is no EBS volume", name), "choose an image with root-device-type = \"ebs\"")
	case c.ami.VirtualizationType != "" && string(img.VirtualizationType) != c.ami.VirtualizationType:
		return fmt.Errorf("the source image %s has the virtualization %s, and ami_virtualization_type is %s", name, img.VirtualizationType, c.ami.VirtualizationType)
	case c.ami.SriovSupport && img.VirtualizationType == types.VirtualizationTypeParavirtual,
		c.ami.ENASupport != nil && *c.ami.ENASupport && img.VirtualizationType == types.VirtualizationTypeParavirtual:
		return errors.New("ena_support and sriov_support need a source image with virtualization hvm, and " + name + " is paravirtual")
	}
	return nil
}

// Resolve pins the source image.
func (c *ebs) Resolve(ctx context.Context) (builders.Base, error) {
	base, err := c.source.Resolve(ctx)
	if err != nil {
		return base, err
	}
	img, _ := c.bases.Load(base.ID)
	return base, c.checkBase(img.(types.Image))
}
