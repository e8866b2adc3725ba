package amazon

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// BaseOf returns base with an image that a build made in place of its image.
func (d distribution) BaseOf(a artifact.Artifact, base builders.Base) (builders.Base, error) {
	if len(a.Places) == 0 {
		return base, errors.New("no AMI was made that an instance can begin from")
	}
	base.From = &a
	return base, nil
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
