package ansible

import (
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// winrm is how Windows machines are reached.
const winrm = "winrm"

// windows reports whether the play reaches the machine by WinRM.
func (p *play) windows() bool { return p.in.ConnType == winrm }

// windowsLine is the line of a Windows machine in the inventory. What it says
// is as the options of the build's own login are.
func windowsLine() string {
	return "{{.HostAlias}} ansible_host={{.Host}} ansible_user={{.User}} ansible_port={{.Port}} ansible_connection=winrm" +
		" ansible_shell_type=powershell ansible_winrm_scheme=" + op.Token(op.ConnScheme) + " ansible_winrm_transport=" + op.Token(op.ConnAuth) +
		" ansible_winrm_server_cert_validation=" + op.Token(op.ConnCertificates)
}

// login gives the play what inventories that the template brings lack, too.
// What extra_arguments say comes later, and so counts more.
func (p *play) login() error {
	if p.config.AnsibleWinRMUseHTTP {
		p.args = append(p.args, "-e", "ansible_winrm_scheme=http")
	}
	if !p.windows() {
		return nil
	}
	return p.variables(secret.Plain("ansible_password=" + op.Token(op.ConnPassword)))
}

// proxied refuses the connection plugin that goes through Packer's proxy.
func (p *play) proxied(how string) error {
	if !p.windows() || how != "packer" {
		return nil
	}
	return &component.OptionError{Option: "extra_arguments",
		Message: `the connection "packer" is not supported: there is no proxy for WinRM`,
		Advice:  "leave it out: plays reach the machine by WinRM themselves"}
}
