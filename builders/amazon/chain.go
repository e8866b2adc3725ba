package amazon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// SourceOf returns the id of an image in the region where this one is made.
func (d distribution) SourceOf(ctx context.Context, a artifact.Artifact) (string, error) {
	r, err := d.from.access.Region(ctx, "")
	if err != nil {
		return "", err
	}
	var there []string
	for _, p := range a.Places {
		if p.Name == r.Name {
			return p.ID, nil
		}
		there = append(there, p.Name)
	}
	if len(there) == 0 {
		return "", errSkipped
	}
	return "", elsewhere("is", there, r.Name)
}

// Follows refuses a parent whose AMIs are made for other regions than the one
// where this one starts. A region that no option names is looked up.
func (d distribution) Follows(ctx context.Context, parent builders.Builder, look bool) error {
	p, ok := parent.(distributed)
	if !ok {
		return nil
	}
	home, here := p.from.access.config.Region, d.from.access.config.Region
	if look {
		from, err := p.from.access.Region(ctx, "")
		if err != nil {
			return err
		}
		to, err := d.from.access.Region(ctx, "")
		if err != nil {
			return err
		}
		home, here = from.Name, to.Name
	}
	if there := p.regions(home); here != "" && !slices.Contains(there, "") && !slices.Contains(there, here) {
		return elsewhere("will be", there, here)
	}
	return nil
}

func elsewhere(is string, there []string, here string) error {
	slices.Sort(there)
	return builders.WithHint(fmt.Errorf("its AMI %s in %s, and not in %s, where this one starts", is, strings.Join(there, ", "), here),
		fmt.Sprintf("add %q to ami_regions of its source", here))
}

// errSkipped is that of a build that makes no AMI.
var errSkipped = builders.WithHint(errors.New("it makes no AMI"), "remove skip_create_ami from its source")

// NoImage says that skip_create_ami is set.
func (d distribution) NoImage() error {
	if d.skipped {
		return errSkipped
	}
	return nil
}
