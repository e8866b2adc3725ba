package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/lang"
)

// noPlugins is what each of the commands comes down to.
const noPlugins = "No plugins are installed, and none are needed: components are built in."

func newPluginsCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plugins",
		Aliases: []string{"plugin"},
		Short:   "Say which of the plugins that a template requires are built in",
		Long: `The components that Packer has as plugins are built into ingot. These commands
are there for scripts that call them: they install and remove nothing.`,
		Example: `  ingot plugins required .
  ingot plugins installed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return exitCode(exitError)
		},
	}
	cmd.AddCommand(newPluginsInstalled(), newPluginsRequired(p), newPluginsInstall(), newPluginsRemove())
	return cmd
}

func newPluginsInstalled() *cobra.Command {
	return &cobra.Command{
		Use:     "installed",
		Short:   "Say that no plugins are installed",
		Example: "  ingot plugins installed",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), noPlugins)
			return err
		},
	}
}

func newPluginsRequired(p *program) *cobra.Command {
	f := templateFlags{program: p}
	cmd := &cobra.Command{
		Use:   "required [TEMPLATE]",
		Short: "List the plugins that a template requires, and whether they are built in",
		Example: `  ingot plugins required .
  amazon github.com/hashicorp/amazon ">= 1.3.0" built in`,
		Args: oneTemplate,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := p.template(cmd, args)
			if err != nil {
				return err
			}
			o, diags, err := f.outline(cmd, path)
			if err != nil {
				return err
			}
			if err := writeDiags(cmd.ErrOrStderr(), o.Files, diags, nil, p.colorful(true, cmd.ErrOrStderr())); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			reqs := requirementsOf(o)
			for _, r := range reqs {
				where := "built in"
				if !r.native() {
					where = "lacking"
				}
				fmt.Fprintf(out, "%s %s %q %s\n", r.Name, r.Source, r.Version, where)
			}
			if len(reqs) == 0 {
				fmt.Fprintln(out, "The template has no required_plugins. "+noPlugins)
			}
			return nil
		},
	}
	f.addLanguage(cmd)
	inertShared(cmd)
	return cmd
}

func newPluginsInstall() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "install [flags] SOURCE [VERSION]",
		Short:   "Say whether a plugin is built in",
		Example: "  ingot plugins install github.com/hashicorp/amazon",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if path != "" {
				return builders.WithHint(fmt.Errorf("-path=%s: a plugin of Packer can't be loaded", path), "components are built in")
			}
			name, err := pluginName(args[0])
			if err != nil {
				return err
			}
			r := requirementsOf(&lang.Outline{Plugins: []lang.Plugin{{Name: name, Source: args[0]}}})[0]
			if !r.native() {
				return builders.WithHint(fmt.Errorf("plugin %s is lacking: ingot has nothing of its components built in", args[0]), "docs/reference lists what there is")
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Plugin %s is built in: nothing is to be installed.\n", args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&path, "path", "", "refused: a plugin's `file` can't be loaded")
	inert(cmd, "force", builtIn)
	return cmd
}

// pluginName is the name by which a plugin's components begin.
func pluginName(source string) (string, error) {
	parts := strings.Split(source, "/")
	if len(parts) != 3 {
		return "", builders.WithHint(fmt.Errorf("%s is not the source of a plugin", source), "write it like github.com/hashicorp/amazon")
	}
	return strings.TrimPrefix(parts[2], "packer-plugin-"), nil
}

func newPluginsRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove SOURCE [VERSION]",
		Short:   "Say that there is nothing to remove",
		Example: "  ingot plugins remove github.com/hashicorp/amazon",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), noPlugins)
			return err
		},
	}
}
