package hcppacker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/registry"
)

// Artifact is an artifact of a version in one place.
type Artifact struct {
	Record        artifact.Record
	Platform      string // "aws", "gce", "docker" …
	ComponentType string // "amazon-ebs.web"
	Region        string
	ID            string // what it is called there: an AMI, an image, a reference
	Labels        map[string]string
}

// Select returns the first artifact of a version on a platform and in a
// region. With a component type, which is the name of a build with or without
// that of its block, just that one.
func Select(r datasources.Versions, v registry.Version, platform, region, component string) (Artifact, error) {
	var there []string
	for _, rec := range v.Records {
		own := platformOf(rec.Artifact.Builder)
		typ := componentType(rec)
		for _, p := range places(r, v.Bucket, rec) {
			if own == platform && p.Name == region && (component == "" || component == typ || component == rec.Build) {
				return Artifact{Record: rec, Platform: own, ComponentType: typ, Region: region, ID: p.ID, Labels: labels(v, rec)}, nil
			}
			there = append(there, fmt.Sprintf("%s %s (%s)", own, p.Name, typ))
		}
	}
	slices.Sort(there)
	what := fmt.Sprintf("platform %q, region %q", platform, region)
	if component != "" {
		what += fmt.Sprintf(", component_type %q", component)
	}
	return Artifact{}, builders.WithHint(
		fmt.Errorf("version %s of bucket %s has no artifact with %s; it has: %s", v.Name, v.Bucket, what, cmp.Or(strings.Join(slices.Compact(there), ", "), "none")),
		"what it has, and where: ingot registry show "+v.Bucket+" "+v.Name)
}

// Found tells that the artifact of a version was read.
func (a Artifact) Found(in datasources.Input, v registry.Version) {
	if in.Found != nil {
		in.Found(a.ID, artifact.Parent{Bucket: v.Bucket, Version: v.Name, Build: a.Record.Build, Key: a.Record.Key})
	}
}

// platformOf is what HCP calls the platform of a builder.
func platformOf(builder string) string {
	switch {
	case strings.HasPrefix(builder, "amazon-"):
		return "aws"
	case builder == "googlecompute":
		return "gce"
	}
	return builder
}

// componentType is the address of a build without the name of its block.
func componentType(rec artifact.Record) string {
	typ := rec.Artifact.Builder + "."
	if i := strings.Index("."+rec.Build, "."+typ); i >= 0 && typ != "." {
		return rec.Build[i:]
	}
	return rec.Build
}

// places are the names of an artifact's places as HCP has them: those of a
// Google image are also the zone and the region that it was made in; a
// container's image has one, which is called as its platform is.
func places(r datasources.Versions, bucket string, rec artifact.Record) []artifact.Place {
	a := rec.Artifact
	if a.Image != nil {
		return []artifact.Place{{Name: a.Builder, ID: r.Image(bucket, *a.Image)}}
	}
	out := slices.Clone(a.Places)
	if zone := a.Labels["zone"]; zone != "" && len(a.Places) > 0 {
		out = append(out, artifact.Place{Name: zone, ID: a.Places[0].ID})
		if i := strings.LastIndexByte(zone, '-'); i > 0 {
			out = append(out, artifact.Place{Name: zone[:i], ID: a.Places[0].ID})
		}
	}
	if len(out) == 0 && a.ID != "" {
		out = []artifact.Place{{Name: a.Builder, ID: a.ID}}
	}
	return out
}

// labels are those of the version and of the artifact.
func labels(v registry.Version, rec artifact.Record) map[string]string {
	out := map[string]string{}
	maps.Copy(out, rec.Artifact.Labels)
	maps.Copy(out, v.Labels)
	return out
}
