package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/junit"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/ui"
)

// keptRuns is how many runs' log files are kept.
const keptRuns = 20

type buildFlags struct {
	templateFlags
	hold holdFlags

	color, timestamp, debug bool
	parallel                int
	onError, logFormat      string
	junit                   string // file for what tests came to; "" writes none

	work func(context.Context, *plan.Plan, engine.Options) error // what is run; nil is the builds
}

func newBuildCommand(p *program) *cobra.Command {
	f := buildFlags{templateFlags: templateFlags{program: p, othersBuild: p.goodBuildsRun}}
	cmd := &cobra.Command{
		Use:   "build [flags] [TEMPLATE]",
		Short: "Bake the images of a template and publish them as a version",
		Long: `Build runs every build of a template that has something to do, in parallel,
and publishes what they made as one version. A build whose source, steps and
files are all recorded, and whose artifact still exists, is not run.

With -on-error=hold a build that fails leaves its machine for -hold-for: look at
it, mend the step, and go on with it by -resume RUN, the same template and the
same variables.

It exits with 0 when all builds succeeded and 1 otherwise. The log of each
build is in .ingot/logs.`,
		Example: `  ingot build .
  ingot build -only='docker.*' -var release=1.4 .
  ingot build -force -on-error=ask web.pkr.hcl
  ingot build -on-error=checkpoint .        # the next run goes on with the step that failed
  ingot build -on-error=hold -hold-for=8h web.pkr.hcl
  ingot build -resume 8c0e91f4 web.pkr.hcl
  ingot build -debug -only=amazon-ebs.web .
  ingot build -registry registry.example.com/images .`,
		Args: oneTemplate,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args)
		},
	}
	f.add(cmd)
	f.addSelection(cmd)
	f.addRegistry(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.force, "force", false, "run every build and step, also where nothing changed")
	fl.BoolVar(&f.color, "color", true, "use colours on a terminal")
	fl.BoolVar(&f.timestamp, "timestamp-ui", false, "put the time in front of each line")
	fl.BoolVar(&f.debug, "debug", false, "run one build at a time, and pause before each step; on a terminal")
	fl.BoolVar(&f.undeclared, "warn-on-undeclared-var", false, "warn of values in -var-file for variables that the template does not have")
	inert(cmd, "skip-enforcement", noEnforce)
	fl.StringVar(&f.logFormat, "log-format", "text", "`format` of the output: text or json, one object a line")
	fl.IntVar(&f.parallel, "parallel-builds", 0, "run at most `n` builds at the same time; 0 is all at once")
	fl.StringVar(&f.onError, "on-error", string(engine.Cleanup), "`what` to do when a step fails: cleanup, abort, ask, checkpoint (keep what the steps before it did for the next run), hold or run-cleanup-provisioner")
	f.addJUnit(cmd)
	f.hold.add(cmd)
	values(cmd, "on-error", onErrors)
	values(cmd, "log-format", []string{"text", "json"})
	return cmd
}

func (f *buildFlags) addJUnit(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.junit, "junit", "", "write what tests of images came to into a `file`, as JUnit XML")
	_ = cmd.MarkFlagFilename("junit", "xml")
}

var onErrors = []string{string(engine.Cleanup), string(engine.Abort), string(engine.Ask), string(engine.Checkpoint), string(engine.Hold), string(engine.RunCleanup)}

// values completes a flag with the values that it takes.
func values(cmd *cobra.Command, flag string, list []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
}

func (f *buildFlags) check(set *pflag.FlagSet) error {
	if !slices.Contains(onErrors, f.onError) {
		return fmt.Errorf("-on-error=%s: it takes %s", f.onError, strings.Join(onErrors, ", "))
	}
	if err := f.checkOutput(); err != nil {
		return err
	}
	return f.hold.check(set, f.onError, f.force)
}

// checkOutput checks the flags that tests have too.
func (f *buildFlags) checkOutput() error {
	if f.logFormat != "text" && f.logFormat != "json" {
		return fmt.Errorf("-log-format=%s: it takes text or json", f.logFormat)
	}
	f.parallel = max(f.parallel, 0) // as with Packer, less than one is all
	return nil
}

