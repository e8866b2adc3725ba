// Package all lists the builders, one line each.
package all

import (
	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/builders/container"
	"github.com/ingot-build/ingot/builders/file"
	"github.com/ingot-build/ingot/builders/google"
	"github.com/ingot-build/ingot/builders/null"
)

// List returns the builders that templates may use.
func List() []builders.Definition {
	return []builders.Definition{
		amazon.DefinitionEBS(),
		amazon.DefinitionSurrogate(),
		container.Definition(),
		file.Definition(),
		google.Definition(),
		null.Definition(),
	}
}

// Sweepers returns those that clear what dead runs left in clouds.
func Sweepers() []builders.Sweeper {
	return []builders.Sweeper{
		amazon.Sweeper(),
		google.Sweeper(),
	}
}
