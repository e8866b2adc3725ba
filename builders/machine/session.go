package machine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/transport"
	"github.com/ingot-build/ingot/internal/winrm"
)

// session is one machine, connected to.
type session struct {
	machine Machine
	ssh     *ssh.Client // nil without a communicator
	conn    *ssh.Conn   // nil without SSH
	winrm   *winrm.Client
	windows *winrm.Conn // nil without WinRM
	remote  Conn        // by SSH or WinRM; nil without a communicator
	log     event.Log
	scratch string
	cleared bool // of the build's key

	mu        sync.Mutex
	destroyed bool
	kept      bool
}

func newScratch() string { return strings.ToLower(rand.Text()) }

func (s *session) connect(ctx context.Context) error {
	if host := s.Vars()["build.Host"]; host.Reveal() != "" {
		s.log.Say("Using " + s.kind() + " communicator to connect: " + host.String())
	}
	if s.winrm != nil {
		return s.connectWindows(ctx)
	}
	s.log.Say("Waiting for SSH to become available...")
	var err error
	if c, ok := s.machine.(Connector); ok {
		s.conn, err = c.Connect(ctx, s.ssh)
	} else {
		s.conn, err = s.ssh.Connect(ctx, ssh.Target{Name: s.name(), Dial: s.machine.Dial})
	}
	if err != nil {
		return err
	}
	s.remote = s.conn
	s.log.Say("Connected to SSH!")
	return nil
}

func (s *session) kind() string {
	if s.winrm != nil {
		return "WinRM"
	}
	return "SSH"
}

// name is what messages call the machine.
func (s *session) name() string {
	v := s.Vars()
	name := s.ssh.User() + "@" + v["build.Host"].String()
	if port := v["build.Port"].String(); port != "" {
		name += ":" + port
	}
	return name
}

// Vars returns what is known of the machine and of the login.
func (s *session) Vars() op.Values {
	v := op.Values{
		op.Scratch:       secret.Plain(s.scratch),
		"build.ConnType": secret.Plain("none"),
	}
	if d, ok := s.machine.(Describer); ok {
		maps.Copy(v, d.Vars())
	}
	if s.winrm != nil {
		return s.windowsVars(v)
	}
	if s.ssh == nil {
		return v
	}
	private, public := s.ssh.PrivateKey()
	for name, value := range map[string]secret.String{
		"build.ConnType":          secret.Plain("ssh"),
		"build.User":              secret.Plain(s.ssh.User()),
		"build.Password":          secret.Sensitive(s.ssh.Password()),
		"build.SSHPublicKey":      secret.Plain(public),
		"build.SSHPrivateKey":     secret.Sensitive(private),
		"build.SSHPrivateKeyFile": secret.Plain(s.ssh.KeyFile()),
		"build.SSHAgentAuth":      secret.Plain(strconv.FormatBool(s.ssh.AgentAuth())),
	} {
		if _, known := v[name]; !known || name == "build.ConnType" {
			v[name] = value
		}
	}
	return v
}

