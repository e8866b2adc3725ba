package machine_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/buildertest"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// cloud is a platform whose machines are all one server. It counts them.
type cloud struct {
	server  *sshtest.Server
	destroy error // what the first Destroy says

	mu       sync.Mutex
	launched int
	running  map[*box]bool
	images   map[string]bool
}

func newCloud(s *sshtest.Server) *cloud {
	return &cloud{server: s, running: map[*box]bool{}, images: map[string]bool{}}
}

func (c *cloud) Resolve(context.Context) (builders.Base, error) {
	return builders.Base{ID: "image-1", Name: "debian"}, nil
}

func (c *cloud) Exists(_ context.Context, a artifact.Artifact) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.images[a.ID], nil
}

func (c *cloud) Launch(_ context.Context, base builders.Base, _ builders.Env) (machine.Machine, error) {
	if base.ID != "image-1" {
		return nil, errors.New("no such image: " + base.ID)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.launched++
	b := &box{cloud: c, number: c.launched}
	c.running[b] = true
	return b, nil
}

// leaks names the machines that are still there.
func (c *cloud) leaks() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for range c.running {
		list = append(list, "a machine")
	}
	return list
}

// box is one machine.
type box struct {
	cloud  *cloud
	number int
}

func (b *box) Hold(context.Context, time.Time) (json.RawMessage, error) {
	return json.Marshal(b.number)
}

func (c *cloud) Resume(_ context.Context, _ builders.Base, h machine.Held, _ builders.Env) (machine.Machine, error) {
	var number int
	if err := json.Unmarshal(h.Machine, &number); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := range c.running {
		if b.number == number {
			return b, nil
		}
	}
	return nil, builders.ErrMachineGone
}

func (b *box) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", b.cloud.server.Addr())
}

func (b *box) Vars() op.Values {
	return op.Values{"build.ID": secret.Plain("i-1"), "build.Host": secret.Plain(b.cloud.server.Host)}
}

func (b *box) Capture(context.Context) (artifact.Artifact, error) {
	b.cloud.mu.Lock()
	defer b.cloud.mu.Unlock()
	b.cloud.images["image-2"] = true
	return artifact.Artifact{Builder: "test", ID: "image-2"}, nil
}

func (b *box) Destroy(context.Context) error {
	b.cloud.mu.Lock()
	defer b.cloud.mu.Unlock()
	if err := b.cloud.destroy; err != nil {
		b.cloud.destroy = nil
		return err
	}
	delete(b.cloud.running, b)
	return nil
}

func client(t *testing.T, s *sshtest.Server, keyFile string) *ssh.Client {
	t.Helper()
	c := ssh.Defaults()
	c.Username, c.PrivateKeyFile, c.HandshakeAttempts = s.User, keyFile, 2
	cl, err := c.Client("")
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	other := sshtest.Run(t, sshtest.Options{})
	c := newCloud(s)
	buildertest.Run(t, buildertest.Harness{
		New:    func(t *testing.T) builders.Builder { return machine.Builder(c, client(t, s, s.KeyFile)) },
		Broken: func(t *testing.T) builders.Builder { return machine.Builder(c, client(t, s, other.KeyFile)) },
		Leaks:  c.leaks,
	})
}

// TestBeginFails reports why, and also what could not be removed.
func TestBeginFails(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	other := sshtest.Run(t, sshtest.Options{})
	c := newCloud(s)
	c.destroy = errors.New("the cloud is down")
	b := machine.Builder(c, client(t, s, other.KeyFile))
	_, err := b.Begin(t.Context(), builders.Base{ID: "image-1"}, builders.Env{})
	for _, want := range []string{s.User + "@127.0.0.1", "refused the key", "the cloud is down"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %q", err, want)
		}
	}
	if _, err := b.Begin(t.Context(), builders.Base{ID: "image-0"}, builders.Env{}); err == nil {
		t.Error("launched from an image that is not there")
	}
	if c.launched != 1 {
		t.Errorf("%d machines launched", c.launched)
	}
}

// TestCloseAgain destroys a machine that could not be destroyed at first.
func TestCloseAgain(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := newCloud(s)
	b := machine.Builder(c, client(t, s, s.KeyFile))
	session, err := b.Begin(t.Context(), builders.Base{ID: "image-1"}, builders.Env{})
	if err != nil {
		t.Fatal(err)
	}
	c.destroy = errors.New("the cloud is down")
	if err := session.Close(t.Context()); err == nil {
		t.Error("no error though the machine is still there")
	}
	for range 2 {
		if err := session.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if left := c.leaks(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
