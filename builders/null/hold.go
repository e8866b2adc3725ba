package null

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
)

// Hold keeps nothing: the machine was there before, and stays.
func (m *present) Hold(context.Context, time.Time) (json.RawMessage, error) {
	return json.RawMessage("null"), nil
}

// Resume goes on with the machine, which has the same host key.
func (p *place) Resume(ctx context.Context, base builders.Base, _ machine.Held, env builders.Env) (machine.Machine, error) {
	return p.Launch(ctx, base, env)
}

// Resume resumes by the builder of the machine.
func (b inPlace) Resume(ctx context.Context, base builders.Base, held json.RawMessage, env builders.Env) (builders.Session, error) {
	return machine.Resume(ctx, b.Builder, base, held, env)
}

// Hold keeps nothing: the machine was there before, and stays.
func (m *presentWindows) Hold(context.Context, time.Time) (json.RawMessage, error) {
	return json.RawMessage("null"), nil
}

// Resume goes on with the machine, which has the same certificate.
func (w *windows) Resume(ctx context.Context, base builders.Base, _ machine.Held, env builders.Env) (machine.Machine, error) {
	return w.Launch(ctx, base, env)
}
