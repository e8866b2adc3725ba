package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	buildersall "github.com/ingot-build/ingot/builders/all"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/legacy"
	postprocessorsall "github.com/ingot-build/ingot/postprocessors/all"
	provisionersall "github.com/ingot-build/ingot/provisioners/all"
)

func newHCL2UpgradeCommand() *cobra.Command {
	var output string
	var annotate bool
	cmd := &cobra.Command{
		Use:   "hcl2_upgrade [flags] TEMPLATE",
		Short: "Write a JSON template in HCL",
		Long: `Hcl2_upgrade writes a JSON template, as they were before HCL2, as a file of
HCL that means the same. Go templates that have an expression in HCL become
that; the others stay, HCL templates may have them too.`,
		Example: `  ingot hcl2_upgrade web.json                       # writes web.json.pkr.hcl
  ingot hcl2_upgrade -output-file=web.pkr.hcl web.json`,
		Args: oneJSON,
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := jsonTemplate(cmd, args[0])
			if err != nil {
				return err
			}
			t, diags := legacy.Read(args[0], src)
			if err := writeSource(cmd.ErrOrStderr(), args[0], src, diags); err != nil {
				return err
			}
			if output == "" {
				output = args[0] + ".pkr.hcl"
			}
			if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(output, t.HCL(legacy.Style{Annotate: annotate, Schema: schemaOf}), 0o644); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Wrote %s.\n", output)
			return err
		},
	}
	cmd.Flags().StringVar(&output, "output-file", "", "`file` to write; default is TEMPLATE.pkr.hcl")
	cmd.Flags().BoolVar(&annotate, "with-annotations", false, "explain the blocks in comments")
	_ = cmd.MarkFlagFilename("output-file", "hcl")
	cmd.ValidArgsFunction = jsonFiles
	return cmd
}

func jsonFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
}

// oneJSON refuses anything but one file.
func oneJSON(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return builders.WithHint(errors.New("a JSON template is needed"), cmd.CommandPath()+" TEMPLATE.json")
	}
	return oneTemplate(cmd, args)
}

// jsonTemplate reads a JSON template.
func jsonTemplate(cmd *cobra.Command, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(cmd.InOrStdin(), mostStdin))
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() || strings.HasSuffix(path, ".pkr.hcl") || strings.HasSuffix(path, ".pkr.json") {
		return nil, fmt.Errorf("%s %s: it takes a JSON template, as they were before HCL2", cmd.Name(), path)
	}
	if st.Size() > mostStdin {
		return nil, fmt.Errorf("%s: it has %d MB, which is too much for a template", path, st.Size()>>20)
	}
	return os.ReadFile(path)
}

// writeSource shows what is wrong with one file.
func writeSource(w io.Writer, path string, src []byte, diags hcl.Diagnostics) error {
	return writeDiags(w, map[string]*hcl.File{path: {Bytes: legacy.Snippets(src)}}, diags, nil, colorful(true, w))
}

// schemaOf returns the options of a component, nil where there is none of the
// type.
func schemaOf(kind, typ string) *component.Schema {
	switch kind {
	case "builder":
		for _, d := range buildersall.List() {
			if d.Type == typ {
				return component.SchemaOf(d.New())
			}
		}
	case "provisioner":
		for _, d := range provisionersall.List() {
			if d.Type == typ {
				return component.SchemaOf(d.New())
			}
		}
	case "post-processor":
		for _, d := range postprocessorsall.List() {
			if d.Type == typ {
				return component.SchemaOf(d.New())
			}
		}
	}
	return nil
}
