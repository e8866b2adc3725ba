package ssh_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// fails connects, which must fail, and returns the error.
func fails(t *testing.T, c ssh.Config, target func(*ssh.Target)) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl := client(t, c)
	to := cl.Target()
	if target != nil {
		target(&to)
	}
	conn, err := cl.Connect(ctx, to)
	if err == nil {
		conn.Close()
		t.Fatal("connected")
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		t.Fatalf("it took too long: %v", err)
	}
	return err
}

// wantError checks an error's text and that it has a hint.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want it to say %q", err, text)
		}
	}
	if builders.Hint(err) == "" {
		t.Errorf("error %v has no hint", err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	for name, args := range map[string][]string{
		"rsa":     {"-t", "rsa", "-b", "2048"},
		"rsa pem": {"-t", "rsa", "-b", "2048", "-m", "PEM"},
		"ecdsa":   {"-t", "ecdsa"},
		"ed25519": {"-t", "ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(s)
			c.PrivateKeyFile = keygen(t, t.TempDir(), "key", args...)
			if err := s.Authorize(c.PrivateKeyFile + ".pub"); err != nil {
				t.Fatal(err)
			}
			if got := sh(t, connect(t, c), "echo hello"); len(got) != 1 || got[0] != "hello" {
				t.Errorf("printed %q", got)
			}
			private, public := client(t, c).PrivateKey()
			file, err := os.ReadFile(c.PrivateKeyFile)
			if err != nil || private != string(file) || !strings.HasPrefix(public, "ssh-") && !strings.HasPrefix(public, "ecdsa-") {
				t.Errorf("private key differs, or public key %q, %v", public, err)
			}
		})
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := keygen(t, dir, "ca", "-t", "ed25519")
	s := sshtest.Run(t, sshtest.Options{Config: []string{"TrustedUserCAKeys " + ca + ".pub"}})
	key := keygen(t, dir, "key", "-t", "ecdsa")
	if out, err := exec.Command("ssh-keygen", "-q", "-s", ca, "-I", "id", "-n", s.User, key+".pub").CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	c := config(s)
	c.PrivateKeyFile = key
	wantError(t, fails(t, c, nil), "refused the key")
	c.CertificateFile = key + "-cert.pub"
	sh(t, connect(t, c), "true")
}

// startAgent runs an SSH agent that holds a key.
func startAgent(t *testing.T, key string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-agent"); err != nil {
		t.Skip("cannot run here: ssh-agent is not installed")
	}
	socket := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil { // it says where it listens
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", socket)
	if out, err := exec.Command("ssh-add", "-q", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v: %s", err, out)
	}
}

func TestAgent(t *testing.T) {
	s := sshtest.Run(t, sshtest.Options{})
	startAgent(t, s.KeyFile)
	c := config(s)
	c.PrivateKeyFile, c.AgentAuth = "", true
	conn := connect(t, c)
	if got := sh(t, conn, "echo agent=$SSH_AUTH_SOCK"); got[0] != "agent=" {
		t.Errorf("the agent is forwarded though nobody asked for it: %q", got)
	}
	c.AgentForwarding = true
	conn = connect(t, c)
	if got := sh(t, conn, "ssh-add -l"); len(got) != 1 || !strings.Contains(got[0], "ED25519") {
		t.Errorf("the agent is not forwarded: %q", got)
	}
}

func TestNoAgent(t *testing.T) {
	s := sshtest.Run(t, sshtest.Options{})
	t.Setenv("SSH_AUTH_SOCK", "")
	c := config(s)
	c.PrivateKeyFile, c.AgentAuth = "", true
	wantError(t, fails(t, c, nil), "there is no SSH agent")
}

func TestPassword(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sshtest.Options{
		"password":             {},
		"keyboard-interactive": {PAM: true},
		"nothing is asked":     {Config: []string{"KbdInteractiveAuthentication yes"}}, // and nobody there to ask
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.User, o.Password = "ingot-test", "it's secret"
			s := sshtest.Run(t, o)
			c := config(s)
			c.PrivateKeyFile, c.Password = "", secret.Sensitive("it's secret")
			if got := sh(t, connect(t, c), "id -un"); got[0] != "ingot-test" {
				t.Errorf("logged in as %q", got)
			}
			c.Password = secret.Sensitive("wrong")
			err := fails(t, c, nil)
			wantError(t, err, fmt.Sprintf("ingot-test@%s: the server refused the password", s.Addr()))
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("the error shows the password: %v", err)
			}
			if n := strings.Count(s.Log(), "Connection from"); n != 2 {
				t.Errorf("%d connections for one good and one refused login", n)
			}
		})
	}
}

func TestNoPasswords(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{Config: []string{"PasswordAuthentication no"}})
	c := config(s)
	c.PrivateKeyFile, c.Password = "", secret.Sensitive("x")
	wantError(t, fails(t, c, nil), "does not let one log in with the password")
}

// TestAttempts checks that a refused login is tried again where the machine may
// still be starting.
func TestAttempts(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.PrivateKeyFile = keygen(t, t.TempDir(), "other", "-t", "ed25519")
	c.HandshakeAttempts = 3
	wantError(t, fails(t, c, nil), "refused the key")
	if n := strings.Count(s.Log(), "Connection from"); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
	// A login that works after the first was refused.
	c.HandshakeAttempts = 0
	cl := client(t, c)
	to := cl.Target()
	to.Present = false
	tries := 0
	dial := to.Dial
	to.Dial = func(ctx context.Context) (net.Conn, error) {
		if tries++; tries == 2 {
			if err := s.Authorize(c.PrivateKeyFile + ".pub"); err != nil {
				t.Error(err)
			}
		}
		return dial(ctx)
	}
	conn, err := cl.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if tries != 2 {
		t.Errorf("%d tries, want 2", tries)
	}
}
