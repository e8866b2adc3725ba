package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/ui"
)

// withDebug adds a debugging log where INGOT_LOG or PACKER_LOG asks for one:
// on stderr, or in the file that INGOT_LOG_PATH or PACKER_LOG_PATH names. It
// returns what closes the file.
func withDebug(o ui.Options, stderr io.Writer, sinks ...event.Sink) (event.Sink, io.Closer, error) {
	switch cmp.Or(os.Getenv("INGOT_LOG"), os.Getenv("PACKER_LOG")) {
	case "", "0":
		return ui.Tee(sinks...), io.NopCloser(nil), nil
	}
	o.Out = stderr
	var closer io.Closer = io.NopCloser(nil)
	if path := cmp.Or(os.Getenv("INGOT_LOG_PATH"), os.Getenv("PACKER_LOG_PATH")); path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("debugging log: %w", err)
		}
		o.Out, closer = f, f
	}
	return ui.Tee(append(sinks, ui.Debug(o))...), closer, nil
}
