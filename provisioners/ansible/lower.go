package ansible

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Lower returns one Local: a script that installs what the galaxy file names,
// runs the play and ends the connections that Ansible keeps for later.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	if err := c.check(in); err != nil {
		return nil, err
	}
	p := &play{config: c, in: in, local: &op.Local{
		Dir: in.Dir, Argv: []string{"/bin/sh", op.Token(op.LocalDir) + "/play"}, KeepInputs: c.KeepInventoryFile, Connection: c.connection(in),
	}}
	p.local.Title = c.Command + " " + p.path(c.PlaybookFile)
	for _, step := range []func() error{p.environment, p.login, p.arguments, p.inventory, p.galaxy, p.script, p.reads} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if !c.SkipVersionCheck {
		p.local.Needs = append(p.local.Needs, c.Command)
		if !p.windows() {
			p.local.Needs = append(p.local.Needs, "ssh")
		}
		if len(p.install) > 0 {
			p.local.Needs = append(p.local.Needs, c.GalaxyCommand)
		}
	}
	return []op.Op{p.local}, nil
}

// play is a Local that is being put together.
type play struct {
	config *Config
	in     provisioners.Input
	local  *op.Local

	args     []string // further arguments
	common   []string // arguments of ssh that are among them
	invented string   // the inventory, as the command is given it
	install  []string // commands that install roles and collections
}

func (p *play) environment() error {
	env := map[string]secret.String{}
	for i, v := range p.config.AnsibleEnvVars {
		name, value, ok := strings.Cut(v.Reveal(), "=")
		if !ok || name == "" {
			return component.Errorf("ansible_env_vars", "number %d is not written as NAME=value", i+1)
		}
		env[name] = v.With(value)
	}
	unset := func(name, value string) {
		if _, set := env[name]; !set {
			env[name] = secret.Plain(value)
		}
	}
	if !p.windows() {
		p.sshEnvironment(unset)
	}
	if _, err := os.Stat(p.in.Path("ansible.cfg")); err != nil {
		if p.config.RolesPath != "" {
			unset("ANSIBLE_ROLES_PATH", p.path(p.config.RolesPath)+":~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles")
		}
		if p.config.CollectionsPath != "" {
			unset("ANSIBLE_COLLECTIONS_PATH", p.path(p.config.CollectionsPath)+":~/.ansible/collections:/usr/share/ansible/collections")
		}
	}
	p.local.Env = env
	return nil
}

func (p *play) sshEnvironment(unset func(name, value string)) {
	// Connections are kept for this run alone: another machine may come to
	// have the address.
	unset("ANSIBLE_SSH_CONTROL_PATH_DIR", op.Token(op.LocalDir)+"/c")
	if use := p.config.UseSFTP; use != nil {
		method := "scp"
		if *use {
			method = "sftp"
		}
		unset("ANSIBLE_SSH_TRANSFER_METHOD", method)
	}
}

// inventory makes the inventory, unless there is one.
func (p *play) inventory() error {
	c := p.config
	if c.InventoryFile != "" {
		p.invented = p.path(c.InventoryFile)
		return nil
	}
	line := "{{.HostAlias}} ansible_host={{.Host}} ansible_user={{.User}} ansible_port={{.Port}} ansible_host_key_checking=true"
	if p.windows() {
		line = windowsLine()
	}
	if c.InventoryFileTemplate != "" {
		line = c.InventoryFileTemplate
	}
	text, err := p.in.Render(line, map[string]string{
		"HostAlias": c.HostAlias, "Host": op.Token(op.ConnHost), "Port": op.Token(op.ConnPort), "User": op.Token(op.ConnUser),
	})
	if err != nil {
		return component.Errorf("inventory_file_template", "%v", err)
	}
	text = strings.TrimRight(text, "\n") + "\n"
	alias, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	for _, group := range c.Groups {
		text += fmt.Sprintf("\n[%s]\n%s\n", group, alias)
	}
	for _, group := range c.EmptyGroups {
		text += fmt.Sprintf("\n[%s]\n", group)
	}
	p.invented = op.Token(op.LocalDir) + "/inventory"
	switch {
	case c.InventoryDirectory != "":
		p.invented = strings.TrimSuffix(p.path(c.InventoryDirectory), "/") + "/ingot-inventory-" + op.Token(op.LocalID)
	case c.KeepInventoryFile: // beside the folder
		p.invented = op.Token(op.LocalDir) + "-inventory"
	}
	p.local.Inputs = append(p.local.Inputs, op.File{Path: p.invented, Mode: 0o600, Blob: op.Text(secret.Plain(text))})
	return nil
}

// path is a path of this host as the command is given it: below the folder
// that it runs in, it does not depend on where that is.
func (p *play) path(path string) string {
	if !filepath.IsAbs(path) {
		return path
	}
	dir, err := filepath.Abs(p.in.Dir)
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return rel
}

// endConnections is the part of the script that leaves no connection behind.
const endConnections = `# Ends the connections that ssh keeps open for what comes next.
end() {
	for s in "$dir"/c/*; do
		[ ! -S "$s" ] || ssh -o "ControlPath=$s" -O exit ingot 2>/dev/null
	done
}
trap end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
`

// script puts the commands together.
func (p *play) script() error {
	c := p.config
	names, err := json.Marshal(map[string]string{"packer_build_name": p.in.BuildName, "packer_builder_type": p.in.BuilderType})
	if err != nil {
		return err
	}
	args := []string{c.Command, "-i", p.invented, "-e", string(names)}
	var b strings.Builder
	if !p.windows() {
		fmt.Fprintf(&b, "dir=%s key=%s\n", quoted(op.Token(op.LocalDir)), quoted(op.Token(op.ConnKey)))
		b.WriteString(endConnections)
		args = append(args, p.sshArguments()...)
	}
	for _, command := range p.install {
		b.WriteString(command + " || exit\n")
	}
	if c.KeepInventoryFile && c.InventoryFile == "" {
		fmt.Fprintf(&b, "echo %s\n", quoted("The inventory stays: "+p.invented))
	}
	fmt.Fprintf(&b, "set -- %s\n", quoted(append(p.args, p.path(c.PlaybookFile))...))
	if !p.windows() {
		b.WriteString("[ -z \"$key\" ] || set -- --private-key \"$key\" \"$@\"\n")
	}
	fmt.Fprintf(&b, "%s \"$@\"\n", quoted(args...))
	p.local.Inputs = append(p.local.Inputs, op.File{
		Path: op.Token(op.LocalDir) + "/play", Mode: 0o700, Blob: op.Text(secret.Plain(b.String())),
	})
	return nil
}

func (p *play) sshArguments() []string {
	common := []string{
		`-o 'UserKnownHostsFile="` + op.Token(op.ConnKnownHosts) + `" ~/.ssh/known_hosts'`, "-o StrictHostKeyChecking=yes",
	}
	common = append(common, p.common...)
	return []string{"--ssh-common-args=" + strings.Join(common, " "), "--ssh-extra-args=" + strings.Join(p.config.AnsibleSSHExtraArgs, " ")}
}

// quoted writes arguments for a shell.
func quoted(args ...string) string {
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = "'" + op.Quote(a) + "'"
	}
	return strings.Join(list, " ")
}
