package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/plan"
)

func newTestCommand(p *program) *cobra.Command {
	f := buildFlags{templateFlags: templateFlags{program: p}}
	cmd := &cobra.Command{
		Use:   "test [flags] BUCKET[:VERSION|CHANNEL] [TEMPLATE]",
		Short: "Run a template's tests on a version that was published",
		Long: `Test begins a fresh machine with each image of a version, the newest where
none is named, and runs the tests of the template there, also where they have
passed before. What they come to is stored beside the version, which does not
change: see ingot registry show. A build runs the tests of what it has made by
itself.

It exits with 0 when all tests passed and 1 otherwise.`,
		Example: `  ingot test web                       # the newest version, with the template in this folder
  ingot test web:1.4.0 web.pkr.hcl
  ingot test web:production -junit report.xml .
  ingot test web -only='docker.*'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.test(cmd, args) },
	}
	f.add(cmd)
	f.addSelection(cmd)
	f.addRegistry(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.color, "color", true, "use colours on a terminal")
	fl.BoolVar(&f.timestamp, "timestamp-ui", false, "put the time in front of each line")
	fl.StringVar(&f.logFormat, "log-format", "text", "`format` of the output: text or json, one object a line")
	fl.IntVar(&f.parallel, "parallel-builds", 0, "test at most `n` builds, and run n tests of each, at the same time; 0 is all at once")
	fl.StringVar(&f.onError, "on-error", string(engine.Cleanup), "`what` to do with the machine of a test that fails: cleanup or abort, which leaves it")
	f.addJUnit(cmd)
	onFailure := []string{string(engine.Cleanup), string(engine.Abort)}
	values(cmd, "on-error", onFailure)
	values(cmd, "log-format", []string{"text", "json"})
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeArgs(referenceArg)(cmd, args, typed)
		}
		return []string{"hcl", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return cmd
}

func (f *buildFlags) test(cmd *cobra.Command, args []string) error {
	if err := f.checkOutput(); err != nil {
		return err
	}
	if o := engine.OnError(f.onError); o != engine.Cleanup && o != engine.Abort {
		return fmt.Errorf("-on-error=%s: it takes cleanup or abort", f.onError)
	}
	f.openSecrets = true
	runID := uuid.NewString()
	path := "."
	if len(args) > 1 {
		path = args[1]
	}
	ws, err := f.load(cmd, path, runID, f.diagnostics(cmd), f.buildColours())
	if err != nil {
		return err
	}
	v, err := find(cmd.Context(), ws.registry, args[:1])
	if err != nil {
		return err
	}
	if err := engine.Testable(ws.plan, v); err != nil {
		return err
	}
	if ws.prepare != nil {
		if err := ws.prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	f.work = func(ctx context.Context, p *plan.Plan, o engine.Options) error { return engine.Test(ctx, p, v, o) }
	return f.bake(cmd, ws, engine.Options{RunID: runID})
}
