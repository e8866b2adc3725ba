package ssh_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/sshtest"
)

func TestBastion(t *testing.T) {
	t.Parallel()
	bastion := sshtest.Run(t, sshtest.Options{})
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.BastionHost, c.BastionPort = bastion.Host, bastion.Port
	c.BastionUsername, c.BastionPrivateKeyFile = bastion.User, bastion.KeyFile
	conn := connect(t, c)
	if got := sh(t, conn, "echo $SSH_CONNECTION"); !strings.HasSuffix(got[0], strconv.Itoa(s.Port)) {
		t.Errorf("connected to %q", got)
	}
	if !strings.Contains(bastion.Log(), "Accepted publickey") {
		t.Error("the bastion was not used")
	}
	conn.Close()

	// Without a login of its own, the bastion gets the machine's.
	c.BastionUsername, c.BastionPrivateKeyFile = "", ""
	wantError(t, fails(t, c, nil), "through the bastion", bastion.Addr(), "refused the key")
	if err := bastion.Authorize(s.KeyFile + ".pub"); err != nil {
		t.Fatal(err)
	}
	connect(t, c).Close()

	c.Port = closedPort(t)
	c.Timeout = time.Millisecond
	wantError(t, fails(t, c, nil), "through the bastion")
}

func TestBastionInteractive(t *testing.T) {
	t.Parallel()
	bastion := sshtest.Run(t, sshtest.Options{User: "ingot-test", Password: "open sesame", PAM: true})
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.BastionHost, c.BastionPort, c.BastionUsername, c.BastionInteractive = bastion.Host, bastion.Port, bastion.User, true
	cl := client(t, c)
	var asked atomic.Int32
	cl.Ask = func(question string, echo bool) (string, error) {
		asked.Add(1)
		if !strings.Contains(question, "Password") || echo {
			return "", fmt.Errorf("asked %q, echo %v", question, echo)
		}
		return "open sesame", nil
	}
	conn, err := cl.Connect(t.Context(), cl.Target())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sh(t, conn, "true")
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// socks is a SOCKS5 proxy. user is "" where it lets everyone through.
func socks(t *testing.T, user, password string) (port int, used *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	used = &atomic.Int32{}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { l.Close() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				target, err := socksRequest(conn, user, password)
				if err != nil {
					return
				}
				out, err := net.Dial("tcp", target)
				if err != nil {
					_, _ = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}) // refused
					return
				}
				defer out.Close()
				used.Add(1)
				_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
				go func() { _, _ = io.Copy(out, conn); out.Close() }()
				_, _ = io.Copy(conn, out)
			})
		}
	})
	return l.Addr().(*net.TCPAddr).Port, used
}

// socksRequest reads what a client of RFC 1928 and 1929 wants.
func socksRequest(conn net.Conn, user, password string) (target string, err error) {
	buf := make([]byte, 512)
	read := func(n int) []byte {
		if err == nil {
			_, err = io.ReadFull(conn, buf[:n])
		}
		return buf[:n]
	}
	read(int(read(2)[1]))
	method := byte(0)
	if user != "" {
		method = 2
	}
	_, _ = conn.Write([]byte{5, method})
	if user != "" {
		name := string(read(int(read(2)[1])))
		pass := string(read(int(read(1)[0])))
		if name != user || pass != password {
			_, _ = conn.Write([]byte{1, 1})
			return "", errors.New("wrong password")
		}
		_, _ = conn.Write([]byte{1, 0})
	}
	var host string
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	default:
		return "", errors.New("address")
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(read(2))))), err
}

func TestProxy(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	for name, user := range map[string]string{"open": "", "with password": "someone"} {
		t.Run(name, func(t *testing.T) {
			port, used := socks(t, user, "pass")
			c := config(s)
			c.ProxyHost, c.ProxyPort, c.ProxyUsername, c.ProxyPassword = "127.0.0.1", port, user, secret.Sensitive("pass")
			conn := connect(t, c)
			sh(t, conn, "true")
			conn.Close()
			if used.Load() != 1 {
				t.Errorf("the proxy was used %d times", used.Load())
			}
			c.Timeout = time.Millisecond
			c.Port = closedPort(t)
			if err := fails(t, c, nil); !strings.Contains(err.Error(), "through the proxy") {
				t.Error(err)
			}
		})
	}
}

