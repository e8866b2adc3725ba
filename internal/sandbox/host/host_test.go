//go:build linux

package host

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/bootstrap"
	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// basesEnv names a folder that bases are kept in between test runs.
const basesEnv = "INGOT_TEST_BASES"

// cache is where the tests of this package have their base.
var cache string

// TestMain lets the test program be a machine's first process.
func TestMain(m *testing.M) {
	if first.IsMachine() {
		os.Exit(first.Run())
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if bases := os.Getenv(basesEnv); bases != "" {
		cache = filepath.Join(bases, "sandbox")
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "ingot-host-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cache = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// bench is a host with a key that its machines take.
type bench struct {
	t *testing.T
	*local
	base LayerID
	key  ssh.Signer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchIn(t, t.TempDir(), cache)
}

func newBenchIn(t *testing.T, dir, cache string) *bench {
	t.Helper()
	if err := errors.Join(mayMount(), mayOverlay(dir)); err != nil {
		t.Skipf("cannot run here: %v", err)
	}
	h, err := Open(dir, cache)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, local: h.(*local)}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	b.base, err = h.Base(t.Context(), Base{Suite: "bookworm"}, io.Discard)
	if err != nil {
		if strings.Contains(err.Error(), bootstrap.ErrOffline.Error()) || strings.Contains(err.Error(), "not installed") {
			t.Skipf("cannot run here: %v", err)
		}
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if b.key, err = ssh.NewSignerFromKey(key); err != nil {
		t.Fatal(err)
	}
	return b
}

// spec is a machine with SSH for the user admin.
func (b *bench) spec(id string) Spec {
	b.t.Helper()
	addr, err := b.Address()
	if err != nil {
		b.t.Fatal(err)
	}
	return Spec{
		ID: id, Layers: []LayerID{b.base}, Hostname: id + ".internal", Addrs: []netip.Addr{addr},
		OpenPorts: func() []int { return []int{22} },
		Users:     []User{{Name: "admin", Keys: []string{string(ssh.MarshalAuthorizedKey(b.key.PublicKey()))}}},
	}
}

func (b *bench) start(s Spec) Machine {
	b.t.Helper()
	m, err := b.Start(b.t.Context(), s)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// dial connects to a port of a machine, as soon as it is open.
func (b *bench) dial(m Machine, addr netip.Addr, port uint16) net.Conn {
	b.t.Helper()
	for {
		c, err := net.Dial("tcp", netip.AddrPortFrom(addr, port).String())
		if err == nil {
			return c
		}
		select {
		case <-m.Done():
			b.t.Fatalf("the machine has ended: %s", m.Exit())
		case <-b.t.Context().Done():
			b.t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (b *bench) ssh(m Machine, s Spec, user string) *ssh.Client {
	b.t.Helper()
	conn := b.dial(m, s.Addrs[0], 22)
	c, chans, reqs, err := ssh.NewClientConn(conn, "machine", &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(b.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		text, _ := b.Console(s.ID)
		b.t.Fatalf("%v\nconsole:\n%s", err, text)
	}
	client := ssh.NewClient(c, chans, reqs)
	b.t.Cleanup(func() { client.Close() })
	return client
}

// run runs a command as the user admin and returns what it prints.
func (b *bench) run(m Machine, s Spec, command string) string {
	b.t.Helper()
	c := b.ssh(m, s, "admin")
	defer c.Close()
	session, err := c.NewSession()
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := session.CombinedOutput(command)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

// eventually waits until the machine's console has the text.
func (b *bench) eventually(id, text string) string {
	b.t.Helper()
	for {
		console, err := b.Console(id)
		if err != nil {
			b.t.Fatal(err)
		}
		if strings.Contains(string(console), text) {
			return string(console)
		}
		select {
		case <-b.t.Context().Done():
			b.t.Fatalf("no %q in the console:\n%s", text, console)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (b *bench) want(got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("got %q, want %q", got, want)
	}
}

func stop(t *testing.T, m Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}
