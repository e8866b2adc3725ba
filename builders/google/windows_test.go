package google

import (
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/winrmtest"
)

const windowsPassword = "Ab1;xyz(Windows)"

// windows is a source of an instance that says it is a Windows one; what
// answers is a server of this host that speaks WinRM.
func windows(s *winrmtest.Server, change func(*Config)) *Config {
	return template(func(c *Config) {
		c.Communicator, c.WinRMUsername, c.WinRMHost, c.WinRMPort = "winrm", winrmtest.User, s.Host, s.Port
		c.SourceImageFamily, c.SourceImageProjectID = "windows-2022", []string{"windows-cloud"}
		c.Metadata = map[string]secret.String{"sandbox-windows-password": secret.Sensitive(windowsPassword)}
		if change != nil {
			change(c)
		}
	})
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

// TestWindows exchanges the password with the agent by metadata and the serial
// port, and logs in with it.
func TestWindows(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	out := &lines{}
	s, err := l.begin(t, l.open(t, windows(server, nil)), l.env(t, out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.text())
	}
	v := s.Vars()
	if p := v["build.WinRMPassword"]; p.Reveal() != windowsPassword || !p.IsSensitive() || v["build.Password"] != p {
		t.Errorf("password %s", p)
	}
	if v["build.ConnType"].Reveal() != "winrm" || v["build.User"].Reveal() != winrmtest.User || v["build.Host"].Reveal() != server.Host {
		t.Errorf("values %v", v)
	}
	if l.host.Secrets.Redact(windowsPassword) != secret.Redacted {
		t.Error("the password is not redacted")
	}
	if err := s.Apply(t.Context(), builders.Step{Ops: []op.Op{&op.Exec{Cmd: "echo hi"}}}); err != nil || !strings.Contains(out.text(), "hi") {
		t.Errorf("%v\n%s", err, out.text())
	}
}

func TestWindowsNoAgent(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	c := windows(server, func(c *Config) { c.Metadata, c.WindowsPasswordTimeout = nil, 1500*time.Millisecond })
	_, err := l.begin(t, l.open(t, c), l.env(t, &lines{}))
	if err == nil || !strings.Contains(err.Error(), "has no password after 1.5s") || !strings.Contains(builders.Hint(err), "windows_password_timeout") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}

// TestWindowsGiven checks that a password that is given is not asked for.
func TestWindowsGiven(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), winrmServer(t)
	c := windows(server, func(c *Config) { c.Metadata, c.WinRMPassword = nil, secret.Sensitive(windowsPassword) })
	if _, err := l.begin(t, l.open(t, c), l.env(t, &lines{})); err != nil {
		t.Fatal(err)
	}
}

// TestWindowsPlay refuses plays where only ingot has a way to the instance.
func TestWindowsPlay(t *testing.T) {
	t.Parallel()
	l, server := newLab(t), &winrmtest.Server{Host: "127.0.0.1", Port: 5986}
	for _, iap := range []bool{false, true} {
		b := l.open(t, windows(server, func(c *Config) { c.UseIAP = iap }))
		if err := b.Supports(op.KindConnected); (err != nil) != iap {
			t.Errorf("use_iap = %t: %v", iap, err)
		}
	}
}

func TestWindowsBySSH(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := template(func(c *Config) {
		c.SourceImageFamily, c.SourceImageProjectID = "windows-2022", []string{"windows-cloud"}
	})
	_, err := l.begin(t, l.open(t, c), l.env(t, &lines{}))
	if err == nil || !strings.Contains(err.Error(), `windows-2022-v20260114 is Windows, and communicator is "ssh"`) || !strings.Contains(builders.Hint(err), `communicator = "winrm"`) {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}

func TestWindowsOptions(t *testing.T) {
	t.Parallel()
	for option, change := range map[string]func(*Config){
		"winrm_username":            func(c *Config) { c.WinRMUsername = "" },
		"windows_password_timeout":  func(c *Config) { c.WindowsPasswordTimeout = -1 },
		"ssh_clear_authorized_keys": func(c *Config) { c.ClearAuthorizedKeys = true },
		"communicator":              func(c *Config) { c.Communicator = "telnet" },
	} {
		c := windows(&winrmtest.Server{Host: "127.0.0.1", Port: 5985}, change)
		_, err := c.Open(builders.Host{Dir: t.TempDir()})
		if e, ok := err.(*component.OptionError); !ok || e.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
}