// closedPort returns a port that nothing listens at.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.Port = closedPort(t)
	c.Timeout = 100 * time.Millisecond
	wantError(t, fails(t, c, nil), fmt.Sprintf("%s@127.0.0.1:%d: can't connect within", s.User, c.Port), "connection refused")
	c.Host = "no-such-host.invalid"
	wantError(t, fails(t, c, nil), "no-such-host.invalid")
}

// TestOpensLater connects to a server that is not there at first.
func TestOpensLater(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	s.Stop()
	cl := client(t, config(s))
	to := cl.Target()
	dial, tries := to.Dial, 0
	to.Dial = func(ctx context.Context) (net.Conn, error) {
		if tries++; tries == 3 {
			if err := s.Restart(""); err != nil {
				t.Error(err)
			}
		}
		return dial(ctx)
	}
	conn, err := cl.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sh(t, conn, "true")
}

// listen serves connections until the test ends.
func listen(t *testing.T, handle func(net.Conn)) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			all.Go(func() { handle(conn) })
		}
	})
	return l.Addr().(*net.TCPAddr)
}

func TestNoSSHServer(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.Timeout = 300 * time.Millisecond
	c.Port = listen(t, func(conn net.Conn) { conn.Close() }).Port
	wantError(t, fails(t, c, nil), "can't connect within")
	c.Port = listen(t, func(net.Conn) {}).Port // says nothing
	wantError(t, fails(t, c, nil), "can't connect within")
}

// TestCancelConnect cancels while a server says nothing.
func TestCancelConnect(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	c := config(s)
	c.Port = listen(t, func(net.Conn) { cancel() }).Port
	cl := client(t, c)
	if _, err := cl.Connect(ctx, cl.Target()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestBusyServer connects many times at once to a server that drops most.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{Config: []string{"MaxStartups 2:90:4"}})
	cl := client(t, config(s))
	var all sync.WaitGroup
	for range 25 {
		all.Go(func() {
			conn, err := cl.Connect(t.Context(), cl.Target())
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		})
	}
	all.Wait()
	if !strings.Contains(s.Log(), "MaxStartups") {
		t.Log("the server dropped no connection")
	}
}

// TestPause connects, waits and connects again.
func TestPause(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.PauseBeforeConnecting = time.Millisecond
	sh(t, connect(t, c), "true")
	if n := strings.Count(s.Log(), "Accepted publickey"); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
}

func TestTunnels(t *testing.T) {
	t.Parallel()
	echo := listen(t, func(conn net.Conn) {
		_, _ = io.Copy(conn, conn)
		conn.Close()
	})
	s := sshtest.Run(t, sshtest.Options{})
	local, remote := closedPort(t), closedPort(t)
	c := config(s)
	c.LocalTunnels = []string{fmt.Sprintf("%d:%s", local, echo)}
	c.RemoteTunnels = []string{fmt.Sprintf("%d:%s", remote, echo)}
	conn := connect(t, c)
	for name, port := range map[string]int{"local": local, "remote": remote} {
		through, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := through.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = through.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(through); string(got) != "hello" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		through.Close()
	}
	conn.Close()
	// Another test may have been given the port by now, so that it listens again.
	if through, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(local))); err == nil {
		_ = through.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = through.Write([]byte("hello"))
		_ = through.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(through); string(got) == "hello" {
			t.Error("the tunnel is still open")
		}
		through.Close()
	}
}

func TestTunnelTaken(t *testing.T) {
	t.Parallel()
	taken := listen(t, func(conn net.Conn) { conn.Close() })
	c := config(sshtest.Run(t, sshtest.Options{}))
	c.LocalTunnels = []string{fmt.Sprintf("%d:127.0.0.1:1", taken.Port)}
	if err := fails(t, c, nil); !strings.Contains(err.Error(), "ssh_local_tunnels") {
		t.Error(err)
	}
}

// TestAlgorithms connects with what is configured.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{Config: []string{"Ciphers aes256-ctr"}})
	c := config(s)
	connect(t, c).Close()
	c.Ciphers = []string{"aes256-ctr"}
	c.KeyExchangeAlgorithms = []string{"curve25519-sha256"}
	connect(t, c).Close()
	c.Ciphers = []string{"aes128-gcm@openssh.com"}
	wantError(t, fails(t, c, nil), "no common algorithm")
}
