package machine

import (
	"bufio"
	"context"
	"os"
	"sync"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
)

// capture runs a command and writes what it prints to a file of this host.
func (s *session) capture(ctx context.Context, o *op.Capture) error {
	f, err := os.Create(o.Local)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	var mu sync.Mutex // both streams are read at the same time
	var writing error
	exit, err := s.remote.Run(ctx, o.Run, func(line string, stderr bool) {
		if stderr {
			s.log.Output(line, true)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if _, err := out.WriteString(line + "\n"); err != nil && writing == nil {
			writing = err
		}
	})
	switch {
	case err != nil:
		return err
	case exit.Signal != "" || !op.Success(o.Run.OK, exit.Code):
		return &builders.ExitError{Command: builders.ExecName(o.Run), Code: exit.Code, Signal: exit.Signal}
	case writing != nil:
		return writing
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}
