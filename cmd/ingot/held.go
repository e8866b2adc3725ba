package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/held"
	"github.com/ingot-build/ingot/internal/journal"
)

// usualHold is how long a machine is held.
const usualHold = 4 * time.Hour

// holdFlags are the flags about builds that fail and are gone on with.
type holdFlags struct {
	holdFor time.Duration
	resume  string
}

func (f *holdFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.DurationVar(&f.holdFor, "hold-for", usualHold, "how `long` -on-error=hold leaves a machine; then `ingot sweep` removes it")
	fl.StringVar(&f.resume, "resume", "", "go on with the machines that the `run` has left by -on-error=hold")
	_ = cmd.RegisterFlagCompletionFunc("resume", completeHeld)
	values(cmd, "hold-for", []string{"1h", "4h", "24h"})
}

func (f *holdFlags) check(set *pflag.FlagSet, onError string, force bool) error {
	switch {
	case f.holdFor <= 0:
		return fmt.Errorf("-hold-for=%s: it takes more than 0", f.holdFor)
	case set.Changed("hold-for") && onError != string(engine.Hold):
		return builders.WithHint(fmt.Errorf("-hold-for=%s has no effect with -on-error=%s", f.holdFor, onError), "add -on-error=hold")
	case set.Changed("resume") && f.resume == "":
		return builders.WithHint(errors.New("-resume= names no run"), "without -resume the builds start anew")
	case f.resume != "" && force:
		return builders.WithHint(errors.New("-force begins every build anew, and -resume goes on with a machine"), "leave one of them out")
	}
	return nil
}

// holding says how machines are held.
func (f *buildFlags) holding(cmd *cobra.Command, path, runID string) engine.Holding {
	template := path
	if abs, err := filepath.Abs(path); err == nil && path != "-" {
		template = abs
	}
	return engine.Holding{
		For: f.hold.holdFor, Template: template, Free: sweepCommand(f.sandbox) + " -held " + runID,
		Resume: builders.ShellText(append([]string{"ingot", "build"}, append(resumeFlags(cmd.Flags(), runID), path)...)),
	}
}

// resumeFlags are the flags of the command that goes on with this one.
func resumeFlags(set *pflag.FlagSet, runID string) []string {
	out := []string{"-resume", runID}
	set.Visit(func(f *pflag.Flag) {
		list, many := f.Value.(pflag.SliceValue)
		switch {
		case f.Name == "resume", f.Name == "force":
		case many:
			for _, v := range list.GetSlice() {
				out = append(out, "-"+f.Name, v)
			}
		case f.Value.Type() == "bool" && f.Value.String() == "true":
			out = append(out, "-"+f.Name)
		default:
			out = append(out, "-"+f.Name+"="+f.Value.String())
		}
	})
	return out
}

// takeUp finds the run that -resume names, and takes its journal. It returns
// the run's id, and the template where none is given.
func (f *buildFlags) takeUp(args []string) (runID, template string, r *engine.Resume, err error) {
	dir, err := journalDir(f.sandbox)
	if err != nil {
		return "", "", nil, err
	}
	runID = heldRun(dir, f.hold.resume)
	builds, err := held.Read(dir, runID)
	if err != nil {
		return "", "", nil, err
	}
	j, err := journal.Resume(dir, runID)
	switch {
	case errors.Is(err, journal.ErrLive):
		return "", "", nil, fmt.Errorf("the run %s is under way, or being swept, in another process", runID)
	case errors.Is(err, journal.ErrNotThere), err == nil && len(builds) == 0:
		return "", "", nil, builders.WithHint(fmt.Errorf("no run %s is held", runID), f.othersHeld(dir))
	case err != nil:
		return "", "", nil, fmt.Errorf("the journal of the run %s: %w", runID, err)
	}
	for _, b := range builds {
		if !b.Until.After(time.Now()) {
			return "", "", nil, builders.WithHint(fmt.Errorf("the run %s was held until %s, which is over", runID, b.Until.Local().Format(time.DateTime)),
				"`"+sweepCommand(f.sandbox)+"` removes its machine, where that is still there; without -resume the build starts anew")
		}
		template = b.Template
		if here, err := os.Getwd(); err == nil && len(args) == 0 && here != b.Dir {
			return "", "", nil, builders.WithHint(fmt.Errorf("the run %s was begun in %s", runID, b.Dir), "go there, or name the template")
		}
	}
	return runID, template, &engine.Resume{Journal: j, Builds: builds}, nil
}

// heldRun returns the id of the held run that begins with text, or text.
func heldRun(dir, text string) string {
	if builds, err := held.Read(dir, text); err != nil || len(builds) > 0 {
		return text // also one whose time is over
	}
	found := text
	for _, d := range heldRuns(dir) {
		switch {
		case !strings.HasPrefix(d.RunID, text):
		case found != text:
			return text // more than one
		default:
			found = d.RunID
		}
	}
	return found
}

// heldRuns returns the runs below dir that are held.
func heldRuns(dir string) []journal.Dead {
	dead, _ := journal.ReadDead(dir, time.Now()) // what can't be read is no run to choose
	var out []journal.Dead
	for _, d := range dead {
		if len(d.Held) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// othersHeld says which runs are held.
func (f *buildFlags) othersHeld(dir string) string {
	var ids []string
	for _, d := range heldRuns(dir) {
		ids = append(ids, d.RunID)
	}
	if len(ids) > 0 {
		return "held are: " + strings.Join(ids, ", ")
	}
	if other, err := journalDir(!f.sandbox); err == nil && len(heldRuns(other)) > 0 {
		if f.sandbox {
			return "runs are held outside of the sandbox: leave out -sandbox"
		}
		return "runs are held in the sandbox: set -sandbox"
	}
	return "none is: a build with -on-error=hold leaves its machine when it fails"
}

// completeHeld completes the ids of runs that are held.
func completeHeld(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	inSandbox, _ := cmd.Flags().GetBool("sandbox")
	dir, err := journalDir(inSandbox)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, d := range heldRuns(dir) {
		var names []string
		for _, h := range d.Held {
			names = append(names, h.Build)
		}
		out = append(out, d.RunID+"\t"+strings.Join(names, ", "))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
