package null

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
)

// stays is a machine that was there before, and stays.
type stays struct{}

// Destroy leaves the machine alone.
func (stays) Destroy(context.Context) error { return nil }

// Hold keeps nothing.
func (stays) Hold(context.Context, time.Time) (json.RawMessage, error) {
	return json.RawMessage("null"), nil
}

// Resume goes on with the machine, which has the same identity.
func (p *place) Resume(ctx context.Context, base builders.Base, _ machine.Held, env builders.Env) (machine.Machine, error) {
	return p.Launch(ctx, base, env)
}

// Resume goes on with the steps.
func (n nowhere) Resume(ctx context.Context, base builders.Base, _ machine.Held, env builders.Env) (machine.Machine, error) {
	return n.Launch(ctx, base, env)
}

// Resume resumes by the builder of the machine.
func (b inPlace) Resume(ctx context.Context, base builders.Base, held json.RawMessage, env builders.Env) (builders.Session, error) {
	return machine.Resume(ctx, b.Builder, base, held, env)
}
