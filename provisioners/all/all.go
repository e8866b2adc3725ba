// Package all lists the provisioners, one line for each.
package all

import (
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/breakpoint"
	"github.com/ingot-build/ingot/provisioners/file"
	"github.com/ingot-build/ingot/provisioners/shell"
	"github.com/ingot-build/ingot/provisioners/shelllocal"
	"github.com/ingot-build/ingot/provisioners/sleep"
)

// List returns the provisioners there are.
func List() []provisioners.Definition {
	return []provisioners.Definition{
		breakpoint.Definition(),
		file.Definition(),
		shell.Definition(),
		shelllocal.Definition(),
		sleep.Definition(),
	}
}
