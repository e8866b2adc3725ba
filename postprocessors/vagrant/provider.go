package vagrant

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors"
)

// providers are those that boxes are made for.
var providers = []string{"aws", "docker", "file", "google"}

// provider is what the box is for.
func (c *Config) provider(in postprocessors.Input) (string, error) {
	if c.ProviderOverride != "" {
		return c.ProviderOverride, nil
	}
	a := in.Artifact
	switch {
	case a.Image != nil:
		return "docker", nil
	case len(a.Places) > 0 && strings.HasPrefix(in.BuilderType, "amazon-"):
		return "aws", nil
	case len(a.Places) > 0 && in.BuilderType == "googlecompute":
		return "google", nil
	case len(a.Files) > 0 && a.Builder == "file" && a.ID == "File":
		return "file", nil
	}
	return "", builders.WithHint(errors.New("there is no box for such an artifact"),
		`it takes AMIs, images of Compute Engine, images of docker with a name, and files; provider_override = "file" puts the artifact's files into the box`)
}

// vagrantfile is what the box says of the artifact.
func vagrantfile(provider string, a artifact.Artifact) (string, error) {
	var lines []string
	switch provider {
	case "aws":
		if len(a.Places) == 0 {
			return "", errors.New("the artifact has no AMI")
		}
		for _, p := range a.Places {
			lines = append(lines, fmt.Sprintf("aws.region_config %s, ami: %s", quote(p.Name), quote(p.ID)))
		}
	case "google":
		if len(a.Places) == 0 {
			return "", errors.New("the artifact has no image of Compute Engine")
		}
		lines = append(lines, "google.image = "+quote(a.Places[0].ID))
	case "docker":
		if len(a.Tags) == 0 {
			return "", builders.WithHint(errors.New("the image has no name that Vagrant could pull it by"),
				`put a post-processor "docker-tag" before this one, and a "docker-push"`)
		}
		lines = append(lines, "docker.image = "+quote(a.Tags[len(a.Tags)-1]))
	default:
		return "", nil
	}
	return fmt.Sprintf("Vagrant.configure(\"2\") do |config|\n  config.vm.provider :%s do |%s|\n    %s\n  end\nend\n",
		provider, provider, strings.Join(lines, "\n    ")), nil
}

// quote writes a text as Ruby has it.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
