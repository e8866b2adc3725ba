// Package background starts processes that outlive the one that starts them,
// and tells it when they answer.
package background

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/ingot-build/ingot/builders"
)

// ready is what the process reports when it answers; any other line says what
// went wrong.
const ready = "ready"

// Start starts a command in a session of its own, with its output in the file
// log, and waits until it reports. Where it has no environment, it gets the
// settings of this process's. Name is what errors call it.
func Start(ctx context.Context, cmd *exec.Cmd, log, name string) error {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, out, []*os.File{w}
	if cmd.Env == nil {
		cmd.Env = settings(os.Environ())
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }()
	stop := context.AfterFunc(ctx, func() { r.Close() })
	defer stop()
	line, err := bufio.NewReader(r).ReadString('\n')
	switch line = strings.TrimSpace(line); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case line == ready:
		return nil
	case line != "":
		err = errors.New(line)
	case err == nil || errors.Is(err, io.EOF):
		err = errors.New(name + " ended before it was ready")
	}
	return builders.WithHint(err, "its log is "+log)
}

// settings are the variables of an environment that say how a process is to
// work. Others may be secrets, which it would keep longer than who starts it.
func settings(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return !setting.MatchString(name)
	})
}

// setting matches names of settings: of the system, of a network's proxy and
// certificates, of Go's runtime, of BuildKit and of ingot.
var setting = regexp.MustCompile(`^(PATH|HOME|USER|LOGNAME|TZ|LANG|LC_.*|TMPDIR|XDG_.*|DBUS_SESSION_BUS_ADDRESS|` +
	`(?i:HTTP_PROXY|HTTPS_PROXY|ALL_PROXY|NO_PROXY)|SSL_CERT_FILE|SSL_CERT_DIR|` +
	`GODEBUG|GOGC|GOMAXPROCS|GOMEMLIMIT|GOTRACEBACK|GOCOVERDIR|BUILDKIT_.*|ROOTLESSKIT_.*|` +
	`INGOT_(CACHE_DIR|STATE_DIR|BUILDKIT_IDLE|SANDBOX_IDLE))$`)

// Report is where a process that Start started tells it once how it is. Its
// zero value reports to nobody.
type Report struct{ w io.WriteCloser }

// Reporting returns the process's report.
func Reporting() *Report { return &Report{os.NewFile(3, "report")} } // the first of ExtraFiles

// Ready says that the process answers.
func (r *Report) Ready() { r.tell(ready) }

// Fail says what went wrong, unless the process has answered.
func (r *Report) Fail(err error) { r.tell(strings.ReplaceAll(err.Error(), "\n", " ")) }

func (r *Report) tell(line string) {
	if r.w == nil {
		return
	}
	// Who started the process may be gone.
	_, _ = fmt.Fprintln(r.w, line)
	_ = r.w.Close()
	r.w = nil
}
