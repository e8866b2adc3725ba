package winrmtest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// shell is a shell of a client.
type shell struct {
	server *Server
	id     string
	dir    string
	env    map[string]string // by name in capitals

	mu       sync.Mutex
	commands map[string]*process
}

func (sh *shell) command(id string) *process {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.commands[id]
}

func (sh *shell) close() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, p := range sh.commands {
		p.stop()
	}
}

// process is a command that runs.
type process struct {
	id     string
	shell  *shell
	ctx    context.Context
	stop   context.CancelFunc
	stdin  *io.PipeReader
	feeder *io.PipeWriter

	mu        sync.Mutex
	changed   chan struct{} // closed and made anew at each change
	out, errs bytes.Buffer
	done      bool
	code      int
}

func (sh *shell) start(line string, args []string, direct, input bool) *process {
	p := &process{id: strings.ToUpper(uuid.NewString()), shell: sh, changed: make(chan struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.stdin, p.feeder = io.Pipe()
	if !input {
		p.feeder.Close()
	}
	sh.mu.Lock()
	sh.commands[p.id] = p
	sh.mu.Unlock()
	context.AfterFunc(p.ctx, func() { p.feeder.CloseWithError(io.ErrUnexpectedEOF) })
	go func() {
		var code int
		if direct {
			code = p.program(line, args)
		} else {
			code = p.cmd(strings.Join(append([]string{line}, args...), " "))
		}
		if p.ctx.Err() != nil {
			code = terminated
		}
		p.stdin.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done, p.code = true, code
		p.tell()
	}()
	return p
}

// terminated is the exit code of a command that was ended by a signal.
const terminated = -1073741510 // 0xC000013A

// tell wakes who waits. It is called with mu held.
func (p *process) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

type stream struct {
	p   *process
	buf *bytes.Buffer
}

func (s stream) Write(b []byte) (int, error) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	n, err := s.buf.Write(b)
	s.p.tell()
	return n, err
}

func (p *process) stdout() io.Writer { return stream{p, &p.out} }
func (p *process) stderr() io.Writer { return stream{p, &p.errs} }

// feed gives input. It reports false where nobody reads it any more.
func (p *process) feed(data []byte, end bool) bool {
	if _, err := p.feeder.Write(data); err != nil {
		return false
	}
	if end {
		p.feeder.Close()
	}
	return true
}

// largestPiece is how much output goes into one answer, in bytes.
const largestPiece = 64 << 10

// take waits for output or the end. ok is false when there was none in time.
func (p *process) take(timeout time.Duration) (out, errs []byte, done bool, code int, ok bool) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		p.mu.Lock()
		out, errs = bytes.Clone(p.out.Next(largestPiece)), bytes.Clone(p.errs.Next(largestPiece))
		done = p.done && p.out.Len() == 0 && p.errs.Len() == 0
		changed := p.changed
		code = p.code
		p.mu.Unlock()
		if len(out)+len(errs) > 0 || done {
			return out, errs, done, code, true
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, nil, false, 0, false
		}
	}
}
