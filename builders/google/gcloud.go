package google

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/ssh"
)

// viaGcloud reports whether the template wants gcloud's own tunnel.
func (m *instance) viaGcloud() bool {
	return m.IAPLocalhostPort != 0 || m.IAPHashbang != "" || m.IAPExt != ""
}

// gcloudTunnel is gcloud's start-iap-tunnel, running.
type gcloudTunnel struct {
	cmd    *exec.Cmd
	addr   string
	script string
	done   chan struct{} // closed when it has ended

	mu   sync.Mutex
	said []string // its last lines
}

// dialGcloud connects through gcloud's tunnel, which is started once and waited
// for until it listens.
func (m *instance) dialGcloud(ctx context.Context) (net.Conn, error) {
	m.mu.Lock()
	if m.tunnel == nil || m.tunnel.ended() {
		t, err := m.startGcloud(ctx)
		if err != nil {
			m.mu.Unlock()
			return nil, err
		}
		m.tunnel = t
	}
	addr := m.tunnel.addr
	m.mu.Unlock()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return ssh.Tunnelled(conn), nil
}

func (m *instance) startGcloud(ctx context.Context) (*gcloudTunnel, error) {
	if _, err := exec.LookPath("gcloud"); err != nil {
		return nil, builders.WithHint(errors.New("gcloud is not on the PATH, and iap_localhost_port, iap_hashbang or iap_ext ask for its tunnel"),
			"leave these options out: ingot speaks the protocol of the Identity-Aware Proxy itself")
	}
	port := m.IAPLocalhostPort
	if port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	t := &gcloudTunnel{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), done: make(chan struct{})}
	if err := t.start(m.gcloudScript(t.addr), m.IAPExt); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, time.Duration(m.IAPTunnelLaunchWait)*time.Second)
	defer cancel()
	if err := t.ready(wait); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// gcloudScript is what runs gcloud.
func (m *instance) gcloudScript(addr string) string {
	bang := m.IAPHashbang
	if bang == "" {
		bang = "/bin/sh"
	}
	args := []string{"exec", "gcloud", "compute", "start-iap-tunnel", m.name, strconv.Itoa(m.door()),
		"--local-host-port=" + addr, "--zone", m.Zone, "--project", m.ProjectID}
	if m.ImpersonateServiceAccount != "" {
		args = append(args, "--impersonate-service-account="+m.ImpersonateServiceAccount)
	}
	return "#!" + bang + "\n" + strings.Join(args, " ") + "\n"
}

func (t *gcloudTunnel) start(script, ext string) error {
	f, err := os.CreateTemp("", "ingot-tunnel-*"+ext)
	if err != nil {
		return err
	}
	t.script = f.Name()
	_, err = f.WriteString(script)
	if err = errors.Join(err, f.Chmod(0o700), f.Close()); err != nil {
		os.Remove(t.script)
		return err
	}
	t.cmd = exec.Command(t.script)
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := t.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := t.cmd.Start(); err != nil {
		os.Remove(t.script)
		return fmt.Errorf("start gcloud's tunnel: %w", err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			t.mu.Lock()
			t.said = append(t.said, lines.Text())
			t.said = t.said[max(0, len(t.said)-5):]
			t.mu.Unlock()
		}
		_ = t.cmd.Wait()
		close(t.done)
	}()
	return nil
}

// ready waits until the tunnel listens.
func (t *gcloudTunnel) ready(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var d net.Dialer
	for {
		if conn, err := d.DialContext(ctx, "tcp", t.addr); err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-t.done:
			return fmt.Errorf("gcloud's tunnel ended: %s", t.lines())
		case <-ctx.Done():
			return builders.WithHint(fmt.Errorf("gcloud's tunnel does not listen at %s: %s", t.addr, t.lines()), "iap_tunnel_launch_wait sets how long to wait")
		case <-tick.C:
		}
	}
}

func (t *gcloudTunnel) lines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.said, "; ")
}

func (t *gcloudTunnel) ended() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// close ends gcloud and all that it started.
func (t *gcloudTunnel) close() {
	_ = syscall.Kill(-t.cmd.Process.Pid, syscall.SIGTERM)
	<-t.done
	os.Remove(t.script)
}
