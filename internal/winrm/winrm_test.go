package winrm_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/transport"
	"github.com/ingot-build/ingot/internal/winrm"
	"github.com/ingot-build/ingot/internal/winrmtest"
)

func serve(t *testing.T, o winrmtest.Options) *winrmtest.Server {
	t.Helper()
	s, err := winrmtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// options reach a server.
func options(s *winrmtest.Server, o winrmtest.Options) winrm.Options {
	return winrm.Options{
		WinRMHost: s.Host, WinRMPort: s.Port, WinRMUsername: winrmtest.User, WinRMPassword: secret.Sensitive(s.Password),
		WinRMUseSSL: o.TLS, WinRMInsecure: o.TLS, WinRMUseNTLM: o.NTLM, WinRMTimeout: time.Minute,
	}
}

func client(t *testing.T, o winrm.Options) *winrm.Client {
	t.Helper()
	c, err := o.WinRMClient(0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t *testing.T, o winrmtest.Options) (*winrm.Conn, *winrmtest.Server) {
	t.Helper()
	s := serve(t, o)
	c := client(t, options(s, o))
	conn, err := c.Connect(t.Context(), c.Target())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, s
}

// output keeps what a command prints.
type output struct {
	mu       sync.Mutex
	out, err []string
	first    chan struct{}
}

func newOutput() *output { return &output{first: make(chan struct{})} }

func (o *output) line(line string, stderr bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.out)+len(o.err) == 0 {
		close(o.first)
	}
	if stderr {
		o.err = append(o.err, line)
		return
	}
	o.out = append(o.out, line)
}

func (o *output) text() (out, errs string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.out, "|"), strings.Join(o.err, "|")
}

func text(s string) op.Blob { return op.Text(secret.Plain(s)) }

func TestRun(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]winrmtest.Options{
		"http": {}, "https": {TLS: true}, "ntlm": {NTLM: true}, "ntlm over https": {NTLM: true, TLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, s := connect(t, o)
			out := newOutput()
			exit, err := conn.Run(t.Context(), &op.Exec{
				Cmd: `echo hello %WHO% & it's <ok> && "c:/Windows/Temp/in put.bat" && exit 7`, Env: map[string]secret.String{"WHO": secret.Sensitive("a<b&c]]>")},
				Inputs: []op.File{{Path: "c:/Windows/Temp/in put.bat", Blob: text("@echo off\r\necho from the input 1>&2\r\n")}},
			}, out.line)
			if err != nil || exit.Code != 7 {
				t.Fatalf("exit %+v, %v", exit, err)
			}
			if got, errs := out.text(); got != "hello a<b&c]]> & it's <ok>" || errs != "from the input" {
				t.Errorf("printed %q and %q", got, errs)
			}
			if missing(s, "c:/Windows/Temp/in put.bat") != nil {
				t.Error("the input is left behind")
			}
			if n := s.Shells(); n != 0 {
				t.Errorf("%d shells are left", n)
			}
		})
	}
}

// TestRunCosts is how many requests a command with an input takes.
func TestRunCosts(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	before := map[string]int{}
	for _, a := range []string{"Create", "Command", "Send", "Receive", "Delete", "Signal"} {
		before[a] = s.Requests(a)
	}
	in := []op.File{{Path: "c:/a.bat", Blob: text("echo a")}, {Path: "c:/b.bat", Blob: text("echo b")}}
	if _, err := conn.Run(t.Context(), &op.Exec{Cmd: `"c:/a.bat" && "c:/b.bat"`, Inputs: in}, nil); err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]int{"Create": 1, "Command": 3, "Send": 1, "Delete": 1, "Signal": 0} {
		if got := s.Requests(a) - before[a]; got != want {
			t.Errorf("%s: %d requests, want %d", a, got, want)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	conn, _ := connect(t, winrmtest.Options{})
	for name, e := range map[string]*op.Exec{
		"unix":      {Argv: []string{"/bin/sh", "x"}},
		"user":      {Cmd: "echo", User: "web"},
		"character": {Cmd: "echo \x01"},
		"value":     {Cmd: "echo", Env: map[string]secret.String{"A": secret.Sensitive("\x02")}},
		"too long":  {Cmd: "echo " + strings.Repeat("x", 9000)},
	} {
		if _, err := conn.Run(t.Context(), e, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFlood(t *testing.T) {
	t.Parallel()
	conn, _ := connect(t, winrmtest.Options{})
	n, last := 0, ""
	_, err := conn.Run(t.Context(), &op.Exec{Cmd: "flood 100000"}, func(line string, _ bool) { n, last = n+1, line })
	if err != nil || n != 100000 || last != "line 99999 of the flood" {
		t.Errorf("%d lines, the last %q, %v", n, last, err)
	}
}

// TestPowerShellErrors checks that errors come as text, not as CLIXML.
func TestPowerShellErrors(t *testing.T) {
	t.Parallel()
	conn, _ := connect(t, winrmtest.Options{})
	out := newOutput()
	exit, err := conn.Run(t.Context(), &op.Exec{
		Cmd:    `powershell -executionpolicy bypass -file c:/x.ps1`,
		Inputs: []op.File{{Path: "c:/x.ps1", Blob: text("Write-Output \"before\"\nWrite-Error \"a < b & c\"\nexit 3\n")}},
	}, out.line)
	if got, errs := out.text(); err != nil || exit.Code != 3 || got != "before" || errs != "a < b & c" {
		t.Errorf("exit %+v, %v; printed %q and %q", exit, err, got, errs)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]winrmtest.Options{"basic": {}, "ntlm": {NTLM: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, o)
			opts := options(s, o)
			opts.WinRMPassword = secret.Sensitive("not-the-password")
			c := client(t, opts)
			_, err := c.Connect(t.Context(), c.Target())
			var e *transport.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), "refused the user name or the password") || !strings.Contains(e.Hint(), "winrm_use_ntlm") {
				t.Fatalf("error %v, hint %q", err, e.Hint())
			}
			if strings.Contains(err.Error()+e.Hint(), "not-the-password") {
				t.Error("the error shows the password")
			}
		})
	}
}

