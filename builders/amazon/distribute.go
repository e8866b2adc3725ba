package amazon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// distributed is a builder whose images are copied, shared and tagged after
// they are made.
type distributed struct {
	builders.Builder
	distribution
}

// distribution is what becomes of an image after it was made.
type distribution struct {
	from *source
	ami  AMIConfig
	tags imageTags

	skipped bool // skip_create_ami: there is no image
}

// Distribution is the key of the options that Distribute is about.
func (d distribution) Distribution() key.Key {
	c := d.ami
	h := key.New("amazon distribution/1").String(c.Description).
		Strings(sorted(c.Regions)).Bool(c.SkipSaveBuildRegion).Map(c.RegionKMSKeyIDs).Int(int64(c.SnapshotCopyDurationMinutes)).
		Strings(sorted(c.Users)).Strings(sorted(c.Groups)).Strings(sorted(c.OrgARNs)).Strings(sorted(c.OuARNs)).
		Strings(sorted(c.ProductCodes)).Strings(sorted(c.SnapshotUsers)).Strings(sorted(c.SnapshotGroups)).
		String(c.IMDSSupport).String(c.DeprecateAt)
	if p := c.DeregistrationProtection; p != nil {
		h.Bool(p.Enabled).Bool(p.WithCooldown)
	}
	if !c.SkipSaveBuildRegion {
		h.String(d.from.access.config.Region)
	}
	image, snapshots := d.tags.of(nil)
	return h.Map(image).Map(snapshots).Sum()
}

func sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// Distribute brings the image to all its regions, all at the same time. What
// is there already stays as it is: it may be called again after it failed, and
// does what is missing.
func (d distribution) Distribute(ctx context.Context, a artifact.Artifact, env builders.Env) (artifact.Artifact, error) {
	if len(a.Places) == 0 {
		return a, nil // skip_create_ami
	}
	defer d.from.access.outages.Listen(env.Log)()
	home, err := d.from.access.Region(ctx, "")
	if err != nil {
		return a, err
	}
	s, err := d.begin(ctx, home, a, env)
	if err != nil {
		return a, err
	}
	regions := s.regions(home.Name)
	errs := make([]error, len(regions))
	var wg sync.WaitGroup
	for i, name := range regions {
		wg.Go(func() { errs[i] = s.place(ctx, name) })
	}
	wg.Wait()
	errs = append(errs, s.publish(ctx))
	err = errors.Join(errs...)
	if err == nil && d.ami.SkipSaveBuildRegion {
		err = s.leave(ctx, home)
	}
	return withPlaces(a, s.places()), err
}

// spreading is one image on its way to all its places.
type spreading struct {
	distribution
	env    builders.Env
	name   string      // of the image, everywhere
	source types.Image // what is copied
	region *Region     // where that is
	origin string      // "REGION:ID" of the image that was made, which copies are found by
	values op.Values   // of tokens

	mu     sync.Mutex
	there  map[string]string      // ids by region
	images map[string]types.Image // that are finished, by region
}

// begin looks at the image. It is copied from the region of the build, or from
// any other where it was not left there.
func (d distribution) begin(ctx context.Context, home *Region, a artifact.Artifact, env builders.Env) (*spreading, error) {
	s := &spreading{distribution: d, env: env, region: home, values: lateValues(a), there: map[string]string{}, images: map[string]types.Image{}}
	for _, p := range a.Places {
		s.there[p.Name] = p.ID
	}
	if s.there[home.Name] == "" {
		r, err := d.from.access.Region(ctx, a.Places[0].Name)
		if err != nil {
			return nil, err
		}
		s.region = r
	}
	id := s.there[s.region.Name]
	img, err := d.from.made(ctx, s.region, id)
	if err != nil {
		return nil, err
	}
	s.source, s.name = img, aws.ToString(img.Name)
	tags := tagMap(img.Tags)
	s.origin = cmp.Or(tags[tagOrigin], s.region.Name+":"+id)
	if final := tags[tagName]; final != "" {
		s.name = final
	}
	if name := s.values.Text(d.ami.Name); name != s.name && env.Renamed {
		s.name = name
		clear(s.there) // all places get copies that have it
	}
	return s, nil
}

