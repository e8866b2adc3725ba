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
		return "", builders.WithHint(errors.New("it made no AMI"), "remove skip_create_ami from its source")
	}
	slices.Sort(there)
	return "", builders.WithHint(fmt.Errorf("its AMI is in %s, and not in %s, where this one starts", strings.Join(there, ", "), r.Name),
		fmt.Sprintf("add %q to ami_regions of its source", r.Name))
}
