package amazon

import (
	"context"
	"errors"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
)

// Launch starts an instance.
func (c *ebs) Launch(ctx context.Context, imageID string, env builders.Env) (machine.Machine, error) {
	return nil, errors.New("not there yet")
}