func TestWrongServer(t *testing.T) {
	t.Parallel()
	plain, tls := serve(t, winrmtest.Options{}), serve(t, winrmtest.Options{TLS: true})
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	web := other.Listener.Addr().(*net.TCPAddr).Port
	for name, test := range map[string]struct {
		server     *winrmtest.Server
		change     func(*winrm.Options)
		want, hint string
	}{
		"unknown certificate":   {tls, func(o *winrm.Options) { o.WinRMUseSSL = true }, "certificate", "winrm_insecure"},
		"http at an https port": {plain, func(o *winrm.Options) { o.WinRMUseSSL = true }, "HTTP response to HTTPS client", "leave out winrm_use_ssl"},
		"some web server":       {plain, func(o *winrm.Options) { o.WinRMPort = web }, "it answers 404 Not Found, which is not WinRM", "something else"},
		"closed port":           {plain, func(o *winrm.Options) { o.WinRMPort = 1 }, "refused", "turn WinRM on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(test.server, winrmtest.Options{})
			test.change(&o)
			c := client(t, o)
			_, err := c.Connect(t.Context(), c.Target())
			var e *transport.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) || !strings.Contains(e.Hint(), test.hint) {
				t.Errorf("error %v, want %q; hint %q", err, test.want, e.Advice)
			}
		})
	}
}

// TestPin checks that another certificate than the first is refused.
func TestPin(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{TLS: true})
	if len(conn.Certificate()) != 64 {
		t.Errorf("certificate %q", conn.Certificate())
	}
	c := client(t, options(s, winrmtest.Options{TLS: true}))
	if again, err := c.Pinned(conn.Certificate()).Connect(t.Context(), c.Target()); err != nil {
		t.Error(err)
	} else if err := again.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Recertify(); err != nil {
		t.Fatal(err)
	}
	s.Cut()
	if _, err := c.Pinned(conn.Certificate()).Connect(t.Context(), c.Target()); !errors.As(err, new(*winrm.CertificateError)) {
		t.Errorf("another certificate than was pinned: %v", err)
	}
	_, err := conn.Run(t.Context(), &op.Exec{Cmd: "echo"}, nil)
	var changed *winrm.CertificateError
	if !errors.As(err, &changed) || changed.Want != conn.Certificate() {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := winrm.Options{WinRMUsername: "Administrator"}
	c := client(t, good)
	if c.Port() != 5985 || c.Password() != "" {
		t.Errorf("port %d", c.Port())
	}
	good.WinRMInsecure = true // as many templates have it, also by HTTP
	if c = client(t, good); c.Port() != 5985 {
		t.Errorf("port %d without SSL", c.Port())
	}
	good.WinRMUseSSL = true
	if c = client(t, good); c.Port() != 5986 {
		t.Errorf("port %d with SSL", c.Port())
	}
	if c = c.WithPassword("x"); c.Password() != "x" || c.User() != "Administrator" {
		t.Error("WithPassword")
	}
	for option, change := range map[string]func(*winrm.Options){
		"winrm_username": func(o *winrm.Options) { o.WinRMUsername = "" },
		"winrm_port":     func(o *winrm.Options) { o.WinRMPort = 70000 },
		"winrm_timeout":  func(o *winrm.Options) { o.WinRMTimeout = -1 },
	} {
		o := good
		change(&o)
		_, err := o.WinRMClient(0)
		var e *component.OptionError
		if !errors.As(err, &e) || e.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
}
