// Package all lists the data sources, one line each.
package all

import (
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/datasources/amazonami"
	"github.com/ingot-build/ingot/datasources/amazonparameterstore"
	"github.com/ingot-build/ingot/datasources/amazonsecretsmanager"
	"github.com/ingot-build/ingot/datasources/googlecomputeimage"
	"github.com/ingot-build/ingot/datasources/googlecomputeparametermanager"
	"github.com/ingot-build/ingot/datasources/googlecomputesecretsmanager"
	"github.com/ingot-build/ingot/datasources/hcppackerartifact"
	"github.com/ingot-build/ingot/datasources/hcppackerimage"
	"github.com/ingot-build/ingot/datasources/hcppackeriteration"
	"github.com/ingot-build/ingot/datasources/hcppackerversion"
	"github.com/ingot-build/ingot/datasources/http"
)

// List returns the data sources that templates may use.
func List() []datasources.Definition {
	return []datasources.Definition{
		amazonami.Definition(),
		amazonparameterstore.Definition(),
		amazonsecretsmanager.Definition(),
		googlecomputeimage.Definition(),
		googlecomputeparametermanager.Definition(),
		googlecomputesecretsmanager.Definition(),
		hcppackerartifact.Definition(),
		hcppackerimage.Definition(),
		hcppackeriteration.Definition(),
		hcppackerversion.Definition(),
		http.Definition(),
	}
}