// NameOption is the option that names the AMI.
func (d distribution) NameOption() string { return "ami_name" }

// made returns an image that a build has made, as it was when it was finished.
func (s *source) made(ctx context.Context, r *Region, id string) (types.Image, error) {
	if img, ok := s.bases.Load(id); ok {
		return img.(types.Image), nil
	}
	img, ok, err := r.present(ctx, id)
	if err == nil && !ok {
		err = fmt.Errorf("the image %s is not in %s any more", id, r.Name)
	}
	return img, err
}

// regions are those that the image is to be in.
func (d distribution) regions(home string) []string {
	list := slices.Clone(d.ami.Regions)
	if !d.ami.SkipSaveBuildRegion {
		list = append(list, home)
	}
	return sorted(list)
}

// place brings the image to a region and makes it there what it is to be.
func (s *spreading) place(ctx context.Context, name string) error {
	r, err := s.from.access.Region(ctx, name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	img, err := s.bring(ctx, r)
	if err != nil {
		return fmt.Errorf("copy to %s: %w", name, err)
	}
	s.mu.Lock()
	s.there[name], s.images[name] = aws.ToString(img.ImageId), img
	s.mu.Unlock()
	if err := s.dress(ctx, r, img); err != nil {
		return fmt.Errorf("%s in %s: %w", aws.ToString(img.ImageId), name, err)
	}
	return nil
}

// publish takes the expiry from the images that are finished: they stay.
func (s *spreading) publish(ctx context.Context) error {
	ctx, cancel := machine.Outlive(ctx)
	defer cancel()
	var names []string
	for name := range s.images {
		names = append(names, name)
	}
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		img := s.images[name]
		if tagMap(img.Tags)[tagExpires] == "" {
			continue
		}
		wg.Go(func() {
			r, err := s.from.access.Region(ctx, name)
			if err == nil {
				err = soon(ctx, func() error {
					_, err := r.EC2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: append(snapshotsOf(img), aws.ToString(img.ImageId)),
						Tags: []types.Tag{{Key: aws.String(tagExpires)}}})
					return err
				})
				err = r.explain(ctx, "publish "+aws.ToString(img.ImageId)+" in "+name, err)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// leave removes the image from the region of the build, where it was only made
// to be copied, unless that is one of ami_regions.
func (s *spreading) leave(ctx context.Context, home *Region) error {
	id := s.there[home.Name]
	if id == "" || slices.Contains(s.regions(home.Name), home.Name) {
		return nil
	}
	img, err := s.from.made(ctx, home, id)
	if err == nil {
		err = home.removeImage(ctx, img, true)
	}
	if err != nil {
		return fmt.Errorf("remove %s from %s: %w", id, home.Name, err)
	}
	delete(s.there, home.Name)
	return nil
}

func (s *spreading) places() []artifact.Place {
	var out []artifact.Place
	for name, id := range s.there {
		out = append(out, artifact.Place{Name: name, ID: id})
	}
	return out
}

// withPlaces returns the artifact with its places, and the id that Packer
// prints for them: "REGION:ID,REGION:ID".
func withPlaces(a artifact.Artifact, places []artifact.Place) artifact.Artifact {
	slices.SortFunc(places, func(x, y artifact.Place) int { return strings.Compare(x.Name, y.Name) })
	var ids []string
	a.Text = "AMIs were created:\n"
	for _, p := range places {
		ids = append(ids, p.Name+":"+p.ID)
		a.Text += p.Name + ": " + p.ID + "\n"
	}
	a.Places, a.ID = places, strings.Join(ids, ",")
	return a
}
