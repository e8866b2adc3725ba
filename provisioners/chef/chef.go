// Package chef is what chef-solo and chef-client have in common: how Chef is
// installed and run, its configuration file and the node's attributes.
package chef

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// Options are the options that both share.
type Options struct {
	// RunList is the run list. Default: what the attributes, or the server,
	// say.
	RunList []string `hcl:"run_list,optional"`
	// JSONString is the node's attributes, as jsonencode() writes them.
	JSONString secret.String `hcl:"json_string,optional"`
	// JSON is the node's attributes as an object. json_string wins over it.
	JSON cty.Value `hcl:"json,optional"`
	// ChefEnvironment is the Chef environment. Default none.
	ChefEnvironment string `hcl:"chef_environment,optional"`
	// ChefLicense says that Chef's license is accepted: "accept",
	// "accept-silent" or "accept-no-persist". Default "accept-silent" where
	// Chef is installed by the default install_command.
	ChefLicense string `hcl:"chef_license,optional"`
	// ConfigTemplate is the path of a Go template on this host that Chef's
	// configuration is made from. Default: a configuration of what is set here.
	ConfigTemplate string `hcl:"config_template,optional"`
	// EncryptedDataBagSecretPath is the path of the secret of encrypted data
	// bags on this host. It is on the machine only while Chef runs, and only
	// the login may read it.
	EncryptedDataBagSecretPath string `hcl:"encrypted_data_bag_secret_path,optional"`
	// SkipInstall leaves the installation of Chef to others. Default false.
	SkipInstall bool `hcl:"skip_install,optional"`
	// Version is the version of Chef to install. Default the newest.
	Version string `hcl:"version,optional"`
	// InstallCommand is the command that installs Chef. Its fields are
	// {{.Sudo}} and {{.Version}}. Default: Chef's own installer, from
	// https://omnitruck.chef.io/install.sh, fetched with curl.
	InstallCommand secret.String `hcl:"install_command,optional" template:"late"`
	// PreventSudo runs Chef and its installer as the login, not with sudo.
	// Default false.
	PreventSudo bool `hcl:"prevent_sudo,optional"`
	// GuestOSType is the kind of the machine's system. Only "unix" is
	// supported. Default "unix".
	GuestOSType string `hcl:"guest_os_type,optional"`
}

const defaultInstall = `curl -fsSL https://omnitruck.chef.io/install.sh | {{if .Sudo}}sudo {{end}}bash -s --{{if .Version}} -v {{.Version}}{{end}}`

// License is the license that the configuration accepts, "" for none.
func (o Options) License() string {
	if o.ChefLicense == "" && !o.SkipInstall && o.InstallCommand.Reveal() == "" {
		return "accept-silent"
	}
	return o.ChefLicense
}

// Check says what is wrong with the options.
func (o Options) Check() error {
	if err := staging.CheckGuest(o.GuestOSType); err != nil {
		return err
	}
	switch o.ChefLicense {
	case "", "accept", "accept-silent", "accept-no-persist":
		return nil
	}
	return component.Errorf("chef_license", `%q is none of "accept", "accept-silent" and "accept-no-persist"`, o.ChefLicense)
}

// Mentions are the texts that may name a place on the machine.
func (o Options) Mentions() []string {
	return []string{o.InstallCommand.Reveal(), o.JSONString.Reveal(), strings.Join(o.RunList, " ")}
}

// attributes is the node's attributes with its run list, as JSON.
func (o Options) attributes() (secret.String, error) {
	out := o.JSONString
	all := map[string]any{}
	if o.JSON != cty.NilVal && !o.JSON.IsNull() {
		plain, marks := o.JSON.UnmarkDeep()
		if _, ok := marks[component.Sensitive]; ok {
			out = secret.Sensitive("")
		}
		text, err := ctyjson.Marshal(plain, plain.Type())
		if err != nil || decode(text, &all) != nil {
			return out, component.Errorf("json", "is not an object")
		}
	}
	if text := o.JSONString.Reveal(); text != "" {
		if err := decode([]byte(text), &all); err != nil {
			if out.IsSensitive() {
				return out, component.Errorf("json_string", "is not a JSON object")
			}
			return out, component.Errorf("json_string", "is not a JSON object: %v", err)
		}
	}
	if len(o.RunList) > 0 {
		all["run_list"] = o.RunList
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(all)
	return out.With(b.String()), err
}

// decode adds the members of a JSON object to all, numbers as they are written.
func decode(text []byte, all *map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(all); err != nil {
		return err
	}
	if *all == nil {
		return fmt.Errorf("it is null")
	}
	if d.More() {
		return fmt.Errorf("there is more after its end")
	}
	return nil
}

// Template returns the template of Chef's configuration: the option's, or
// standard.
func (o Options) Template(in provisioners.Input, standard string) (string, error) {
	if o.ConfigTemplate == "" {
		return standard, nil
	}
	return staging.Read(in, "config_template", o.ConfigTemplate)
}

// Secret puts the secret of encrypted data bags into the folder and returns
// its path there, "" where there is none.
func (o Options) Secret(folder *staging.Folder) (string, error) {
	if o.EncryptedDataBagSecretPath == "" {
		return "", nil
	}
	return folder.Secret("encrypted_data_bag_secret_path", o.EncryptedDataBagSecretPath, "encrypted_data_bag_secret")
}

// Run is one run of Chef.
type Run struct {
	Tool       string        // "chef-solo"
	Command    secret.String // template that runs it
	Config     secret.String // content of its configuration
	ConfigName string        // of that file in the folder
	NodeName   string        // of the file of attributes
	Then       secret.String // script that follows, also when Chef has failed; it may set $rc
}

// Run is Chef installed, where the options want it, and run in the folder.
func (o Options) Run(in provisioners.Input, folder *staging.Folder, r Run) ([]op.Op, error) {
	attributes, err := o.attributes()
	if err != nil {
		return nil, err
	}
	install, err := o.install(in)
	if err != nil {
		return nil, err
	}
	execute, err := staging.Render(in, "execute_command", r.Command, staging.Fields{"Sudo": staging.Flag(!o.PreventSudo),
		"ConfigPath": folder.Text(r.ConfigName, r.Config), "JsonPath": folder.Text(r.NodeName, attributes)})
	if err != nil {
		return nil, err
	}
	execute = execute.With(fmt.Sprintf("(\n%s\n)\nrc=$?\n", execute.Reveal()))
	return folder.Run(staging.Command{Title: r.Tool,
		Script: secret.Join([]secret.String{install, execute, r.Then, secret.Plain("exit $rc\n")}, "")}), nil
}

// install is the part of a script that installs Chef, "" where nobody wants it.
func (o Options) install(in provisioners.Input) (secret.String, error) {
	if o.SkipInstall {
		return secret.String{}, nil
	}
	template := o.InstallCommand
	if template.Reveal() == "" {
		template = secret.Plain(defaultInstall)
	}
	command, err := staging.Render(in, "install_command", template, staging.Fields{"Sudo": staging.Flag(!o.PreventSudo), "Version": o.Version})
	if err != nil {
		return command, err
	}
	return command.With(fmt.Sprintf("(\n%s\n) || { rc=$?; echo \"install_command ended with exit code $rc\" >&2; exit $rc; }\n", command.Reveal())), nil
}

// String writes text as a string of Ruby.
func String(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "#", `\#`, "\n", `\n`).Replace(text) + `"`
}
