package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// Exit codes. They are Packer's, and terraform's for -detailed-exitcode.
const (
	exitError   = 1
	exitChanges = 2   // plan -detailed-exitcode: there is something to do
	exitUsage   = 127 // no command or an unknown one, as Packer does
)

// exitCode is an error that has been reported, with the code to exit with.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	if host.IsMachine() {
		return host.RunMachine()
	}
	root := newRootCommand()
	if len(args) == 0 {
		_ = root.Help()
		return exitUsage
	}
	root.SetArgs(twoDashes(args))
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, syscall.EPIPE):
		return exitError // who read our output has seen enough
	}
	reportError(root.ErrOrStderr(), err)
	if strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitError
}

func reportError(w io.Writer, err error) {
	fmt.Fprintf(w, "Error: %v\n", err)
	if hint := builders.Hint(err); hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", hint)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ingot",
		Short: "Bake golden server images",
		Long: `ingot bakes golden images: one HCL template in; EC2 AMIs, Google Compute
Engine images and containers out, published as one version to a registry. It
reads Packer's HCL2 templates, and runs only what has changed.`,
		Example: `  ingot build -sandbox templates/quickstart   # bake it on this host, with no cloud account
  ingot plan  templates/quickstart            # what would run in the clouds, and why
  ingot build templates/quickstart            # bake it and publish a version
  ingot registry list                         # what was published`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(os.Stdout)
	root.SetErr(os.Stderr)
	root.AddCommand(newBuildCommand(), newPlanCommand(), newValidateCommand(), newFixCommand(), newHCL2UpgradeCommand(), newRegistryCommand(), newSandboxCommand(), newSweepCommand(), newVersionCommand(), newSuperviseCommand())
	return root
}
