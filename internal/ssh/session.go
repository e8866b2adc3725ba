package ssh

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/transport"
)

const (
	// quiet is how long the output of a command that has ended is waited for
	// when a process that it left behind holds it open.
	quiet = time.Second
	// stopGrace is how long a command that was told to stop may take: the
	// machine kills it after 2s.
	stopGrace = 6 * time.Second
)

// Exit is how a command ended.
type Exit = op.Exit

// session is one command on the machine.
type session struct {
	link *link
	ch   gossh.Channel
	done chan struct{} // closed when nothing more comes from the machine
	exit chan Exit     // gets how the command ended, if the machine says it
	read atomic.Int64  // when output came last, Unix nanoseconds
}

func newSession(l *link, ch gossh.Channel, reqs <-chan *gossh.Request) *session {
	s := &session{link: l, ch: ch, done: make(chan struct{}), exit: make(chan Exit, 1)}
	go func() {
		defer close(s.done)
		for req := range reqs {
			s.request(req)
		}
	}()
	return s
}

func (s *session) request(req *gossh.Request) {
	var exit *Exit
	switch req.Type {
	case "exit-status":
		var msg struct{ Status uint32 }
		if gossh.Unmarshal(req.Payload, &msg) == nil {
			exit = &Exit{Code: int(msg.Status)}
		}
	case "exit-signal":
		var msg struct {
			Signal     string
			CoreDumped bool
			Error      string
			Lang       string
		}
		if gossh.Unmarshal(req.Payload, &msg) == nil {
			exit = &Exit{Code: signalBase + signalNumbers()[msg.Signal], Signal: msg.Signal}
		}
	}
	if exit != nil {
		select {
		case s.exit <- *exit:
		default: // said twice
		}
	}
	if req.WantReply {
		_ = req.Reply(false, nil)
	}
}

// signalBase is what a shell adds to the number of a signal for its exit code.
const signalBase = 128

func signalNumbers() map[string]int {
	return map[string]int{
		"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9,
		"USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
	}
}

// start asks for a command to be run. It does not wait for an answer, which
// would cost a round trip.
func (s *session) start(command string) error {
	_, err := s.ch.SendRequest("exec", false, gossh.Marshal(struct{ Command string }{command}))
	return err
}

// Read reads standard output.
func (s *session) Read(p []byte) (int, error) { return s.touch(s.ch.Read(p)) }

// stderr reads standard error.
func (s *session) stderr() io.Reader { return stderrReader{s} }

type stderrReader struct{ s *session }

func (r stderrReader) Read(p []byte) (int, error) { return r.s.touch(r.s.ch.Stderr().Read(p)) }

func (s *session) touch(n int, err error) (int, error) {
	if n > 0 {
		s.read.Store(time.Now().UnixNano())
	}
	return n, err
}

// copies reads both streams to their ends, and says when.
func (s *session) copies(stdout, stderr io.Writer) <-chan error {
	errs := make(chan error, 2)
	go func() { _, err := io.Copy(stdout, s); errs <- err }()
	go func() { _, err := io.Copy(stderr, s.stderr()); errs <- err }()
	both := make(chan error, 1)
	go func() { both <- errors.Join(<-errs, <-errs) }()
	return both
}

// finish waits until the command has ended and its output was read. When ctx
// ends first, stop is called, and the command has a short time to end.
func (s *session) finish(ctx context.Context, output <-chan error, stop func()) (Exit, error) {
	defer s.ch.Close()
	var exit *Exit
	var outputErr error
	var held, forced alarm
	defer held.stop()
	defer forced.stop()
	ended, done := ctx.Done(), s.done
	for output != nil || (exit == nil && done != nil) {
		select {
		case <-ended:
			ended = nil
			stop()
			forced.set(stopGrace)
		case <-forced.c:
			s.kill()
			return Exit{}, ctx.Err()
		case e := <-s.exit:
			exit = &e
			held.set(quiet)
		case <-held.c:
			if rest := quiet - time.Since(time.Unix(0, s.read.Load())); rest > 0 {
				held.set(rest)
			} else {
				s.ch.Close()
			}
		case outputErr = <-output:
			output = nil
		case <-done:
			done = nil
			select {
			case e := <-s.exit:
				exit = &e
			default:
			}
		}
	}
	switch {
	case ctx.Err() != nil:
		return Exit{}, ctx.Err()
	case exit == nil:
		return Exit{}, transport.ErrLost
	}
	return *exit, outputErr
}

// alarm is a timer that need not be set.
type alarm struct {
	timer *time.Timer
	c     <-chan time.Time
}

func (a *alarm) set(d time.Duration) {
	a.stop()
	a.timer = time.NewTimer(d)
	a.c = a.timer.C
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// kill asks the server to kill the command, for the case that its own shell
// does not.
func (s *session) kill() {
	_, _ = s.ch.SendRequest("signal", false, gossh.Marshal(struct{ Signal string }{"KILL"}))
}
