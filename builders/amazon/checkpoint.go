package amazon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
)

// tagCheckpoint is on an image that was made on the way: the key of its last
// step.
const tagCheckpoint = "ingot:checkpoint"

// markTime is how long EC2 may take until the snapshots of an image are under
// way.
const markTime = 5 * time.Minute

// BaseOf returns base with an image that a build made in place of its image.
func (d distribution) BaseOf(a artifact.Artifact, base builders.Base) (builders.Base, error) {
	if len(a.Places) == 0 {
		return base, errors.New("no AMI was made that an instance can begin from")
	}
	base.From = &a
	return base, nil
}

// Checkpoints refuses Windows where its password is asked for: it gives that
// out at its first boot only.
func (d distribution) Checkpoints() error {
	if w := d.from.winrm; w != nil && w.Password() == "" {
		return builders.WithHint(errors.New("a Windows instance that begins from one gives out no password"),
			"set winrm_password, and the account's password to it in user_data")
	}
	return nil
}

// placeIn is the id of an image in a region.
func placeIn(a artifact.Artifact, region string) (string, error) {
	i := slices.IndexFunc(a.Places, func(p artifact.Place) bool { return p.Name == region })
	if i < 0 {
		return "", builders.WithHint(fmt.Errorf("%s is not in %s, where the instance is to run", a.ID, region),
			"leave the image in the region that it is made in: skip_save_build_region")
	}
	return a.Places[i].ID, nil
}

// keepContent gives volumes that are new in each build the content that they
// have in the image that the instance begins from.
func (s *stay) keepContent(devices []types.BlockDeviceMapping) {
	for _, m := range s.image.BlockDeviceMappings {
		if m.Ebs == nil || m.Ebs.SnapshotId == nil || aws.ToString(m.DeviceName) == aws.ToString(s.image.RootDeviceName) {
			continue
		}
		for _, d := range devices {
			if d.Ebs == nil || aws.ToString(d.DeviceName) != aws.ToString(m.DeviceName) {
				continue
			}
			d.Ebs.SnapshotId = m.Ebs.SnapshotId
			if !aws.ToBool(d.Ebs.Encrypted) {
				d.Ebs.Encrypted = nil // the snapshot's
			}
		}
	}
}

// Mark makes an image of the instance while that runs. It returns when the
// snapshots are under way: they have what was on the volumes when they began.
func (i *ebsInstance) Mark(ctx context.Context, c builders.Checkpoint) (builders.Mark, error) {
	about := fmt.Sprintf("checkpoint of %s after step %d %s", i.env.Build, c.Step, c.Name)
	tags := map[string]string{tagCheckpoint: string(c.Key), tagExpires: c.Expires.UTC().Format(time.RFC3339), "Name": cut(about, 255)}
	in := &ec2.CreateImageInput{
		InstanceId: &i.id, Name: aws.String(fmt.Sprintf("%s-checkpoint-%d", i.stay.name, c.Step)),
		Description: aws.String(cut("ingot: "+about, 255)), NoReboot: aws.Bool(true), BlockDeviceMappings: i.imageDisks(nil),
		TagSpecifications: append(tagSpec(types.ResourceTypeImage, i.marks, tags), tagSpec(types.ResourceTypeSnapshot, i.marks, tags)...),
	}
	id, err := i.createNamed(ctx, kindImage, *in.Name, "InvalidAMIName.Duplicate", func(ctx context.Context) (string, error) {
		out, err := i.r.EC2.CreateImage(ctx, in)
		if err != nil {
			return "", err
		}
		return aws.ToString(out.ImageId), nil
	})
	if err != nil {
		return nil, i.r.explain(ctx, "create an image of "+i.id, err)
	}
	m := &mark{instance: i.instance, id: id, name: *in.Name}
	if err := m.begun(ctx); err != nil {
		outlive, cancel := machine.Outlive(ctx)
		defer cancel()
		return nil, errors.Join(err, m.Drop(outlive))
	}
	return m, nil
}

// cut shortens a text to so many letters.
func cut(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most])
	}
	return text
}

// mark is an image that was made on the way.
type mark struct {
	*instance
	id, name string
}

// begun waits until the snapshots of the image are under way.
func (m *mark) begun(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, markTime, fmt.Errorf("the snapshots of %s are not under way after %s", m.id, markTime))
	defer cancel()
	from := m.last()
	_, err := m.r.images.Wait(ctx, m.id, func(img types.Image, exists bool) (bool, error) {
		if exists && img.State == types.ImageStateFailed {
			return false, fmt.Errorf("the image %s failed", m.id)
		}
		return exists && underWay(img, from), nil
	})
	return m.r.explain(ctx, "", err)
}

// Image waits until the image is available. From then on it is not the
// session's any more.
func (m *mark) Image(ctx context.Context) (artifact.Artifact, error) {
	img, err := m.r.await(ctx, m.id, m.patience(imageTime))
	if err != nil {
		return artifact.Artifact{}, err
	}
	m.release(m.id, nil)
	return madeOf(TypeEBS, m.r.Name, img, m.values), nil
}

// Drop removes the image and its snapshots.
func (m *mark) Drop(ctx context.Context) error {
	if err := removeImage(ctx, m.r, resource(m.id, m.name, tagList(m.marks))); err != nil {
		return m.r.explain(ctx, "remove the checkpoint "+m.id, err)
	}
	for _, one := range m.left(kindImage) {
		if one.id == m.id {
			return m.gone(one)
		}
	}
	return m.env.Journal.Gone(m.id)
}
