package ansible

import (
	"os"
	"regexp"

	"github.com/ingot-build/ingot/internal/component"
)

var (
	hasRoles       = regexp.MustCompile(`(?m)^["']?roles["']?\s*:`)
	hasCollections = regexp.MustCompile(`(?m)^["']?collections["']?\s*:`)
)

// Requirements says what a requirements file asks for. One that names neither
// is a list of roles.
func Requirements(path string) (roles, collections bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, false, err
	}
	collections = hasCollections.Match(text)
	return hasRoles.Match(text) || !collections, collections, nil
}

// galaxy makes the commands that install what the galaxy file asks for.
func (p *play) galaxy() error {
	c := p.config
	if c.GalaxyFile == "" {
		return nil
	}
	roles, collections, err := Requirements(p.in.Path(c.GalaxyFile))
	if err != nil {
		return component.Errorf("galaxy_file", "%v", err)
	}
	var force []string
	if c.GalaxyForceInstall {
		force = append(force, "--force")
	}
	if c.GalaxyForceWithDeps {
		force = append(force, "--force-with-deps")
	}
	install := func(kind, to string) {
		args := append([]string{c.GalaxyCommand, kind, "install", "-r", p.path(c.GalaxyFile)}, force...)
		if to != "" {
			args = append(args, "-p", p.path(to))
		}
		p.install = append(p.install, quoted(args...))
	}
	if roles {
		install("role", c.RolesPath)
	}
	if collections {
		install("collection", c.CollectionsPath)
	}
	return nil
}
