// Package all lists the provisioners, one line for each.
package all

import (
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/ansible"
	"github.com/ingot-build/ingot/provisioners/ansiblelocal"
	"github.com/ingot-build/ingot/provisioners/breakpoint"
	"github.com/ingot-build/ingot/provisioners/chefclient"
	"github.com/ingot-build/ingot/provisioners/chefsolo"
	"github.com/ingot-build/ingot/provisioners/expect"
	"github.com/ingot-build/ingot/provisioners/file"
	"github.com/ingot-build/ingot/provisioners/hcpsbom"
	"github.com/ingot-build/ingot/provisioners/powershell"
	"github.com/ingot-build/ingot/provisioners/puppetmasterless"
	"github.com/ingot-build/ingot/provisioners/puppetserver"
	"github.com/ingot-build/ingot/provisioners/saltmasterless"
	"github.com/ingot-build/ingot/provisioners/sbom"
	"github.com/ingot-build/ingot/provisioners/shell"
	"github.com/ingot-build/ingot/provisioners/shelllocal"
	"github.com/ingot-build/ingot/provisioners/sleep"
	"github.com/ingot-build/ingot/provisioners/windowsrestart"
	"github.com/ingot-build/ingot/provisioners/windowsshell"
)

// List returns the provisioners there are.
func List() []provisioners.Definition {
	return []provisioners.Definition{
		ansible.Definition(),
		ansiblelocal.Definition(),
		breakpoint.Definition(),
		chefclient.Definition(),
		chefsolo.Definition(),
		expect.Definition(),
		file.Definition(),
		hcpsbom.Definition(),
		powershell.Definition(),
		puppetmasterless.Definition(),
		puppetserver.Definition(),
		saltmasterless.Definition(),
		sbom.Definition(),
		shell.Definition(),
		shelllocal.Definition(),
		sleep.Definition(),
		windowsrestart.Definition(),
		windowsshell.Definition(),
	}
}
