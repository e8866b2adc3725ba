// Package dockertag is the post-processor "docker-tag": it names a container's
// image.
package dockertag

import (
	"context"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/containerimage"
)

// Config is the options of the post-processor.
type Config struct {
	// Repository is the name of the image without a tag, as
	// "registry.example.com/team/web".
	Repository string `hcl:"repository"`
	// Tags are the tags to give it. Default ["latest"].
	Tags []string `hcl:"tags,optional"`
	// Tag is the older name of tags. Default none.
	Tag []string `hcl:"tag,optional"`
	// Force is taken, and needs nothing done: a tag always moves to the new
	// image. Default false.
	Force bool `hcl:"force,optional"`
	// DockerPath is taken, and needs nothing done: no docker program is used.
	// Default "docker".
	DockerPath string `hcl:"docker_path,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "docker-tag", New: func() postprocessors.Processor {
		return &Config{DockerPath: "docker"}
	}}
}

// Check looks at the names.
func (c *Config) Check(postprocessors.Input) error {
	_, err := c.names()
	return err
}

// names returns the image's names, "repository:tag".
func (c *Config) names() ([]string, error) {
	tags := append(slices.Clone(c.Tag), c.Tags...)
	if len(tags) == 0 {
		tags = []string{"latest"}
	}
	if name, err := containerimage.Name(c.Repository); err != nil || name.String() != name.Name()+":latest" {
		return nil, component.Errorf("repository", "%q is not a name of an image without a tag", c.Repository)
	}
	var names []string
	for i, tag := range tags {
		name := c.Repository + ":" + tag
		if tagged, err := containerimage.Name(name); err != nil || tagged.Tag() != tag {
			option := "tags"
			if i < len(c.Tag) {
				option = "tag"
			}
			return nil, component.Errorf(option, "%q is not a tag", tag)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Process adds the names to the artifact. docker-push pushes the image under
// each of them, and docker-save writes them beside it.
func (c *Config) Process(_ context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true, MustKeep: true}
	if _, err := containerimage.Of(in); err != nil {
		return result, err
	}
	names, err := c.names()
	if err != nil {
		return result, err
	}
	result.Artifact.Tags = slices.Clone(in.Artifact.Tags)
	for _, name := range names {
		in.Log.Say("Tagging image: " + name)
		if !slices.Contains(result.Artifact.Tags, name) {
			result.Artifact.Tags = append(result.Artifact.Tags, name)
		}
	}
	result.Artifact.ID = names[len(names)-1] // as with Packer
	result.Artifact.Text = "Imported Docker image: " + in.Artifact.Image.Digest + " with tags " + strings.Join(result.Artifact.Tags, " ")
	return result, nil
}
