package machine

import (
	"context"
	"errors"
	"maps"
	"net"
	"strconv"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/winrm"
)

// Conn is what a session needs of a connection to its machine.
type Conn interface {
	Run(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (op.Exit, error)
	RunDisconnect(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (op.Exit, error)
	Put(ctx context.Context, f op.File) error
	Tree(ctx context.Context, t *op.Tree) error
	Get(ctx context.Context, from, to string) error
	Close() error
}

// rebooter is a Conn to a machine that can be told to start anew.
type rebooter interface {
	Reboot(ctx context.Context, r *op.Reboot, out func(line string, stderr bool)) (op.Exit, error)
}

// WinConnector is a Machine that makes its connection by WinRM itself, e.g.
// because its cloud knows the password.
type WinConnector interface {
	ConnectWinRM(ctx context.Context, c *winrm.Client) (*winrm.Conn, error)
}

// Windows returns a builder of Windows machines of a cloud, which are reached
// by w.
func Windows(c Cloud, w *winrm.Client) builders.Builder { return &builder{cloud: c, winrm: w} }

// supportsWindows refuses what needs a Unix machine.
func supportsWindows(k op.Kind) error {
	switch k {
	case op.KindLocal, op.KindConnected, op.KindPause, op.KindCmd, op.KindReboot, op.KindPut, op.KindTree, op.KindGet:
		return nil
	case op.KindExec:
		err := errors.New(`it needs a Unix machine, and communicator is "winrm"`)
		return builders.WithHint(err, "use powershell or windows-shell")
	}
	err := errors.New(`it needs SSH, and communicator is "winrm"`)
	return builders.WithHint(err, "use powershell or windows-shell, or reach the machine by SSH")
}

// connectWindows logs in by WinRM.
func (s *session) connectWindows(ctx context.Context) error {
	s.log.Say("Waiting for WinRM to become available...")
	conn, err := s.dialWindows(ctx)
	if err != nil {
		return err
	}
	s.windows, s.remote = conn, conn
	s.log.Say("Connected to WinRM!")
	return nil
}

func (s *session) dialWindows(ctx context.Context) (*winrm.Conn, error) {
	if c, ok := s.machine.(WinConnector); ok {
		return c.ConnectWinRM(ctx, s.winrm)
	}
	v := s.Vars()
	port, _ := strconv.Atoi(v["build.Port"].Reveal()) // 0 is the client's own
	dial := func(ctx context.Context) (net.Conn, error) { return s.machine.Dial(ctx) }
	return s.winrm.Connect(ctx, winrm.Target{Host: v["build.Host"].Reveal(), Port: port, Dial: dial})
}

// windowsVars are the values of the login by WinRM; what the machine knows
// itself goes before.
func (s *session) windowsVars(known op.Values) op.Values {
	password := secret.Sensitive(s.winrm.Password())
	if p, ok := known["build.WinRMPassword"]; ok {
		password = p
	}
	v := op.Values{
		"build.User": secret.Plain(s.winrm.User()), "build.Password": password, "build.WinRMPassword": password,
	}
	maps.Copy(v, known)
	v["build.ConnType"] = secret.Plain("winrm")
	return v
}

// reboot restarts the machine.
func (s *session) reboot(ctx context.Context, o *op.Reboot) error {
	r, ok := s.remote.(rebooter)
	if !ok {
		return errors.New("only Windows machines can be told to restart: use shell with expect_disconnect = true")
	}
	s.log.Say("Restarting the machine...")
	exit, err := r.Reboot(ctx, o, s.log.Output)
	if err != nil {
		return err
	}
	if !op.Success(o.OK, exit.Code) {
		return &builders.ExitError{Command: builders.CommandText([]string{o.Cmd}), Code: exit.Code}
	}
	s.log.Say("The machine has restarted")
	return nil
}
