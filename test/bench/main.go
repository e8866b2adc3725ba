// Command bench measures ingot against what one would use instead of it. Both
// do the same work by turns in one run, and what counts is the ratio of their
// medians.
//
//	go run ./test/bench [flags] [names…]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// bench is one measurement.
type bench struct {
	name  string
	about string
	needs []need
	run   func(context.Context, *stand) ([]row, error)
}

func benches() []bench {
	return []bench{
		{"startup", "five one-line shell provisioners over SSH, whole process", []need{openSSHServer, openSSHClient, packer}, benchStartup},
		{"upload", "one large file over SSH on loopback, whole process", []need{openSSHServer, openSSHClient}, benchUpload},
		{"tree", "2,000 small files over SSH with 40 ms round trip, whole process", []need{openSSHServer, openSSHClient, iproute, tarProgram, root}, benchTree},
		{"fleet", "200 null builds in parallel, one step is sleep 1", []need{openSSHServer, openSSHClient}, benchFleet},
		{"amazon", "amazon-ebs on the sandbox with 13 s that nobody can avoid; one build, and 50", []need{mmdebstrap, openSSHServer, root}, benchAmazon},
		{"google", "googlecompute likewise", []need{mmdebstrap, openSSHServer, root}, benchGoogle},
		{"again", "amazon-ebs on the sandbox: nothing changed, in 50 builds and one; the last step; all", []need{mmdebstrap, openSSHServer, root}, benchAgain},
		{"container", "a container of which nothing changed, whole process", []need{mmdebstrap, runc, goTool, root}, benchContainer},
		{"validate", "check a template with 20 provisioners, whole process", []need{packer}, benchValidate},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ok, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
}

// run runs the benches that args name, all where they name none. It reports
// whether each could be run; how fast anything was does not count.
func run(ctx context.Context, args []string, out, progress io.Writer) (bool, error) {
	fl := flag.NewFlagSet("bench", flag.ContinueOnError)
	fl.SetOutput(progress)
	rounds := fl.Int("rounds", 5, "how often each side is measured, after one turn to warm up")
	asJSON := fl.Bool("json", false, "print the result as JSON")
	temp := fl.String("dir", "", "`folder` for temporary files (default the system's)")
	fl.Usage = func() {
		fmt.Fprintf(progress, "usage: bench [flags] [names…]\n\n")
		for _, b := range benches() {
			fmt.Fprintf(progress, "  %-10s %s\n", b.name, b.about)
		}
		fmt.Fprintln(progress)
		fl.PrintDefaults()
	}
	if err := fl.Parse(args); err != nil {
		return false, err
	}
	chosen, err := choose(fl.Args())
	if err != nil {
		return false, err
	}
	if *rounds < 1 {
		return false, fmt.Errorf("-rounds=%d: it takes 1 or more", *rounds)
	}
	s, err := newStand(*temp, *rounds, progress)
	if err != nil {
		return false, err
	}
	defer s.close()
	r := measureAll(ctx, s, chosen)
	if *asJSON {
		return r.complete(), r.json(out)
	}
	return r.complete(), r.text(out)
}

func choose(names []string) ([]bench, error) {
	all := benches()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []bench
	for _, name := range names {
		i := slices.IndexFunc(all, func(b bench) bool { return b.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no bench is called %q; see -help", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// measureAll runs the benches one after another. One that fails does not keep
// the others from running, an interrupt does.
func measureAll(ctx context.Context, s *stand, chosen []bench) *report {
	r := newReport(s.rounds)
	for _, b := range chosen {
		if ctx.Err() != nil {
			r.NotRun = append(r.NotRun, notRun{b.name, "interrupted"})
			continue
		}
		if why := missing(b.needs); why != "" {
			r.NotRun = append(r.NotRun, notRun{b.name, "cannot run here: " + why})
			continue
		}
		fmt.Fprintf(s.progress, "%s: %s\n", b.name, b.about)
		rows, err := s.enter(ctx, b)
		r.Rows = append(r.Rows, rows...)
		if err != nil {
			r.NotRun = append(r.NotRun, notRun{b.name, err.Error()})
		}
	}
	return r
}
