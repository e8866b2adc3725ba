package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/engine"
)

var graphFormats = []string{"dot", "mermaid"}

func newGraphCommand(p *program) *cobra.Command {
	f := templateFlags{program: p, undeclared: true}
	var format string
	var static bool
	cmd := &cobra.Command{
		Use:   "graph [flags] [TEMPLATE]",
		Short: "Draw which builds start from the images of others",
		Long: `Graph prints the builds of a template and which of them start from the image
that another one makes, for Graphviz or Mermaid. The colours say what a build
would do now: green is unchanged, yellow is to run, red can't be planned. With
-static nothing is looked up, and there are none.`,
		Example: `  ingot graph . | dot -Tsvg >builds.svg
  ingot graph -format=mermaid . >builds.mmd
  ingot graph -static web.pkr.hcl`,
		Args: oneTemplate,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(graphFormats, format) {
				return fmt.Errorf("-format=%s: it takes %s", format, strings.Join(graphFormats, " or "))
			}
			path, err := f.template(cmd, args)
			if err != nil {
				return err
			}
			f.check, f.unread = static, static
			ws, err := f.load(cmd, path, uuid.NewString(), cmd.ErrOrStderr(), f.colorful(true, cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			if !static {
				if err := ws.plan.Resolve(cmd.Context(), engine.History(ws.registry)); err != nil {
					return err
				}
			}
			for _, b := range ws.plan.Builds {
				if b.Err != nil {
					reportError(cmd.ErrOrStderr(), fmt.Errorf("%s: %w", b.Address, b.Err))
				}
			}
			if format == "mermaid" {
				return ws.plan.Mermaid(cmd.OutOrStdout())
			}
			return ws.plan.DOT(cmd.OutOrStdout())
		},
	}
	f.add(cmd)
	f.addSelection(cmd)
	f.addRegistry(cmd)
	cmd.Flags().StringVar(&format, "format", "dot", "`language` of the drawing: dot or mermaid")
	cmd.Flags().BoolVar(&static, "static", false, "do not look up what the builds would do")
	values(cmd, "format", graphFormats)
	return cmd
}