func (f *buildFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(cmd.Flags()); err != nil {
		return err
	}
	f.openSecrets = true
	runID := uuid.NewString()
	var resume *engine.Resume
	if f.hold.resume != "" {
		id, template, r, err := f.takeUp(args)
		if err != nil {
			return err
		}
		runID, resume = id, r
		if len(args) == 0 {
			args = []string{template}
		}
	}
	path, err := f.template(cmd, args)
	if err != nil {
		return err
	}
	// What runs on this host can look at it, as where Packer starts it.
	if err := os.Setenv("PACKER_RUN_UUID", runID); err != nil {
		return err
	}
	ws, err := f.load(cmd, path, runID, f.diagnostics(cmd), f.buildColours() && !f.plain)
	if err != nil {
		return err
	}
	if len(ws.plan.Builds) == 0 {
		return ws.plan.NothingLeft()
	}
	if ws.prepare != nil {
		if err := ws.prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	if resume != nil {
		if err := resume.Check(ws.plan); err != nil {
			return err
		}
	}
	return f.bake(cmd, ws, engine.Options{RunID: runID, Resume: resume, Holding: f.holding(cmd, path, runID)})
}

// bake runs the builds and shows that. What options have are those about the
// run as such.
func (f *buildFlags) bake(cmd *cobra.Command, ws *workspace, run engine.Options) error {
	journals, err := journalDir(f.sandbox)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	how := f.origin(ctx, ws.template.Dir, ws.template.Path)
	logs := filepath.Join(ws.host.Dir, ".ingot", "logs", time.Now().UTC().Format("20060102T150405.000Z"))
	pruneLogs(filepath.Dir(logs))
	o := ui.Options{Out: os.Stdout, Color: f.buildColours(), Timestamp: f.timestamp, Secrets: ws.host.Secrets, LogDir: logs, Brief: f.plain}
	view, interactive := f.view(o)
	files := ui.Logs(o)
	ask := asker(view, interactive)
	if f.debug {
		f.parallel = 1
		view.Emit(event.Event{Time: time.Now(), Body: event.Say{Text: debugText(interactive)}})
	}
	work := f.work
	if work == nil {
		work = engine.Run
	}
	report := &junit.Report{}
	err = work(ctx, ws.plan, engine.Options{
		RunID: run.RunID, Resume: run.Resume, Holding: run.Holding, Parallel: f.parallel, OnError: engine.OnError(f.onError), Force: f.force, Debug: f.debug,
		Registry: ws.registry, History: engine.History(ws.registry), Events: f.log.with(o, files, report, view), Secrets: ws.host.Secrets, Dir: ws.host.Dir,
		Journals: journals, Sandbox: f.sandbox, Sweep: sweepCommand(f.sandbox), Clear: clearer(ws.host, journals), User: userName(), Ask: ask,
		GitCommit: func() string { return how().commit }, Made: func() map[string]string { return how().made },
		Fingerprint: os.Getenv("HCP_PACKER_BUILD_FINGERPRINT"), Unpublished: registryOff(os.Getenv("HCP_PACKER_REGISTRY")),
		LogPath: func(build string) string { return ui.LogPath(logs, build) },
	})
	closeErr := view.Close()
	if f.junit != "" {
		closeErr = errors.Join(closeErr, report.WriteFile(f.junit))
	}
	if lerr := files.Close(); lerr != nil {
		reportError(cmd.ErrOrStderr(), lerr)
	}
	if err != nil {
		if closeErr != nil {
			reportError(cmd.ErrOrStderr(), closeErr)
		}
		return exitCode(exitError) // the view has said why
	}
	return errors.Join(ws.faulty, closeErr)
}

// buildColours decides on the colours of the lines of builds.
func (f *buildFlags) buildColours() bool {
	if f.colourPipes && f.color && !f.machineReadable && colourAllowed() {
		return true
	}
	return f.colorful(f.color, os.Stdout)
}

func debugText(interactive bool) string {
	if !interactive {
		return "-debug: one build runs after the other. There is no terminal to ask at, so that nothing pauses."
	}
	return "-debug: one build runs after the other, and pauses before each step."
}

// view is how the run is shown, and whether a person can be asked.
func (f *buildFlags) view(o ui.Options) (ui.View, bool) {
	interactive := isTerminal(os.Stdin) && isTerminal(o.Out)
	switch {
	case f.machineReadable:
		return ui.MachineReadable(o), false
	case f.logFormat == "json":
		return ui.JSON(o), false
	case interactive && !f.plain && !f.debug && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == "":
		return ui.Terminal(o, os.Stdin, os.Stdout), true
	}
	return ui.Plain(o), interactive
}

// asker puts questions to the terminal while the view pauses.
func asker(view ui.View, interactive bool) func(context.Context, string, string, []string) (string, error) {
	if !interactive {
		return nil
	}
	in := bufio.NewReader(os.Stdin)
	return func(ctx context.Context, build, question string, answers []string) (string, error) {
		view.Pause()
		defer view.Resume()
		for {
			fmt.Fprintf(os.Stdout, "==> %s: %s ", build, question)
			lines := make(chan string, 1)
			go func() {
				line, _ := in.ReadString('\n')
				lines <- strings.ToLower(strings.TrimSpace(line))
			}()
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case line := <-lines:
				if slices.Contains(answers, line) || slices.Equal(answers, []string{""}) {
					return line, nil
				}
			}
		}
	}
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// pruneLogs removes the log folders of all but the last runs.
func pruneLogs(dir string) {
	runs, err := os.ReadDir(dir)
	if err != nil || len(runs) < keptRuns {
		return
	}
	for _, r := range runs[:len(runs)-keptRuns+1] {
		_ = os.RemoveAll(filepath.Join(dir, r.Name()))
	}
}
