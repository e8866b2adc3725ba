package amazon

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrmtest"
)

const windowsPassword = "Ab1;xyz(Windows)"

func windowsImage() *AMIFilter {
	return &AMIFilter{Filters: map[string]string{"name": "Windows_Server-2022-English-Full-Base-*"}, Owners: []string{"amazon"}, MostRecent: true}
}

// windows is a source of an instance that says it is a Windows one; what
// answers at its port is a server that speaks WinRM.
func (l *lab) windows(s *winrmtest.Server, password string) *Config {
	c := plainConfig()
	c.Communicator, c.WinRMUsername = "winrm", winrmtest.User
	c.WinRMHost, c.WinRMPort = s.Host, s.Port
	c.SourceAMI, c.SourceAMIFilter = "", windowsImage()
	c.RunTags = map[string]string{"sandbox:windows-password": password}
	return c
}

func (l *lab) begin(c *Config, said *said) (builders.Session, error) {
	b, err := c.Open(l.Host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	base, err := b.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	env := l.env
	env.Log = event.Log{Sink: said}
	s, err := b.Begin(ctx, base, env)
	if err == nil {
		l.t.Cleanup(func() { s.Close(context.Background()) })
	}
	return s, err
}

func winrmServer(t *testing.T) *winrmtest.Server {
	t.Helper()
	s, err := winrmtest.Start(winrmtest.Options{Password: windowsPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestWindows checks that the password that EC2 tells is decrypted with the key
// that was made, that one can log in with it, and which port is let in.
func TestWindows(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	c := l.windows(server, windowsPassword)
	out := &said{}
	s, err := l.begin(c, out)
	if err != nil {
		t.Fatal(err)
	}
	v := s.Vars()
	for name, want := range map[string]string{
		"build.ConnType": "winrm", "build.User": winrmtest.User, "build.Host": server.Host, "build.Port": strconv.Itoa(server.Port),
		"build.Password": windowsPassword, "build.WinRMPassword": windowsPassword,
	} {
		if got := v[name]; got.Reveal() != want || strings.HasSuffix(name, "Password") != got.IsSensitive() {
			t.Errorf("%s: %s", name, got)
		}
	}
	if l.Host.Secrets.Redact(windowsPassword) != secret.Redacted {
		t.Error("the password is not redacted")
	}
	if !out.has("Waiting for the password") || !out.has("Connected to WinRM") {
		t.Errorf("said %q", out.lines)
	}
	if err := s.Apply(t.Context(), builders.Step{Ops: []op.Op{&op.Exec{Cmd: "echo hi"}}}); err != nil {
		t.Error(err)
	}
	groups, err := l.region(home).EC2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	open := false
	for _, g := range groups.SecurityGroups {
		for _, p := range g.IpPermissions {
			open = open || p.FromPort != nil && int(*p.FromPort) == server.Port
		}
	}
	if !open {
		t.Error("the port of WinRM is not let in")
	}
	if _, err := s.Seal(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWindowsGiven checks that a password that is given is not asked for.
func TestWindowsGiven(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	c := l.windows(server, "another")
	c.WinRMPassword = secret.Sensitive(windowsPassword)
	if _, err := l.begin(c, &said{}); err != nil {
		t.Fatal(err)
	}
	if l.Count("ec2.GetPasswordData") != 0 || l.Count("ec2.ImportKeyPair") != 0 {
		t.Errorf("calls: %v", l.Faults.Calls())
	}
}

// TestWindowsKeyPair reads the password with the private key of a key pair that
// is there already.
func TestWindowsKeyPair(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	key, err := ssh.KeyPair{TemporaryKeyPairType: "rsa", TemporaryKeyPairBits: 2048}.NewKey("mine")
	if err != nil {
		t.Fatal(err)
	}
	name := "mine"
	if _, err := l.region(home).EC2.ImportKeyPair(t.Context(), &ec2.ImportKeyPairInput{KeyName: &name, PublicKeyMaterial: []byte(key.Authorized)}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(l.Host.Dir, "key.pem")
	if err := os.WriteFile(file, []byte(key.Private), 0o600); err != nil {
		t.Fatal(err)
	}
	c := l.windows(server, windowsPassword)
	c.KeypairName, c.PrivateKeyFile = name, "key.pem"
	if _, err := l.begin(c, &said{}); err != nil {
		t.Fatal(err)
	}
	if l.Count("ec2.ImportKeyPair") != 1 {
		t.Error("a key pair was made")
	}
}

func TestWindowsPasswordLate(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	c := l.windows(server, "")
	c.RunTags = nil
	c.WindowsPasswordTimeout = 1500 * time.Millisecond
	_, err := l.begin(c, &said{})
	if err == nil || !strings.Contains(err.Error(), "does not know the password") || !strings.Contains(builders.Hint(err), "windows_password_timeout") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	if n := l.Count("ec2.GetPasswordData"); n < 2 || n > 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestWindowsBySSH(t *testing.T) {
	t.Parallel()
	l, c := newLab(t), plainConfig()
	c.SourceAMI, c.SourceAMIFilter = "", windowsImage()
	_, err := l.begin(c, &said{})
	if err == nil || !strings.Contains(err.Error(), `is Windows, and communicator is "ssh"`) || !strings.Contains(builders.Hint(err), `communicator = "winrm"`) {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}

func TestWindowsOptions(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	if err := os.WriteFile(filepath.Join(l.Host.Dir, "bad.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for option, change := range map[string]func(*Config){
		"winrm_username":           func(c *Config) { c.WinRMUsername = "" },
		"windows_password_timeout": func(c *Config) { c.WindowsPasswordTimeout = -1 },
		"temporary_key_pair_type":  func(c *Config) { c.TemporaryKeyPairType = "ed25519" },
		"temporary_key_pair_name":  func(c *Config) { c.KeypairName, c.PrivateKeyFile, c.TemporaryKeyPairName = "a", "bad.pem", "b" },
		"ssh_keypair_name":         func(c *Config) { c.KeypairName = "a" },
		"ssh_private_key_file":     func(c *Config) { c.PrivateKeyFile = "bad.pem" },
		"ssh_private_key_file ":    func(c *Config) { c.KeypairName, c.PrivateKeyFile = "a", "bad.pem" },
		"ssh_agent_auth":           func(c *Config) { c.KeypairName, c.AgentAuth = "a", true },
		"ssh_interface":            func(c *Config) { c.SSHInterface = "session_manager" },
	} {
		c := l.windows(server, windowsPassword)
		change(c)
		_, err := c.Open(builders.Host{Dir: l.Host.Dir})
		if err == nil || !strings.HasPrefix(err.Error(), strings.TrimSpace(option)+": ") {
			t.Errorf("%s: %v", option, err)
		}
	}
}
