package null_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/null"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/sshtest"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*null.Config)
		option string
	}{
		"no host":    {func(c *null.Config) { c.Host = "" }, "ssh_host"},
		"no user":    {func(c *null.Config) { c.Username = "" }, "ssh_username"},
		"winrm":      {func(c *null.Config) { c.Communicator = "winrm" }, "winrm_host"},
		"winrm user": {func(c *null.Config) { c.Communicator, c.WinRMHost = "winrm", "localhost" }, "winrm_username"},
		"winrm password": {func(c *null.Config) {
			c.Communicator, c.WinRMHost, c.WinRMUsername = "winrm", "localhost", "Administrator"
		}, "winrm_password"},
		"temp keys": {func(c *null.Config) { c.ClearAuthorizedKeys = true }, "ssh_clear_authorized_keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := null.Definition().New().(*null.Config)
			c.Host, c.Username, c.Password = "localhost", "root", secret.Sensitive("x")
			if _, err := c.Open(builders.Host{}); err != nil {
				t.Fatal(err)
			}
			test.change(c)
			_, err := c.Open(builders.Host{})
			var option *component.OptionError
			if !errors.As(err, &option) || option.Option != test.option {
				t.Errorf("error %v, want one about %s", err, test.option)
			}
		})
	}
}

func TestSecretsAreKnown(t *testing.T) {
	t.Parallel()
	c := null.Definition().New().(*null.Config)
	c.Host, c.Username, c.Password = "localhost", "root", secret.Plain("hunter22")
	var set secret.Set
	if _, err := c.Open(builders.Host{Secrets: &set}); err != nil {
		t.Fatal(err)
	}
	if got := set.Redact("password hunter22"); strings.Contains(got, "hunter22") {
		t.Errorf("shown: %q", got)
	}
}

func TestNoCommunicator(t *testing.T) {
	t.Parallel()
	c := null.Definition().New().(*null.Config)
	c.Communicator = "none"
	b := open(t, c)
	for _, k := range []op.Kind{op.KindExec, op.KindPut, op.KindTree, op.KindGet} {
		err := b.Supports(k)
		if err == nil || !strings.Contains(err.Error(), `communicator is "none"`) || builders.Hint(err) == "" {
			t.Errorf("%s: %v, hint %q", k, err, builders.Hint(err))
		}
	}
	base, err := b.Resolve(t.Context())
	if err != nil || base.ID == "" {
		t.Fatalf("%+v, %v", base, err)
	}
	s, err := b.Begin(t.Context(), base, builders.Env{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.Apply(t.Context(), builders.Step{Ops: []op.Op{&op.Local{Argv: []string{"true"}}, &op.Pause{}}}); err != nil {
		t.Error(err)
	}
	if err := s.Apply(t.Context(), builders.Step{Ops: []op.Op{&op.Exec{Argv: []string{"true"}}}}); err == nil {
		t.Error("ran a command on no machine")
	}
	if got := s.Vars()["build.ConnType"].Reveal(); got != "none" {
		t.Errorf("build.ConnType is %q", got)
	}
	a, err := s.Seal(t.Context())
	if err != nil || a.ID != "Null" {
		t.Errorf("%+v, %v", a, err)
	}
	if found, err := b.Exists(t.Context(), a); found || err != nil {
		t.Errorf("exists without a machine: %v, %v", found, err)
	}
}

// TestUnreachable names the machine and says what to do.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	s.Stop()
	c.Timeout = 200 * time.Millisecond
	b := open(t, c)
	_, err := b.Resolve(t.Context())
	if err == nil || !strings.Contains(err.Error(), s.User+"@"+s.Addr()) || builders.Hint(err) == "" {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	found, err := b.Exists(t.Context(), artifact.Artifact{Places: []artifact.Place{{Name: s.Addr(), ID: s.HostKey}}})
	if found || err != nil {
		t.Errorf("exists: %v, %v", found, err)
	}
}

// TestOneConnection counts the logins of a whole build.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	b := open(t, config(s))
	base, err := b.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(base.ID, s.HostKey+" ") || base.Name != s.User+"@"+s.Addr() {
		t.Errorf("base %+v", base)
	}
	a := artifact.Artifact{Places: []artifact.Place{{Name: s.Addr(), ID: s.HostKey}}}
	if found, err := b.Exists(t.Context(), a); !found || err != nil {
		t.Errorf("exists: %v, %v", found, err)
	}
	session, err := b.Begin(t.Context(), base, builders.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Apply(t.Context(), builders.Step{Ops: []op.Op{&op.Exec{Argv: []string{"true"}}}}); err != nil {
		t.Error(err)
	}
	vars := session.Vars()
	for name, want := range map[string]string{"build.Host": s.Host, "build.User": s.User, "build.ConnType": "ssh", "build.ID": "Null",
		"build.SSHPrivateKeyFile": config(s).PrivateKeyFile, "build.SSHAgentAuth": "false"} {
		if got := vars[name].Reveal(); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !vars["build.SSHPrivateKey"].IsSensitive() || !vars["build.Password"].IsSensitive() {
		t.Error("the login is not sensitive")
	}
	if err := session.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(s.Log(), "Connection from"); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestOtherMachine lets another machine answer at the address.
func TestOtherMachine(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	b := open(t, config(s))
	base, err := b.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	other := sshtest.Run(t, sshtest.Options{Port: s.Port})
	if err := other.Authorize(s.KeyFile + ".pub"); err != nil {
		t.Fatal(err)
	}
	b = open(t, config(s))
	if _, err := b.Begin(t.Context(), base, builders.Env{}); err == nil || !strings.Contains(err.Error(), "host key") {
		t.Errorf("begin: %v", err)
	}
	again, err := b.Resolve(t.Context())
	if err != nil || again.ID == base.ID {
		t.Errorf("resolved to %s, %v", again.ID, err)
	}
	found, err := b.Exists(t.Context(), artifact.Artifact{Places: []artifact.Place{{Name: s.Addr(), ID: s.HostKey}}})
	if found || err != nil {
		t.Errorf("exists: %v, %v", found, err)
	}
}

// TestLost tells a lost connection apart from a failed command.
func TestLost(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	b := open(t, config(s))
	base, err := b.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := b.Begin(t.Context(), base, builders.Env{Log: event.Log{Sink: sinkFunc(func(e event.Event) {
		if _, ok := e.Body.(event.Output); ok {
			go s.Stop()
		}
	})}})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(context.Background())
	err = session.Apply(t.Context(), builders.Step{Ops: []op.Op{&op.Exec{Argv: []string{"/bin/sh", "-c", "echo ready; sleep 1000"}}}})
	if !errors.Is(err, builders.ErrConnectionLost) || !strings.Contains(builders.Hint(err), "expect_disconnect") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}

type sinkFunc func(event.Event)

func (f sinkFunc) Emit(e event.Event) { f(e) }

// TestParallel runs many builds at once against one server with its usual limits.
func TestParallel(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			b := open(t, config(s))
			base, err := b.Resolve(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			session, err := b.Begin(t.Context(), base, builders.Env{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := session.Apply(t.Context(), builders.Step{Ops: []op.Op{&op.Exec{Argv: []string{"true"}}}}); err != nil {
				t.Error(err)
			}
			if err := session.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
