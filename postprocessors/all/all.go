// Package all lists the post-processors, one line for each.
package all

import (
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/amazonimport"
	"github.com/ingot-build/ingot/postprocessors/artifice"
	"github.com/ingot-build/ingot/postprocessors/checksum"
	"github.com/ingot-build/ingot/postprocessors/compress"
	"github.com/ingot-build/ingot/postprocessors/dockerimport"
	"github.com/ingot-build/ingot/postprocessors/dockerpush"
	"github.com/ingot-build/ingot/postprocessors/dockersave"
	"github.com/ingot-build/ingot/postprocessors/dockertag"
	"github.com/ingot-build/ingot/postprocessors/googlecomputeexport"
	"github.com/ingot-build/ingot/postprocessors/googlecomputeimport"
	"github.com/ingot-build/ingot/postprocessors/manifest"
	"github.com/ingot-build/ingot/postprocessors/provenance"
	"github.com/ingot-build/ingot/postprocessors/shelllocal"
	"github.com/ingot-build/ingot/postprocessors/vagrant"
)

// List returns the post-processors there are.
func List() []postprocessors.Definition {
	return []postprocessors.Definition{
		amazonimport.Definition(),
		artifice.Definition(),
		checksum.Definition(),
		compress.Definition(),
		dockerimport.Definition(),
		dockerpush.Definition(),
		dockersave.Definition(),
		dockertag.Definition(),
		googlecomputeexport.Definition(),
		googlecomputeimport.Definition(),
		manifest.Definition(),
		provenance.Definition(),
		shelllocal.Definition(),
		vagrant.Definition(),
	}
}