// Apply carries out the ops of a step, one after the other.
func (s *session) Apply(ctx context.Context, step builders.Step) error {
	for _, o := range step.Ops {
		if err := s.apply(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) apply(ctx context.Context, o op.Op) error {
	switch o := o.(type) {
	case *op.Local:
		return s.local(ctx, o)
	case *op.Pause:
		return pause.For(ctx, o.For)
	}
	if s.remote == nil {
		return fmt.Errorf(`%s needs a machine, and communicator is "none"`, o.Kind())
	}
	var err error
	switch o := o.(type) {
	case *op.Exec:
		err = s.exec(ctx, o)
	case *op.Put:
		err = s.remote.Put(ctx, o.File)
	case *op.Tree:
		err = s.remote.Tree(ctx, o)
	case *op.Get:
		err = s.remote.Get(ctx, o.Path, o.Local)
	case *op.Capture:
		err = s.capture(ctx, o)
	case *op.Reboot:
		err = s.reboot(ctx, o)
	default:
		err = fmt.Errorf("%s is not supported on machines", o.Kind())
	}
	if errors.Is(err, transport.ErrLost) {
		return lostError{s.ended(ctx, err)}
	}
	if err != nil && strings.Contains(err.Error(), noSpace) {
		return builders.WithHint(err, fullHint)
	}
	return err
}

// ended adds to the error of a lost connection why the machine is gone.
func (s *session) ended(ctx context.Context, err error) error {
	m, ok := s.machine.(Mortal)
	if !ok {
		return err
	}
	why := m.Ended(ctx)
	if why == nil {
		return err
	}
	return builders.WithHint(fmt.Errorf("%w: %v", err, why), builders.Hint(why))
}

func (s *session) exec(ctx context.Context, o *op.Exec) error {
	run := s.remote.Run
	if o.Disconnect {
		run = s.runDisconnect
	}
	var full atomic.Bool // both streams are read at the same time
	exit, err := run(ctx, o, func(line string, stderr bool) {
		if strings.Contains(line, noSpace) {
			full.Store(true)
		}
		s.log.Output(line, stderr)
	})
	if errors.Is(err, transport.ErrLost) && s.winrm != nil {
		return builders.WithHint(err, "restart the machine by windows-restart, or take 16001 into valid_exit_codes where a script does it")
	}
	if errors.Is(err, transport.ErrLost) {
		return builders.WithHint(err, "set expect_disconnect = true where a script restarts the machine or its network")
	}
	if err != nil {
		return err
	}
	if exit.Signal == "" && op.Success(o.OK, exit.Code) {
		return nil
	}
	err = &builders.ExitError{Command: builders.ExecName(o), Code: exit.Code, Signal: exit.Signal}
	if full.Load() {
		return builders.WithHint(err, fullHint)
	}
	return err
}

var errStopped = errors.New("the machine has stopped")

// runDisconnect runs a command that may restart the machine, or shut it down:
// then nobody waits for it to be back.
func (s *session) runDisconnect(ctx context.Context, o *op.Exec, out func(string, bool)) (op.Exit, error) {
	st, ok := s.machine.(Stopper)
	if !ok {
		return s.remote.RunDisconnect(ctx, o, out)
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		err := st.Stopped(running)
		if err == nil {
			err = errStopped
		}
		cancel(err)
	}()
	exit, err := s.remote.RunDisconnect(running, o, out)
	switch why := context.Cause(running); {
	case err == nil || why == nil || ctx.Err() != nil:
		return exit, err
	case errors.Is(why, errStopped):
		return op.Exit{}, nil
	default:
		return op.Exit{}, why
	}
}

// noSpace is what programs print on a disk that is full.
const noSpace = "No space left on device"

const fullHint = "the machine's disk is full: give it a larger one (amazon: volume_size in launch_block_device_mappings, googlecompute: disk_size)"

// Seal makes the image.
func (s *session) Seal(ctx context.Context) (artifact.Artifact, error) {
	if err := s.clearKey(ctx); err != nil {
		return artifact.Artifact{}, fmt.Errorf("ssh_clear_authorized_keys: %w", err)
	}
	return s.machine.Capture(ctx)
}

// clearScript removes the lines with a key from the authorized_keys of the
// login and, where it may, of root.
const clearScript = `set -e
for f in "$HOME/.ssh/authorized_keys" /root/.ssh/authorized_keys; do
	run=
	[ -w "$f" ] || run="sudo -n"
	$run test -f "$f" 2>/dev/null || continue
	$run sh -c 'grep -vF "$2" "$1" >"$1.ingot"; cat "$1.ingot" >"$1"; rm -f "$1.ingot"' sh "$f" "$1"
done`

// clearKey removes the key of the build, where the options say so.
func (s *session) clearKey(ctx context.Context) error {
	k, ok := s.machine.(Keyed)
	if !ok || s.conn == nil || !s.ssh.ClearsAuthorizedKeys() {
		return nil
	}
	public := keyOf(k.TemporaryKey())
	if public == "" {
		return nil
	}
	s.cleared = true
	return s.exec(ctx, &op.Exec{Argv: []string{"/bin/sh", "-c", clearScript, "sh", public}})
}

// Keep leaves the machine as it is: Close ends only the connection.
func (s *session) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = true
}

// Close ends the connection and removes the machine, unless it is kept.
func (s *session) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remote != nil {
		s.remote.Close()
	}
	if s.destroyed || s.kept {
		return nil
	}
	if err := s.machine.Destroy(ctx); err != nil {
		return err
	}
	s.destroyed = true
	return nil
}

// lostError says in the words of the contract that the connection was lost.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

func (e lostError) Is(target error) bool { return target == builders.ErrConnectionLost }
