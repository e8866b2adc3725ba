package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "0.1.0-dev"

func newVersionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Example: `  ingot version
  ingot version -machine-readable`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, r := range [][2]string{{"version", p.number}, {"version-prelease", p.prerelease}, {"version-commit", commit()}} {
				if err := p.record(r[0], r[1]); err != nil {
					return err
				}
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), p.version)
			return err
		},
	}
}

func ingotVersion() string {
	return fmt.Sprintf("ingot v%s (reads templates of Packer %s)", version, packerLevel)
}

// commit is the commit that ingot was built from, "" where that is not known.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
