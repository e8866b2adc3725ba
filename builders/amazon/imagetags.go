package amazon

import (
	"maps"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// Tags that images carry beside those of all that a run makes.
const (
	// tagOrigin is on a copy: "REGION:ID" of the image that was made.
	tagOrigin = "ingot:copy-of"
	// tagName is on an image that is made only to be copied: the name that its
	// copies get.
	tagName = "ingot:name"
)

// imageTags are the options that say which tags images and their snapshots get.
type imageTags struct {
	ami     AMIConfig
	run     RunConfig
	skipRun bool // skip_ami_run_tags
}

// of returns the tags of an image, and of its snapshots: those have the image's
// and their own.
func (t imageTags) of(v op.Values) (image, snapshots map[string]string) {
	image = map[string]string{}
	if !t.skipRun {
		image = merged(t.run.RunTags, t.run.RunTag, v)
	}
	maps.Copy(image, merged(t.ami.Tags, t.ami.Tag, v))
	snapshots = maps.Clone(image)
	maps.Copy(snapshots, merged(t.ami.SnapshotTags, t.ami.SnapshotTag, v))
	return image, snapshots
}

// lateNames are the labels that keep with an artifact what the tags of later
// copies may ask for, by the name of the build's value.
func lateNames() map[string]string {
	return map[string]string{
		"SourceAMI": "source_ami", "SourceAMIName": "source_ami_name", "SourceAMICreationDate": "source_ami_creation_date",
		"SourceAMIOwner": "source_ami_owner", "SourceAMIOwnerName": "source_ami_owner_name", "BuildRegion": "region",
	}
}

// sourceTag begins the names of the values that are tags of the source image,
// and labelTag those of their labels.
const (
	sourceTag = "build.SourceAMITags."
	labelTag  = "source_ami_tag."
)

// lateLabels returns the labels of an artifact that lateValues reads.
func lateLabels(v op.Values) map[string]string {
	m := map[string]string{}
	for name, value := range v {
		if tag, ok := strings.CutPrefix(name, sourceTag); ok {
			m[labelTag+tag] = value.Reveal()
		}
	}
	for name, label := range lateNames() {
		if text := v["build."+name].Reveal(); text != "" {
			m[label] = text
		}
	}
	return m
}

// lateValues returns the values that were known when the artifact was made.
func lateValues(a artifact.Artifact) op.Values {
	v := op.Values{}
	for name, label := range lateNames() {
		v["build."+name] = secret.Plain(a.Labels[label])
	}
	for label, value := range a.Labels {
		if tag, ok := strings.CutPrefix(label, labelTag); ok {
			v[sourceTag+tag] = secret.Plain(value)
		}
	}
	return v
}
