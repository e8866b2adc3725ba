package amazon

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func findImages(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	all := true
	page, err := r.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}, Filters: filters,
		IncludeDeprecated: &all, IncludeDisabled: &all})
	if err != nil {
		return nil, err
	}
	var out []*thing
	for _, i := range page.Images {
		t := resource(aws.ToString(i.ImageId), aws.ToString(i.Name), i.Tags)
		t.Created, _ = time.Parse(time.RFC3339, aws.ToString(i.CreationDate))
		t.snapshots = snapshotsOf(i)
		out = append(out, t)
	}
	return out, nil
}

// snapshotsOf returns the ids of the snapshots that an image is made of.
func snapshotsOf(img types.Image) []string {
	var ids []string
	for _, d := range img.BlockDeviceMappings {
		if d.Ebs != nil && d.Ebs.SnapshotId != nil {
			ids = append(ids, *d.Ebs.SnapshotId)
		}
	}
	return ids
}

// removeImage deregisters an image and deletes the snapshots that its run made
// for it. Others it may have been given.
func removeImage(ctx context.Context, r *Region, t *thing) error {
	if t.snapshots == nil {
		t.snapshots = r.settled(ctx, t.ID)
	}
	snapshots, err := r.ownSnapshots(ctx, t.ID, t.snapshots, t.Tags)
	if err != nil {
		return err
	}
	_, err = r.EC2.DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: &t.ID})
	if err != nil && !hasCode(err, "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable") {
		return err
	}
	return r.deleteSnapshots(ctx, snapshots)
}

// settleTime is how long an image that was made just now may take to be found.
const settleTime = 5 * time.Second

// settled returns the snapshots of an image as soon as it is found: one that
// was made just now may not be, and then its snapshots are not found either.
func (r *Region) settled(ctx context.Context, id string) []string {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	img, err := r.images.Wait(ctx, id, func(_ types.Image, exists bool) (bool, error) { return exists, nil })
	if err != nil {
		return nil // it is not there any more
	}
	return snapshotsOf(img)
}

// ownSnapshots returns those snapshots of an image that the same run made, also
// where the image does not name them yet.
func (r *Region) ownSnapshots(ctx context.Context, image string, named []string, tags map[string]string) ([]string, error) {
	run := tags[tagRun]
	if run == "" {
		return nil, nil
	}
	list, err := r.listSnapshots(ctx, []types.Filter{filter("tag:"+tagRun, run)})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range list {
		id, about := aws.ToString(s.SnapshotId), aws.ToString(s.Description)
		// "Created by CreateImage(i-…) for ami-…", "Copied for DestinationAmi ami-… from …"
		if slices.Contains(named, id) || strings.Contains(about, " for "+image) || strings.Contains(about, "DestinationAmi "+image) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// deleteSnapshots deletes snapshots of an image that was deregistered just now.
func (r *Region) deleteSnapshots(ctx context.Context, ids []string) error {
	for _, id := range ids {
		err := eventually(ctx, func() error {
			_, err := r.EC2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id})
			return err
		}, "InvalidSnapshot.InUse")
		if err != nil && !hasCode(err, "InvalidSnapshot.NotFound") {
			return r.explain(ctx, "delete the snapshot "+id, err)
		}
	}
	return nil
}

func (r *Region) listSnapshots(ctx context.Context, filters []types.Filter) ([]types.Snapshot, error) {
	p := ec2.NewDescribeSnapshotsPaginator(r.EC2, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: filters})
	var out []types.Snapshot
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return out, err
		}
		out = append(out, page.Snapshots...)
	}
	return out, nil
}

func findSnapshots(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	list, err := r.listSnapshots(ctx, filters)
	var out []*thing
	for _, s := range list {
		t := resource(aws.ToString(s.SnapshotId), "", s.Tags)
		t.Created = aws.ToTime(s.StartTime)
		out = append(out, t)
	}
	return out, err
}

func removeSnapshot(ctx context.Context, r *Region, t *thing) error {
	_, err := r.EC2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &t.ID})
	return err
}

func findVolumes(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	p := ec2.NewDescribeVolumesPaginator(r.EC2, &ec2.DescribeVolumesInput{Filters: filters})
	var out []*thing
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return out, err
		}
		for _, v := range page.Volumes {
			if v.State == types.VolumeStateDeleting || v.State == types.VolumeStateDeleted {
				continue
			}
			t := resource(aws.ToString(v.VolumeId), "", v.Tags)
			t.Created = aws.ToTime(v.CreateTime)
			out = append(out, t)
		}
	}
	return out, nil
}

// removeVolume deletes a volume, which the instance that had it has just let go.
func removeVolume(ctx context.Context, r *Region, t *thing) error {
	return eventually(ctx, func() error {
		_, err := r.EC2.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &t.ID})
		return err
	}, "VolumeInUse", "IncorrectState")
}
