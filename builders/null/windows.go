package null

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/winrm"
)

// openWindows checks the options of a machine that is reached by WinRM.
func (c *Config) openWindows(h builders.Host) (builders.Builder, error) {
	if c.WinRMHost == "" {
		e := component.Errorf("winrm_host", "is missing")
		e.Advice = "name the machine"
		return nil, e
	}
	client, err := c.WinRMClient(c.PauseBeforeConnecting)
	if err != nil {
		return nil, err
	}
	if client.Password() == "" {
		return nil, component.Errorf("winrm_password", "is missing")
	}
	h.Secrets.Add(client.Password())
	return inPlace{machine.Windows(&windows{client: client}, client)}, nil
}

// windows is a Windows machine that is there already.
type windows struct {
	client *winrm.Client

	mu     sync.Mutex
	parked *winrm.Conn // of the last look, for the session that usually follows
}

func (w *windows) addr() string {
	return net.JoinHostPort(w.client.Host(), strconv.Itoa(w.client.Port()))
}

// Resolve connects, which shows the certificate and whether one can log in.
func (w *windows) Resolve(ctx context.Context) (builders.Base, error) {
	conn, err := w.take(ctx, "")
	if err != nil {
		return builders.Base{}, err
	}
	w.park(conn)
	return builders.Base{ID: conn.Certificate() + " " + conn.Name(), Name: conn.Name()}, nil
}

// Exists reports whether a machine with the same certificate answers at the
// artifact's address.
func (w *windows) Exists(ctx context.Context, a artifact.Artifact) (bool, error) {
	if len(a.Places) == 0 || a.Places[0].Name != w.addr() {
		return false, nil
	}
	conn, err := w.take(ctx, "")
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return false, nil // nothing answers, or another machine does
	}
	w.park(conn)
	return conn.Certificate() == a.Places[0].ID, nil
}

// Launch launches nothing: the machine is there.
func (w *windows) Launch(_ context.Context, base builders.Base, _ builders.Env) (machine.Machine, error) {
	certificate, _, _ := strings.Cut(base.ID, " ")
	return &presentWindows{windows: w, certificate: certificate}, nil
}

// take returns the parked connection, or a new one.
func (w *windows) take(ctx context.Context, certificate string) (*winrm.Conn, error) {
	w.mu.Lock()
	conn := w.parked
	w.parked = nil
	w.mu.Unlock()
	if conn != nil && (certificate == "" || conn.Certificate() == certificate) {
		return conn, nil
	}
	target := w.client.Target()
	target.Certificate = certificate
	return w.client.Connect(ctx, target)
}

func (w *windows) park(conn *winrm.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parked = conn
}

// presentWindows is the machine in a session.
type presentWindows struct {
	*windows
	certificate string
}

// ConnectWinRM takes over the connection of Resolve.
func (m *presentWindows) ConnectWinRM(ctx context.Context, _ *winrm.Client) (*winrm.Conn, error) {
	return m.take(ctx, m.certificate)
}

func (m *presentWindows) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", m.addr())
}

// Vars says where the machine is.
func (m *presentWindows) Vars() op.Values {
	return op.Values{
		"build.ID": secret.Plain("Null"), "build.Host": secret.Plain(m.client.Host()),
		"build.Port": secret.Plain(strconv.Itoa(m.client.Port())),
	}
}

// Capture makes no image: the machine as it is now is what was built.
func (m *presentWindows) Capture(context.Context) (artifact.Artifact, error) {
	return artifact.Artifact{
		Builder: Type, ID: "Null", Text: "Did not export anything. This is the null builder",
		Places: []artifact.Place{{Name: m.addr(), ID: m.certificate}},
	}, nil
}

// Destroy leaves the machine alone.
func (m *presentWindows) Destroy(context.Context) error { return nil }
