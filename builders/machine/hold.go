package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
)

// Holder is a Machine that can be left for a later run.
type Holder interface {
	// Hold returns what Resume needs to find the machine again. It may hold
	// secrets. In the cloud the machine is marked as one that may go after
	// until.
	Hold(ctx context.Context, until time.Time) (json.RawMessage, error)
}

// Resumer is a Cloud that finds machines again that were held.
type Resumer interface {
	// Resume returns the machine that was held, and that was launched from
	// base. When it fails the machine stays as it is; ErrMachineGone is in the
	// chain where it is gone.
	Resume(ctx context.Context, base builders.Base, h Held, env builders.Env) (Machine, error)
}

// Held is a machine that was left for a later run.
type Held struct {
	Scratch string `json:"scratch"`
	HostKey string `json:"hostKey,omitempty"` // fingerprint; "" where it is not reached by SSH, or has not been yet
	// Certificate is the SHA-256 of that of WinRM, "" where there is none.
	Certificate string `json:"certificate,omitempty"`
	// Unreached says that nothing has been done on it.
	Unreached bool            `json:"unreached,omitempty"`
	Machine   json.RawMessage `json:"machine"` // what its Hold gave
}

// Ender is a Machine that ends by itself at some time.
type Ender interface{ Ends() time.Time }

// Proxied is a Machine that is reached by a program of this host.
type Proxied interface {
	// Proxy is the ProxyCommand of ssh, "" where none is needed.
	Proxy() string
}

// Hold leaves the machine for a later run.
func (s *session) Hold(ctx context.Context, until time.Time) (json.RawMessage, error) {
	m, ok := s.machine.(Holder)
	if !ok {
		return nil, errors.New("machines of this kind can't be held")
	}
	if s.cleared {
		return nil, errors.New("the key of the build is not on it any more (ssh_clear_authorized_keys)")
	}
	h := Held{Scratch: s.scratch, Unreached: s.ssh != nil && s.conn == nil}
	if s.conn != nil {
		h.HostKey = s.conn.HostKey()
	}
	if s.windows != nil {
		h.Certificate = s.windows.Certificate()
	}
	var err error
	if h.Machine, err = m.Hold(ctx, until); err != nil {
		return nil, err
	}
	text, err := json.Marshal(h)
	if err == nil {
		s.Keep()
	}
	return text, err
}

// Ends returns when the machine ends by itself, the zero time for never.
func (s *session) Ends() time.Time {
	if e, ok := s.machine.(Ender); ok {
		return e.Ends()
	}
	return time.Time{}
}

// Login returns how a person logs in.
func (s *session) Login() (builders.Login, bool) {
	v := s.Vars()
	host := v["build.Host"].Reveal()
	switch {
	case s.winrm != nil:
		var password secret.String
		if d, ok := s.machine.(Describer); ok {
			password = d.Vars()["build.WinRMPassword"]
		}
		return builders.Login{To: v["build.User"].Reveal() + " at " + host + ":" + v["build.Port"].Reveal() + " (WinRM)", Password: password}, true
	case s.ssh == nil:
		return builders.Login{}, false
	}
	port, err := strconv.Atoi(v["build.Port"].Reveal())
	if err != nil {
		return builders.Login{}, false
	}
	proxy := ""
	if p, ok := s.machine.(Proxied); ok {
		proxy = p.Proxy()
	}
	var l ssh.Login
	if s.conn != nil {
		l = s.conn.Login(host, port, proxy)
	} else {
		l = s.ssh.Login(ssh.Way{User: v["build.User"].Reveal(), Key: v["build.SSHPrivateKey"].Reveal()}, host, port, proxy)
	}
	return builders.Login{Command: append([]string{"ssh"}, l.Options...), To: l.To, Key: secret.Sensitive(l.Key), KnownHosts: l.KnownHosts}, true
}

// Resume goes on with a machine that was held. When that is not possible it
// stays as it is.
func (b *builder) Resume(ctx context.Context, base builders.Base, held json.RawMessage, env builders.Env) (builders.Session, error) {
	c, ok := b.cloud.(Resumer)
	if !ok {
		return nil, errors.New("machines of this kind can't be held")
	}
	var h Held
	if err := json.Unmarshal(held, &h); err != nil {
		return nil, fmt.Errorf("what was kept of the machine can't be read: %w", err)
	}
	m, err := c.Resume(ctx, base, h, env)
	if err != nil {
		return nil, err
	}
	s := &session{machine: m, ssh: b.ssh, winrm: b.winrm, log: env.Log, scratch: h.Scratch}
	if b.ssh == nil && b.winrm == nil {
		return s, nil
	}
	if h.Certificate != "" {
		s.winrm = s.winrm.Pinned(h.Certificate)
	}
	err = s.connect(ctx)
	if err == nil && h.Unreached {
		err = s.takeOver(ctx, base.From)
	}
	if err != nil {
		s.Keep()
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

// Resume resumes by a builder of this package that something is put around.
func Resume(ctx context.Context, b builders.Builder, base builders.Base, held json.RawMessage, env builders.Env) (builders.Session, error) {
	r, ok := b.(builders.Resumer)
	if !ok {
		return nil, errors.New("machines of this kind can't be held")
	}
	return r.Resume(ctx, base, held, env)
}
