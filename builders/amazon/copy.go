package amazon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
)

// bring returns the image in a region once it is available there.
func (s *spreading) bring(ctx context.Context, r *Region) (types.Image, error) {
	if id := s.there[r.Name]; id != "" {
		if r.Name == s.region.Name {
			return s.source, nil
		}
		img, ok, err := r.present(ctx, id)
		if err != nil || ok && img.State == types.ImageStateAvailable {
			return img, err
		}
	}
	old, ok, err := r.named(ctx, s.name)
	if err != nil {
		return types.Image{}, r.explain(ctx, "look for "+s.name, err)
	}
	if !ok {
		return s.copy(ctx, r)
	}
	if tagMap(old.Tags)[tagOrigin] == s.origin && old.State != types.ImageStateFailed && old.State != types.ImageStateInvalid {
		return s.adopt(ctx, r, old)
	}
	if err := s.makeRoom(ctx, r, old); err != nil {
		return types.Image{}, err
	}
	return s.copy(ctx, r)
}

// adopt takes over a copy that an earlier run has begun.
func (s *spreading) adopt(ctx context.Context, r *Region, img types.Image) (types.Image, error) {
	id := aws.ToString(img.ImageId)
	if tags := tagMap(img.Tags); tags[tagExpires] != "" || tags[tagRun] != s.env.RunID {
		entry, err := s.env.Journal.Intend(journal.Resource{Cloud: cloud, Place: r.Name, Kind: kindImage, Name: s.name, ID: id,
			Tags: s.marks(), Access: s.from.access.Place(), Build: s.env.Build})
		if err != nil {
			return img, err
		}
		if err := entry.Made(id); err != nil {
			return img, err
		}
		// From here on it is this run's: a sweep of the earlier one leaves it alone.
		_, err = r.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: tagList(s.marks())})
		if err != nil {
			return img, r.explain(ctx, "take over "+id, err)
		}
	}
	return r.await(ctx, id, s.from.patience(imageTime))
}

// makeRoom removes the image that has the name, where force_deregister or
// -force says so.
func (s *spreading) makeRoom(ctx context.Context, r *Region, old types.Image) error {
	id := aws.ToString(old.ImageId)
	ours := tagMap(old.Tags)[tagOrigin] == s.origin // a copy that failed
	if !ours && !s.ami.ForceDeregister && !s.env.Force {
		return nameTaken(s.name, r.Name, id)
	}
	s.env.Log.Say(fmt.Sprintf("Deregistering %s in %s, which has the name %s", id, r.Name, s.name))
	if err := r.removeImage(ctx, old, ours || s.ami.ForceDeleteSnapshot); err != nil {
		return fmt.Errorf("deregister %s: %w", id, err)
	}
	return nil
}

// removeImage deregisters an image, and deletes its snapshots if so wanted.
func (r *Region) removeImage(ctx context.Context, img types.Image, snapshots bool) error {
	id := aws.ToString(img.ImageId)
	_, err := r.EC2.DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: &id})
	if err != nil && !hasCode(err, "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable") {
		return r.explain(ctx, "", err)
	}
	if !snapshots {
		return nil
	}
	return r.deleteSnapshots(ctx, snapshotsOf(img))
}

// marks are the tags of what this run makes.
func (s *spreading) marks() map[string]string {
	m := marks(s.env, s.from.run.MaxLifetime, time.Now())
	m[tagOrigin] = s.origin
	return m
}

// copy makes a copy and waits until it is available.
func (s *spreading) copy(ctx context.Context, r *Region) (types.Image, error) {
	in := s.copyInput(r.Name)
	entry, err := s.env.Journal.Intend(journal.Resource{Cloud: cloud, Place: r.Name, Kind: kindImage, Name: s.name,
		Token: *in.ClientToken, Tags: s.marks(), Access: s.from.access.Place(), Build: s.env.Build})
	if err != nil {
		return types.Image{}, err
	}
	s.env.Log.Say(fmt.Sprintf("Copying %s to %s as %s", aws.ToString(s.source.ImageId), r.Name, s.name))
	id, err := r.copied(ctx, in)
	if err != nil {
		if refused(err) {
			err = errors.Join(err, entry.Gone())
		}
		return types.Image{}, r.explain(ctx, "", err)
	}
	if err := entry.Made(id); err != nil {
		return types.Image{}, err
	}
	img, err := r.await(ctx, id, s.from.patience(imageTime))
	if err != nil && (ctx.Err() != nil || img.State == types.ImageStateFailed) {
		err = s.discard(ctx, r, id, entry, err)
	}
	return img, err
}

// copied asks for a copy and returns its id. A region may not know yet what
// another one made just now.
func (r *Region) copied(ctx context.Context, in *ec2.CopyImageInput) (id string, err error) {
	err = soon(ctx, func() error {
		calling, cancel := machine.Outlive(ctx)
		defer cancel()
		out, err := r.EC2.CopyImage(calling, in)
		if err == nil {
			id = aws.ToString(out.ImageId)
		}
		return err
	})
	return id, err
}

// discard removes a copy that failed, or that nobody waits for any more.
func (s *spreading) discard(ctx context.Context, r *Region, id string, entry *journal.Entry, cause error) error {
	ctx, cancel := machine.Outlive(ctx)
	defer cancel()
	t := resource(id, s.name, tagList(s.marks()))
	if err := removeImage(ctx, r, t); err != nil {
		return errors.Join(cause, r.explain(ctx, "remove the copy "+id, err))
	}
	return errors.Join(cause, entry.Gone())
}

// copyInput is the request for a copy. The same run asks with the same token.
func (s *spreading) copyInput(region string) *ec2.CopyImageInput {
	token := string(key.New("amazon copy/1").String(s.env.RunID).String(s.env.Build).String(s.origin).String(region).String(s.name).Sum())
	image, snapshots := s.tags.of(s.values)
	in := &ec2.CopyImageInput{
		Name: &s.name, SourceImageId: s.source.ImageId, SourceRegion: &s.region.Name, ClientToken: aws.String(token[:64]),
		TagSpecifications: append(tagSpec(types.ResourceTypeImage, image, s.marks()), tagSpec(types.ResourceTypeSnapshot, snapshots, s.marks())...),
	}
	if text := s.values.Text(s.ami.Description); text != "" {
		in.Description = &text
	}
	in.Encrypted = s.ami.EncryptBoot
	if id := s.ami.RegionKMSKeyIDs[region]; id != "" && (in.Encrypted == nil || *in.Encrypted) {
		in.Encrypted, in.KmsKeyId = aws.Bool(true), &id
	}
	if n := s.ami.SnapshotCopyDurationMinutes; n > 0 {
		in.SnapshotCopyCompletionDurationMinutes = aws.Int64(int64(n))
	}
	return in
}
