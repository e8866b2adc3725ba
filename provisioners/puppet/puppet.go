// Package puppet is what puppet-masterless and puppet-server have in common:
// facts, the command's template, and what its exit codes mean.
package puppet

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/script"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// Options are the options that both share.
type Options struct {
	// Facter is facts for the run, beside "packer_build_name" and
	// "packer_builder_type". They are in the environment, also sensitive ones.
	Facter map[string]secret.String `hcl:"facter,optional"`
	// ExtraArguments are more arguments for puppet, joined by spaces and put
	// into {{.ExtraArguments}}. They are Go templates with the same fields as
	// execute_command.
	ExtraArguments []secret.String `hcl:"extra_arguments,optional" template:"late"`
	// PuppetBinDir is the folder of the machine that the program puppet is
	// in, as "/opt/puppetlabs/bin". Default: it is looked for in $PATH.
	PuppetBinDir string `hcl:"puppet_bin_dir,optional"`
	// PreventSudo runs puppet as the login, not with sudo. Default false.
	PreventSudo bool `hcl:"prevent_sudo,optional"`
	// IgnoreExitCodes takes any exit code of puppet for success. Default
	// false: only 0 and 2, which says that something was changed, are.
	IgnoreExitCodes bool `hcl:"ignore_exit_codes,optional"`
	// WorkingDirectory is the folder of the machine that puppet is run in. It
	// must exist. Default the staging folder.
	WorkingDirectory string `hcl:"working_directory,optional"`
	// CleanStagingDirectory removes the staging folder after the run also
	// where the template chose it. Default false. A folder that nobody chose
	// is removed in any case.
	CleanStagingDirectory bool `hcl:"clean_staging_directory,optional"`
	// GuestOSType is the kind of the machine's system. Only "unix" is
	// supported. Default "unix".
	GuestOSType string `hcl:"guest_os_type,optional"`
	// ElevatedUser is for Windows.
	ElevatedUser string `hcl:"elevated_user,optional" refuse:"it is for Windows, which this provisioner does not support"`
	// ElevatedPassword is for Windows.
	ElevatedPassword secret.String `hcl:"elevated_password,optional" refuse:"it is for Windows, which this provisioner does not support"`
}

// Mentions are the texts that may name a place on the machine.
func (o Options) Mentions(command secret.String) []string {
	texts := []string{command.Reveal(), o.WorkingDirectory}
	for _, a := range o.ExtraArguments {
		texts = append(texts, a.Reveal())
	}
	for _, v := range o.Facter {
		texts = append(texts, v.Reveal())
	}
	return texts
}

// Run is one run of puppet.
type Run struct {
	Title   string         // "puppet apply"
	Command secret.String  // execute_command, a template
	Fields  staging.Fields // of the command, beside those that both share
}

// Lower returns the ops that fill the folder and run puppet.
func (o Options) Lower(in provisioners.Input, folder *staging.Folder, run Run) ([]op.Op, error) {
	vars, env, err := o.facts(in)
	if err != nil {
		return nil, err
	}
	fields := maps.Clone(run.Fields)
	maps.Copy(fields, staging.Fields{
		"Debug": "", "FacterVars": vars, "ExtraArguments": "", "PuppetBinDir": o.PuppetBinDir,
		"Sudo": staging.Flag(!o.PreventSudo), "WorkingDir": o.WorkingDirectory,
	})
	if o.WorkingDirectory == "" {
		fields["WorkingDir"] = folder.Path
	}
	arguments, err := staging.Render(in, "extra_arguments", secret.Join(o.ExtraArguments, " "), fields)
	if err != nil {
		return nil, err
	}
	fields["ExtraArguments"] = arguments.Reveal()
	command, err := staging.Render(in, "execute_command", run.Command, fields)
	if err != nil {
		return nil, err
	}
	command = secret.Join([]secret.String{command, arguments.With("")}, "")
	return folder.Run(staging.Command{Title: run.Title, Env: env, Script: command.With(o.script(command.Reveal()))}), nil
}

// script runs the command and says by its exit code whether puppet did well.
// It is one group, so that a mistake in the command is seen before any of it
// runs: a shell ends with 2 then, which from puppet means success.
func (o Options) script(command string) string {
	var b strings.Builder
	if o.WorkingDirectory != "" {
		fmt.Fprintf(&b, "cd %s || exit 1\n", o.WorkingDirectory)
	}
	fmt.Fprintf(&b, "(\n%s\n)\nrc=$?\n", command)
	if o.IgnoreExitCodes {
		b.WriteString("[ $rc = 0 ] || [ $rc = 2 ] || echo \"puppet ended with exit code $rc: ignored\"\nexit 0\n")
	} else {
		b.WriteString("[ $rc != 2 ] || rc=0 # something was changed\nexit $rc\n")
	}
	return b.String()
}

var factName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// facts returns the variables that give puppet its facts, as they stand before
// a command, and an environment. A value that may be sensitive is in the
// environment, and the command only names it.
func (o Options) facts(in provisioners.Input) (string, map[string]secret.String, error) {
	facts := maps.Clone(o.Facter)
	if facts == nil {
		facts = map[string]secret.String{}
	}
	facts["packer_build_name"], facts["packer_builder_type"] = secret.Plain(in.BuildName), secret.Plain(in.BuilderType)
	env := map[string]secret.String{}
	var vars []string
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		if !factName.MatchString(name) {
			return "", nil, component.Errorf("facter", "%q is not the name of a fact: letters, digits and _", name)
		}
		value := facts[name]
		switch {
		case strings.ContainsRune(value.Reveal(), 0):
			return "", nil, component.Errorf("facter", "the value of %s holds a zero byte, which an environment can't", name)
		case script.Revealing(value):
			env["FACTER_"+name] = value
			vars = append(vars, fmt.Sprintf(`FACTER_%[1]s="$FACTER_%[1]s"`, name))
		default:
			vars = append(vars, fmt.Sprintf("FACTER_%s='%s'", name, op.Quote(value.Reveal())))
		}
	}
	return strings.Join(vars, " "), env, nil
}
