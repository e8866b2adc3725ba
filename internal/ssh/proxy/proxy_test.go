package proxy_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/ssh/proxy"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// start starts a proxy to a real server, and returns how ssh gets through.
func start(t *testing.T, o op.Proxy) (ssh.Way, func(program string, args ...string) (string, error)) {
	t.Helper()
	server := sshtest.Run(t, sshtest.Options{})
	c := ssh.Defaults()
	c.Host, c.Port, c.Username, c.PrivateKeyFile = server.Host, server.Port, server.User, server.KeyFile
	client, err := c.Client("")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := client.Connect(t.Context(), client.Target())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p, err := proxy.Start(o, conn.OpenSession)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	way := p.Way()
	dir := t.TempDir()
	key, _, _, _, err := gossh.ParseAuthorizedKey([]byte(way.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	known := knownhosts.Line([]string{knownhosts.Normalize(net.JoinHostPort(way.Host, way.Port))}, key)
	write(t, filepath.Join(dir, "known"), known+"\n")
	write(t, filepath.Join(dir, "key"), way.Key)
	return way, func(program string, args ...string) (string, error) {
		all := append([]string{"-F", "none", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + dir + "/known", "-o", "StrictHostKeyChecking=yes",
			"-o", "IdentitiesOnly=yes", "-i", dir + "/key", "-o", "Port=" + way.Port}, args...)
		cmd := exec.CommandContext(t.Context(), program, all...)
		cmd.Stdin = strings.NewReader("a line\n")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	way, run := start(t, op.Proxy{KeyType: "ed25519"})
	for _, tt := range []struct {
		command, want string
		code          int
	}{
		{"cat", "a line\n", 0},
		{"echo out; exit 3", "out\n", 3},
		{"echo err >&2", "err\n", 0},
		{"head -c 300000 /dev/zero | wc -c", "300000\n", 0},
		{"kill -s KILL $$", "", 255},
	} {
		out, err := run("ssh", "anybody@"+way.Host, tt.command)
		code := 0
		if exit, ok := err.(*exec.ExitError); ok {
			code = exit.ExitCode()
		}
		if out != tt.want || code != tt.code {
			t.Errorf("%s: %d %q %v", tt.command, code, out, err)
		}
	}
	if out, err := run("ssh", "-tt", "anybody@"+way.Host, "test -t 0 && echo a terminal"); err != nil || !strings.Contains(out, "a terminal") {
		t.Errorf("%q %v", out, err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]op.Proxy{
		"subsystem": {}, "command": {KeyType: "ed25519", SFTPCommand: "/usr/lib/sftp-server -e"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way, run := start(t, o)
			dir := t.TempDir()
			text := strings.Repeat("some text\n", 100_000)
			write(t, filepath.Join(dir, "from"), text)
			if out, err := run("scp", "-q", dir+"/from", "anybody@"+way.Host+":"+dir+"/to"); err != nil {
				t.Fatal(err, out)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "to")); err != nil || !bytes.Equal(got, []byte(text)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// Only who has the key gets in, and only sessions are passed on.
func TestRefused(t *testing.T) {
	t.Parallel()
	way, _ := start(t, op.Proxy{KeyType: "ed25519"})
	other, err := ssh.KeyPair{}.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	login := func(private string) (*gossh.Client, error) {
		signer, err := gossh.ParsePrivateKey([]byte(private))
		if err != nil {
			t.Fatal(err)
		}
		return gossh.Dial("tcp", net.JoinHostPort(way.Host, way.Port), &gossh.ClientConfig{
			User: "anybody", Auth: []gossh.AuthMethod{gossh.PublicKeys(signer)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
		})
	}
	if _, err := login(other.Private); err == nil {
		t.Error("another key got in")
	}
	c, err := login(way.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Dial("tcp", net.JoinHostPort(way.Host, way.Port)); err == nil {
		t.Error("a forwarded connection was made")
	}
}

func TestOwnKeys(t *testing.T) {
	t.Parallel()
	host, err := ssh.KeyPair{}.NewKey("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "host"), host.Private)
	write(t, filepath.Join(dir, "user.pub"), host.Authorized)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	opener := func(context.Context) (gossh.Channel, <-chan *gossh.Request, error) { return nil, nil, net.ErrClosed }
	p, err := proxy.Start(op.Proxy{Port: taken, HostKeyFile: dir + "/host", AuthorizedKeyFile: dir + "/user.pub"}, opener)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	way := p.Way()
	port, _ := strconv.Atoi(way.Port)
	if way.Key != "" || strings.TrimSpace(way.HostKey) != host.Authorized || port <= taken || port >= taken+10 {
		t.Errorf("key %t, port %d after %d, host key %q", way.Key != "", port, taken, way.HostKey)
	}
	if _, err := proxy.Start(op.Proxy{HostKeyFile: dir + "/user.pub"}, opener); err == nil {
		t.Error("a public key is no host key")
	}
}
