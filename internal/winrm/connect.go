package winrm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/transport"
)

const (
	firstWait   = 50 * time.Millisecond
	longestWait = 2 * time.Second

	closedTimeout = 5 * time.Second // how long a port may be closed on a machine that is there
	usualAttempts = 20              // refused logins: a machine that starts refuses some
)

// Target is a machine to connect to.
type Target struct {
	Host string // winrm_host where "" is given
	Port int    // winrm_port where 0 is given
	// Dial connects to the machine. Nil dials Host, directly or through the
	// proxy that the environment names.
	Dial func(ctx context.Context) (net.Conn, error)
	// Certificate is the SHA-256 in hex of the certificate that the machine
	// must show, "" where the one that is seen first is pinned.
	Certificate string
	// Present says that the machine is known to be there already, so that a
	// closed port or a refused login is an answer and not a boot under way.
	Present bool
}

func (t Target) port(c *Client) int {
	if t.Port == 0 {
		return c.options.WinRMPort
	}
	return t.Port
}

// Target returns the machine at winrm_host, as one that is there already.
func (c *Client) Target() Target { return Target{Host: c.Host(), Port: c.Port(), Present: true} }

// Name is what messages call the machine.
func (c *Client) name(t Target) string {
	return c.User() + "@" + net.JoinHostPort(t.Host, strconv.Itoa(t.port(c)))
}

// Connect waits until the machine can run PowerShell for the login, and tries
// with growing pauses until winrm_timeout.
func (c *Client) Connect(ctx context.Context, t Target) (*Conn, error) {
	if t.Host == "" {
		t.Host = c.Host()
	}
	conn := &Conn{client: c, target: t, pin: &pin{seen: cmp.Or(t.Certificate, c.certificate)}}
	conn.wire = c.wire(t, conn.pin)
	lim := limits{timeout: c.options.WinRMTimeout, closed: c.options.WinRMTimeout, attempts: usualAttempts}
	if t.Present {
		lim.closed, lim.attempts, lim.strict = closedTimeout, 1, true
	}
	boot, err := conn.arrive(ctx, lim)
	if err == nil && c.pause > 0 {
		conn.wire.close()
		if err = pause.For(ctx, c.pause); err == nil {
			boot, err = conn.arrive(ctx, lim)
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.boot = boot
	return conn, nil
}

// limits say when connecting gives up.
type limits struct {
	timeout  time.Duration
	closed   time.Duration // how long nobody may answer
	attempts int           // refused logins
	strict   bool          // another answer than WinRM's is final
}

// arrive asks for the machine's boot until it answers, and returns that.
func (c *Conn) arrive(ctx context.Context, lim limits) (string, error) {
	start := time.Now()
	within, cancel := context.WithTimeout(ctx, lim.timeout)
	defer cancel()
	gap, refused, answered := firstWait, 0, start
	var last error
	for {
		boot, err := c.askBoot(within)
		if err == nil {
			return boot, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if within.Err() != nil && last != nil {
			err = last
		}
		last = err
		if errors.Is(err, errLogin) {
			refused++
		}
		var fault *Fault
		var status *statusError
		if errors.As(err, &fault) || errors.Is(err, errLogin) {
			answered = time.Now()
		}
		switch {
		case final(err), refused >= lim.attempts, lim.strict && errors.As(err, &status):
			return "", c.fail(err)
		case within.Err() != nil, time.Since(answered) > lim.closed:
			return "", c.fail(fmt.Errorf("can't connect within %s: %w", time.Since(start).Round(time.Second), err))
		}
		gap = min(gap*8/5, longestWait)
		_ = pause.For(within, gap/2+rand.N(gap))
	}
}

// bootScript prints what is another after each boot: the number of boots that
// Windows counts, or the time of the last one. That it runs says that
// PowerShell can be used.
const bootScript = mark + `boot
$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
$key = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters'
$n = (Get-ItemProperty -Path $key -ErrorAction SilentlyContinue).BootId
if ($null -eq $n) { $n = (Get-CimInstance Win32_OperatingSystem).LastBootUpTime.ToFileTime() }
"boot:$n"
`

func (c *Conn) askBoot(ctx context.Context) (string, error) {
	said, err := c.script(ctx, bootScript)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(said) {
		if boot, ok := strings.CutPrefix(strings.TrimSpace(line), "boot:"); ok && boot != "" {
			return boot, nil
		}
	}
	return "", fmt.Errorf("PowerShell does not run yet: it printed %q", strings.TrimSpace(said))
}

func (c *Conn) fail(err error) error {
	var done *transport.Error
	if errors.As(err, &done) {
		return err
	}
	return &transport.Error{Target: c.client.name(c.target), Err: err, Advice: hint(err)}
}

// shell opens a shell, and tries for a while where the machine does not answer.
func (c *Conn) shell(ctx context.Context, env map[string]secret.String, dir string, patience time.Duration) (*shell, error) {
	text, err := createMessage(c.wire.url, env, dir)
	if err != nil {
		return nil, c.fail(err)
	}
	start, gap := time.Now(), firstWait
	for {
		s, err := c.wire.newShell(ctx, text)
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case final(err), time.Since(start) > patience:
			return nil, c.fail(fmt.Errorf("%w: %w", transport.ErrLost, err))
		}
		gap = min(gap*8/5, longestWait)
		_ = pause.For(ctx, gap/2+rand.N(gap))
	}
}
