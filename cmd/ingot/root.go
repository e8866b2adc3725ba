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
)

// Exit codes. They are Packer's, and terraform's for -detailed-exitcode.
const (
	exitError   = 1
	exitChanges = 2   // plan -detailed-exitcode: there is something to do
	exitFormat  = 3   // fmt -check: a file is not in its canonical form
	exitUsage   = 127 // no command or an unknown one, as Packer does
)

// exitCode is an error that has been reported, with the code to exit with.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// program is what all commands share.
type program struct {
	dialect
	log             *debugLog
	machineReadable bool
}

// run runs the command line, whose first word is the program's name, and
// returns the exit code.
func run(ctx context.Context, args []string) int {
	p := &program{dialect: dialectOf(args[0])}
	root := newRootCommand(p)
	args = args[1:]
	log, err := openDebugLog(os.Stderr)
	if err != nil {
		reportError(root.ErrOrStderr(), err)
		return exitError
	}
	defer log.Close()
	p.log = log
	log.environment(os.LookupEnv)
	if len(args) == 0 {
		_ = root.Help()
		return exitUsage
	}
	root.SetArgs(twoDashes(args))
	return p.exit(root, p.execute(ctx, root, args))
}

// exit reports an error and returns the exit code for it.
func (p *program) exit(root *cobra.Command, err error) int {
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
	if text := err.Error(); strings.HasPrefix(text, "unknown command") && strings.Contains(text, fmt.Sprintf(" for %q", p.name)) {
		return exitUsage
	}
	return exitError
}

func reportError(w io.Writer, err error) {
	text := fmt.Sprintf("Error: %v\n", err)
	if hint := builders.Hint(err); hint != "" {
		text += fmt.Sprintf("  hint: %s\n", hint)
	}
	_, _ = io.WriteString(w, text)
}

func newRootCommand(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   p.name,
		Short: "Bake golden server images",
		Long: `ingot bakes golden images: one HCL template in; EC2 AMIs, Google Compute
Engine images and containers out, published as one version to a registry. It
reads Packer's HCL2 templates, and runs only what has changed.`,
		Example: `  ingot init                                  # templates to start with
  ingot build -sandbox templates/quickstart   # bake it on this host, with no cloud account
  ingot plan  templates/quickstart            # what would run in the clouds, and why
  ingot build templates/quickstart            # bake it and publish a version
  ingot registry list                         # what was published`,
		Version:           p.version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: p.prepare,
	}
	root.PersistentFlags().BoolVar(&p.machineReadable, "machine-readable", false, "print Packer's machine-readable lines")
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(output(os.Stdout))
	root.SetErr(output(os.Stderr))
	if p.errorsOnStdout {
		root.SetErr(output(os.Stdout))
	}
	oneDashUsage(root)
	root.AddCommand(p.commands()...)
	hintArguments(root)
	return root
}

func (p *program) commands() []*cobra.Command {
	fix, upgrade := newFixCommand(), newHCL2UpgradeCommand()
	inertShared(fix)
	inertShared(upgrade)
	inertValues(fix, fromJSON, "config-type")
	inertValues(upgrade, fromJSON, "config-type")
	return append([]*cobra.Command{
		newApproveCommand(), newBuildCommand(p), newConsoleCommand(p), fix, newFmtCommand(p), newGraphCommand(p), upgrade, newInitCommand(p), newInspectCommand(p), newPlanCommand(p), newPromoteCommand(), newRollbackCommand(),
		newPluginsCommand(p), newRegistryCommand(), newSandboxCommand(), newSweepCommand(), newTestCommand(p), newValidateCommand(p),
		newVersionCommand(p), newSuperviseCommand(), newInsideCommand(),
	}, refusedCommands()...)
}
