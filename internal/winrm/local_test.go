package winrm_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/winrm"
	"github.com/ingot-build/ingot/internal/winrmtest"
)

// TestBind gives a program of this host the login and the options of the build,
// and refuses where it could not get to the machine.
func TestBind(t *testing.T) {
	o := winrmtest.Options{TLS: true, NTLM: true}
	s := serve(t, o)
	opts := options(s, o)
	opts.WinRMNoProxy = true
	t.Setenv("no_proxy", "example.com")
	c := client(t, opts)
	conn, err := c.Connect(t.Context(), c.Target())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	play := &op.Local{Env: map[string]secret.String{"P": secret.Plain(op.Token(op.ConnPassword))}, Connection: &op.Connection{}}
	for _, name := range []string{op.ConnUser, op.ConnHost, op.ConnScheme, op.ConnAuth, op.ConnCertificates} {
		play.Argv = append(play.Argv, op.Token(name))
	}
	for user, want := range map[string]string{"": winrmtest.User, "ann": "ann"} {
		play.Connection.User = user
		got, err := conn.Bind(play)
		if err != nil || !slices.Equal(got.Argv, []string{want, s.Host, "https", "ntlm", "ignore"}) {
			t.Errorf("%q, %v", got.Argv, err)
		}
		if p := got.Env["P"]; p.Reveal() != s.Password || !p.IsSensitive() || got.Env["no_proxy"].Reveal() != "example.com,"+s.Host {
			t.Errorf("environment %v", got.Env)
		}
	}
	tunnel, err := c.Connect(t.Context(), winrm.Target{Host: s.Host, Port: s.Port, Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	if _, err := tunnel.Bind(play); err == nil || !strings.Contains(err.Error(), "through a tunnel") {
		t.Errorf("through a tunnel: %v", err)
	}
}
