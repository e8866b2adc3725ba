package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/ui"
)

// debugLog is for those who look for a fault. It is on where INGOT_LOG or
// PACKER_LOG is set, or the path of a file.
type debugLog struct {
	out   io.Writer // nil where it is off
	file  io.Closer // nil where out is standard error
	lines *slog.Logger
}

// openDebugLog opens the log that the environment asks for: in the file that
// INGOT_LOG_PATH or PACKER_LOG_PATH names, else on stderr.
func openDebugLog(stderr io.Writer) (*debugLog, error) {
	l := &debugLog{lines: slog.New(slog.DiscardHandler)}
	path := cmp.Or(os.Getenv("INGOT_LOG_PATH"), os.Getenv("PACKER_LOG_PATH"))
	switch on := cmp.Or(os.Getenv("INGOT_LOG"), os.Getenv("PACKER_LOG")); {
	case path != "":
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("debugging log: %w", err)
		}
		l.out, l.file = f, f
	case on != "" && on != "0":
		l.out = stderr
	default:
		return l, nil
	}
	l.lines = slog.New(slog.NewTextHandler(l.out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return l, nil
}

// Close closes the log's file.
func (l *debugLog) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// with adds the log to those who take a run's events.
func (l *debugLog) with(o ui.Options, sinks ...event.Sink) event.Sink {
	if l.out == nil {
		return ui.Tee(sinks...)
	}
	o.Out = l.out
	return ui.Tee(append(sinks, ui.Debug(o))...)
}

// flags notes the flags that are accepted and change nothing.
func (l *debugLog) flags(cmd *cobra.Command) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if why := f.Annotations[inertFlag]; len(why) > 0 {
			l.lines.LogAttrs(context.Background(), slog.LevelInfo, "-"+f.Name+" changes nothing: "+why[0])
		}
	})
}

// environment notes the variables that Packer knows and that change nothing
// here.
func (l *debugLog) environment(lookup func(string) (string, bool)) {
	if l.out == nil {
		return
	}
	for _, v := range inertVariables() {
		if value, ok := lookup(v.name); ok && value != "" {
			l.lines.LogAttrs(context.Background(), slog.LevelInfo, v.name+" changes nothing: "+v.why)
		}
	}
	for _, line := range configFile(lookup) {
		l.lines.LogAttrs(context.Background(), slog.LevelInfo, line)
	}
}
