// Package amazon makes EC2 images: amazon-ebs from an instance's own volumes,
// amazon-ebssurrogate from volumes that the instance fills.
package amazon

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// imageTime is how long an image may take to become available.
const imageTime = 2 * time.Hour

// ebs is the cloud of amazon-ebs.
type ebs struct {
	*source
	ami     AMIConfig
	disks   DiskConfig
	capture CaptureConfig
}

func newEBS(s *source, ami AMIConfig, disks DiskConfig, capture CaptureConfig) builders.Builder {
	c := &ebs{source: s, ami: ami, disks: disks, capture: capture}
	return distributed{Builder: s.builder(c), distribution: distribution{from: s, ami: ami, tags: c.tags(), skipped: capture.SkipCreateAMI}}
}

// tags say which tags the image and its snapshots get.
func (c *ebs) tags() imageTags {
	return imageTags{ami: c.ami, run: c.run, skipRun: c.capture.SkipAMIRunTags}
}

// Exists reports whether the image is there, in every place. One that
// skip_create_ami did not make does not exist.
func (s *source) Exists(ctx context.Context, a artifact.Artifact) (bool, error) {
	for _, p := range a.Places {
		r, err := s.access.Region(ctx, p.Name)
		if err != nil {
			return false, err
		}
		img, ok, err := r.present(ctx, p.ID)
		if err != nil {
			return false, err
		}
		if !ok || img.State != types.ImageStateAvailable {
			return false, nil
		}
	}
	return len(a.Places) > 0, nil
}

// await waits until an image is available.
func (r *Region) await(ctx context.Context, id string, patience time.Duration) (types.Image, error) {
	return r.awaitSeen(ctx, id, patience, func(types.Image) {})
}

// awaitSeen is await that tells of each state on the way.
func (r *Region) awaitSeen(ctx context.Context, id string, patience time.Duration, saw func(types.Image)) (types.Image, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the image %s is not available after %s", id, patience))
	defer cancel()
	img, err := r.images.Wait(ctx, id, func(img types.Image, exists bool) (bool, error) {
		if !exists {
			return false, nil
		}
		saw(img)
		switch img.State {
		case types.ImageStateAvailable:
			return true, nil
		case types.ImageStatePending, types.ImageStateTransient:
			return false, nil
		}
		reason := string(img.State)
		if img.StateReason != nil {
			reason += ": " + aws.ToString(img.StateReason.Message)
		}
		return false, fmt.Errorf("the image %s became %s", id, reason)
	})
	if err != nil && code(err) != "" {
		err = r.explain(ctx, "wait for the image "+id, err)
	}
	return img, err
}
