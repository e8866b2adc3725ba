// Package localexec runs op.Local: a command of this host.
package localexec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/lines"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// grace is how long a command that is told to stop has before it is killed,
// and how long the output of a command that has ended is waited for when it
// left something behind that holds it open.
const grace = 2 * time.Second

// Run runs the command of l on this host and gives out each line it prints,
// one at a time. The inputs are there, in a folder that only this user can
// read, while it runs. When ctx ends, the command and all that it started are
// killed. A command that fails is a *builders.ExitError.
func Run(ctx context.Context, l *op.Local, out func(line string, stderr bool)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(l.Argv) == 0 {
		return errors.New("no command to run on this host")
	}
	inputs, err := makeFolder()
	if err != nil {
		return err
	}
	defer inputs.remove()
	bound := op.Bind([]op.Op{l}, op.Values{
		op.LocalDir: secret.Plain(inputs.path), op.LocalID: secret.Plain(inputs.id()),
	})[0].(*op.Local)
	for _, f := range bound.Inputs {
		path := filepath.Clean(f.Path)
		if !filepath.IsAbs(path) {
			path = filepath.Join(bound.Dir, path)
		}
		if err := inputs.write(path, f); err != nil {
			return err
		}
		if !inputs.holds(path) && !bound.KeepInputs {
			defer os.Remove(path)
		}
	}
	return run(ctx, bound, out)
}

func run(ctx context.Context, l *op.Local, out func(line string, stderr bool)) error {
	cmd := exec.CommandContext(ctx, l.Argv[0], l.Argv[1:]...)
	cmd.Dir = l.Dir
	cmd.Env = os.Environ()
	for name, value := range l.Env {
		cmd.Env = append(cmd.Env, name+"="+value.Reveal())
	}
	// A process group of its own, so that whatever it starts can be killed too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	var mu sync.Mutex
	stdout := lines.New(&mu, func(line string) { out(line, false) })
	stderr := lines.New(&mu, func(line string) { out(line, true) })
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run on this host: %w", err)
	}
	err := cmd.Wait()
	stdout.Flush()
	stderr.Flush()
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // those who did not heed SIGTERM
		return ctx.Err()
	}
	return result(l, cmd.ProcessState, err)
}

// Name is what people call the command.
func Name(l *op.Local) string {
	if l.Title != "" {
		return l.Title
	}
	return builders.CommandName(l.Argv, l.Inputs)
}

func result(l *op.Local, state *os.ProcessState, err error) error {
	if state == nil {
		return fmt.Errorf("run on this host: %w", err)
	}
	exit := &builders.ExitError{Command: Name(l), Code: state.ExitCode()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		exit.Code = 128 + int(ws.Signal())
		exit.Signal = signalName(ws.Signal())
	}
	if op.Success(l.OK, exit.Code) {
		return nil
	}
	return exit
}

func signalName(s syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGABRT: "ABRT", syscall.SIGBUS: "BUS", syscall.SIGFPE: "FPE", syscall.SIGHUP: "HUP",
		syscall.SIGILL: "ILL", syscall.SIGINT: "INT", syscall.SIGKILL: "KILL", syscall.SIGPIPE: "PIPE",
		syscall.SIGQUIT: "QUIT", syscall.SIGSEGV: "SEGV", syscall.SIGTERM: "TERM",
	}
	if name, ok := names[s]; ok {
		return name
	}
	return fmt.Sprint(int(s))
}

// write writes one input. What is not in the folder has the token LocalID in
// its name: so it is no file that is there.
func (i *folder) write(path string, f op.File) error {
	if !i.holds(path) && !strings.Contains(filepath.Base(path), i.id()) {
		return fmt.Errorf("input %s is outside of the folder for inputs", f.Path)
	}
	if i.holds(path) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	src, err := f.Blob.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	// A process that another build starts meanwhile would have the file open
	// for writing until its exec, and a file that is written can't be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	mode := fs.FileMode(0o700)
	if f.Mode != 0 {
		mode &= f.Mode
	}
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
