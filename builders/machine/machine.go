// Package machine is what builders of machines share: it turns a Cloud into a
// builders.Builder and carries out ops over SSH.
package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// Cloud is what a platform has to say about its machines and images.
type Cloud interface {
	// Resolve pins the source image. It changes nothing.
	Resolve(ctx context.Context) (builders.Base, error)
	// Exists reports whether the artifact is still there, in every place.
	Exists(ctx context.Context, a artifact.Artifact) (bool, error)
	// Launch starts a machine from an image: that of base.ID, or base.From
	// where the cloud's builder is a builders.Booter. It leaks nothing when it
	// fails.
	Launch(ctx context.Context, base builders.Base, env builders.Env) (Machine, error)
}

// Machine is a machine that an image is made of.
type Machine interface {
	// Dial connects to its SSH server, or to its port of WinRM.
	Dial(ctx context.Context) (net.Conn, error)
	// Capture makes the image.
	Capture(ctx context.Context) (artifact.Artifact, error)
	// Destroy removes the machine and all that came with it, but not the
	// image. It may be called again.
	Destroy(ctx context.Context) error
}

// Describer is a Machine that knows values of build.* tokens: "build.ID",
// "build.Host", "build.Port".
type Describer interface{ Vars() op.Values }

// Connector is a Machine that makes its connection itself.
type Connector interface {
	Connect(ctx context.Context, c *ssh.Client) (*ssh.Conn, error)
}

// Mortal is a Machine that can be asked why it is not there any more.
type Mortal interface {
	// Ended returns why the machine has ended, nil where it has not or where
	// that is not known.
	Ended(ctx context.Context) error
}

// Stopper is a Machine that a step may shut down, to be imaged as it is then.
type Stopper interface {
	// Stopped returns nil when the machine has stopped, why when it has ended
	// for good, and the error of ctx when that ends.
	Stopped(ctx context.Context) error
}

// Keyed is a Machine that a key was put on for the build. With
// ssh_clear_authorized_keys it is removed before the image is made.
type Keyed interface {
	// TemporaryKey is the key's line in authorized_keys, "" where there is none.
	TemporaryKey() string
}

// closeTimeout is how long the removal of a machine that could not be reached
// may take when the build was cancelled.
const closeTimeout = 5 * time.Minute

// Builder returns a builder of machines of a cloud, which are reached by s. A
// nil s is no communicator: only ops that run on this host are supported.
func Builder(c Cloud, s *ssh.Client) builders.Builder { return &builder{cloud: c, ssh: s} }

type builder struct {
	cloud Cloud
	ssh   *ssh.Client
	winrm *winrm.Client
}

func (b *builder) Resolve(ctx context.Context) (builders.Base, error) { return b.cloud.Resolve(ctx) }

func (b *builder) Exists(ctx context.Context, a artifact.Artifact) (bool, error) {
	return b.cloud.Exists(ctx, a)
}

// Supports refuses what needs a machine where there is no communicator, and
// what is for machines of another kind.
func (b *builder) Supports(k op.Kind) error {
	if b.winrm != nil {
		return supportsWindows(k)
	}
	switch k {
	case op.KindLocal, op.KindPause:
		return nil
	case op.KindExec, op.KindPut, op.KindTree, op.KindGet, op.KindCapture, op.KindConnected:
		if b.ssh != nil {
			return nil
		}
		err := errors.New(`it needs a machine, and communicator is "none"`)
		return builders.WithHint(err, `use shell-local, leave this build out with only or except, or set communicator = "ssh"`)
	}
	if k == op.KindCmd || k == op.KindReboot {
		err := errors.New(`it is for Windows machines, which are reached by WinRM`)
		return builders.WithHint(err, `set communicator = "winrm"; PowerShell on a Unix machine needs a remote_path such as "/tmp/script.ps1"`)
	}
	return fmt.Errorf("%s is not supported on machines", k)
}

func (b *builder) Begin(ctx context.Context, base builders.Base, env builders.Env) (builders.Session, error) {
	m, err := b.cloud.Launch(ctx, base, env)
	if err != nil {
		return nil, err
	}
	s := &session{machine: m, ssh: b.ssh, winrm: b.winrm, log: env.Log, scratch: newScratch()}
	if b.ssh == nil && b.winrm == nil {
		return s, nil
	}
	err = s.connect(ctx)
	if err != nil && env.Hold && s.ssh != nil {
		return nil, &builders.UnreachedError{Session: s, Err: err}
	}
	if err == nil {
		err = s.takeOver(ctx, base.From)
	}
	if err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, s.Close(closing))
	}
	return s, nil
}
