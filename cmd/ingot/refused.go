package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
)

// refusedCommands are the commands of Packer that ingot has not, and says so.
func refusedCommands() []*cobra.Command {
	var out []*cobra.Command
	for _, c := range []struct{ name, why, hint string }{
		{"execute", "it starts a plugin, and there are none: components are built in", ""},
		{"sbom-generate", "the provisioner hcp-sbom makes the list of packages itself", ""},
		{"verify-attestation", "ingot makes no attestations", "`ingot registry show` has the digests of what was published"},
	} {
		out = append(out, &cobra.Command{
			Use: c.name, Short: "Packer's; refused: " + c.why, Hidden: true, DisableFlagParsing: true,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return builders.WithHint(fmt.Errorf("%s is not supported: %s", cmd.CommandPath(), c.why), c.hint)
			},
		})
	}
	return out
}
