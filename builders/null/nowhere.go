package null

import (
	"context"
	"errors"
	"net"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// nowhere is no machine: steps run on this host only.
type nowhere struct{ stays }

// Resolve says that there is none.
func (nowhere) Resolve(context.Context) (builders.Base, error) {
	return builders.Base{ID: builders.NoMachine, Name: "no machine"}, nil
}

// Exists is false: there is no telling what steps left on this host.
func (nowhere) Exists(context.Context, artifact.Artifact) (bool, error) { return false, nil }

// Launch launches nothing.
func (nowhere) Launch(context.Context, builders.Base, builders.Env) (machine.Machine, error) {
	return nowhere{}, nil
}

func (nowhere) Dial(context.Context) (net.Conn, error) {
	return nil, errors.New(`there is no machine: communicator is "none"`)
}

// Vars has the id that Packer gives.
func (nowhere) Vars() op.Values { return op.Values{"build.ID": secret.Plain("Null")} }

// Capture makes no image.
func (nowhere) Capture(context.Context) (artifact.Artifact, error) {
	return artifact.Artifact{Builder: Type, ID: "Null", Text: "Did not export anything. This is the null builder"}, nil
}
