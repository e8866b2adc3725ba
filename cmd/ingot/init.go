package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/templates"
)

type initFlags struct{ templateFlags }

func newInitCommand(p *program) *cobra.Command {
	f := initFlags{templateFlags{program: p}}
	cmd := &cobra.Command{
		Use:   "init [flags] [TEMPLATE | STARTER [FOLDER]]",
		Short: "Check what a template requires, or start a new one",
		Long: `Init with a template checks required_plugins, and says which of them are built
into ingot and which are lacking, and where these are used. Nothing is downloaded.

Without one, in a folder that has no template, it lists templates to start with.
With the name of one it writes that: into FOLDER, else into the working directory
if that is empty, else into a new folder of its name. No file is overwritten.

` + starterList(),
		Example: `  ingot init .
  ingot init                  # lists the templates to start with
  ingot init aws-golden
  ingot init quickstart my/images`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return templates.Names(), cobra.ShellCompDirectiveDefault
		},
	}
	f.addLanguage(cmd)
	inertShared(cmd)
	inert(cmd, "upgrade", builtIn)
	inert(cmd, "force", builtIn)
	return cmd
}

func starterList() string {
	var out strings.Builder
	out.WriteString("Templates to start with:\n\n")
	for _, s := range templates.List() {
		fmt.Fprintf(&out, "  %-14s %s\n", s.Name, s.Summary)
	}
	return out.String()
}

func (f *initFlags) run(cmd *cobra.Command, args []string) error {
	out := cmd.OutOrStdout()
	if len(args) == 0 {
		if f.templateNeeded || hasTemplate(".") {
			path, err := f.template(cmd, args)
			if err != nil {
				return err
			}
			return f.checkPlugins(cmd, path)
		}
		fmt.Fprintf(out, "%s\nWrite one with `%s init NAME`.\n", starterList(), f.name)
		return nil
	}
	_, statErr := os.Stat(args[0])
	s, isStarter := templates.Find(args[0])
	switch {
	case len(args) == 2 && !isStarter, statErr != nil && !isStarter:
		return noStarter(args[0], len(args) == 2)
	case len(args) == 2:
		return f.start(cmd, s, args[1])
	case statErr == nil:
		return f.checkPlugins(cmd, args[0])
	}
	folder := s.Name
	if empty(".") {
		folder = "."
	}
	return f.start(cmd, s, folder)
}

func noStarter(name string, sure bool) error {
	err := fmt.Errorf("there is no template to start with of the name %s", name)
	if !sure {
		err = fmt.Errorf("there is no file or folder %s, and no template to start with of that name", name)
	}
	if near := component.Nearest(name, templates.Names()); near != "" {
		return builders.WithHint(err, fmt.Sprintf("did you mean %s?", near))
	}
	return builders.WithHint(err, "there are "+strings.Join(templates.Names(), ", "))
}

// checkPlugins checks what the template at path requires.
func (f *initFlags) checkPlugins(cmd *cobra.Command, path string) error {
	o, diags, err := f.outline(cmd, path)
	if err != nil {
		return err
	}
	reqs := requirementsOf(o)
	for _, r := range reqs {
		diags = append(diags, r.diagnostics()...)
	}
	if err := writeDiags(cmd.ErrOrStderr(), o.Files, diags, nil, f.colorful(true, cmd.ErrOrStderr())); err != nil {
		return err
	}
	for _, r := range reqs {
		if r.native() {
			fmt.Fprintf(cmd.OutOrStdout(), "Plugin %s (%s) is built in.\n", r.Name, r.Source)
		}
	}
	fmt.Fprintln(cmd.OutOrStdout(), "Nothing is to be installed.")
	return nil
}

// requirement is a plugin that a template requires, with what it is used for.
type requirement struct {
	lang.Plugin
	builtIn int        // components of ingot that belong to it
	lacking []lang.Use // components that ingot has not
}

func (r requirement) native() bool { return r.builtIn > 0 }

func requirementsOf(o *lang.Outline) []requirement {
	var out []requirement
	for _, p := range o.Plugins {
		r := requirement{Plugin: p}
		for _, c := range componentTypes() {
			if r.has(c.typ) {
				r.builtIn++
			}
		}
		for _, u := range o.Uses {
			if r.has(u.Type) && !isBuiltIn(u) {
				r.lacking = append(r.lacking, u)
			}
		}
		out = append(out, r)
	}
	return out
}

// has reports whether a component of this type belongs to the plugin.
func (r requirement) has(typ string) bool {
	return typ == r.Name || strings.HasPrefix(typ, r.Name+"-")
}

// componentType is a component that is built in.
type componentType struct{ kind, typ string }

func componentTypes() []componentType {
	c := components()
	var out []componentType
	for _, d := range c.Builders {
		out = append(out, componentType{"source", d.Type})
	}
	for _, d := range c.Provisioners {
		out = append(out, componentType{"provisioner", d.Type})
	}
	for _, d := range c.PostProcessors {
		out = append(out, componentType{"post-processor", d.Type})
	}
	for _, typ := range dataSourceTypes() {
		out = append(out, componentType{"data", typ})
	}
	return out
}

func isBuiltIn(u lang.Use) bool {
	for _, c := range componentTypes() {
		if c.kind == u.Kind && c.typ == u.Type {
			return true
		}
	}
	return false
}

// diagnostics tell of what is lacking: an error where it is used.
func (r requirement) diagnostics() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, u := range r.lacking {
		at := u.Range
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Subject: &at,
			Summary: fmt.Sprintf("%s %q is lacking", kindName(u.Kind), u.Type),
			Detail: fmt.Sprintf("It is of plugin %s (%s), required at %s:%d. ingot loads no plugins, and has nothing of this name built in.",
				r.Name, r.Source, filepath.ToSlash(r.Range.Filename), r.Range.Start.Line)})
	}
	if !r.native() && len(r.lacking) == 0 {
		at := r.Range
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Subject: &at, Summary: fmt.Sprintf("Plugin %q is lacking", r.Name),
			Detail: "Nothing in the template uses it. ingot loads no plugins: its components are built in."})
	}
	return diags
}

func kindName(kind string) string {
	return map[string]string{"source": "Source", "data": "Data source", "provisioner": "Provisioner", "post-processor": "Post-processor"}[kind]
}
