package machine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
)

// Marker is a Machine that an image can be made of while it goes on.
type Marker interface {
	// Mark is builders.Checkpointer's, for a machine that has written all that
	// it has to its disks.
	Mark(ctx context.Context, c builders.Checkpoint) (builders.Mark, error)
}

// keyLabel is the label of a checkpoint that holds the public key which was put
// on the machine for the build. A session that begins from it takes it off.
const keyLabel = "temporary_key"

// Mark notes the state of the machine.
func (s *session) Mark(ctx context.Context, c builders.Checkpoint) (builders.Mark, error) {
	m, ok := s.machine.(Marker)
	if !ok {
		return nil, errors.New("no image can be made of a machine of this builder on its way")
	}
	if s.conn != nil {
		if err := s.exec(ctx, &op.Exec{Argv: []string{"sync"}}); err != nil {
			return nil, fmt.Errorf("write all to its disks: %w", err)
		}
	}
	mark, err := m.Mark(ctx, c)
	if err != nil {
		return nil, err
	}
	k, ok := s.machine.(Keyed)
	if !ok || s.conn == nil || keyOf(k.TemporaryKey()) == "" {
		return mark, nil
	}
	return keyedMark{mark, keyOf(k.TemporaryKey())}, nil
}

// keyOf returns the part of a line in authorized_keys that no other key has.
func keyOf(line string) string {
	if fields := strings.Fields(line); len(fields) > 1 {
		return fields[1]
	}
	return ""
}

// keyedMark is the mark of a machine with a temporary key.
type keyedMark struct {
	builders.Mark
	key string
}

// Image notes the key beside the image.
func (m keyedMark) Image(ctx context.Context) (artifact.Artifact, error) {
	a, err := m.Mark.Image(ctx)
	if err == nil {
		labels := map[string]string{keyLabel: m.key}
		for k, v := range a.Labels {
			labels[k] = v
		}
		a.Labels = labels
	}
	return a, err
}

// takeOver takes the key of an earlier build off a machine that began from its
// checkpoint.
func (s *session) takeOver(ctx context.Context, from *artifact.Artifact) error {
	if from == nil || from.Labels[keyLabel] == "" || s.conn == nil {
		return nil
	}
	if err := s.exec(ctx, &op.Exec{Argv: []string{"/bin/sh", "-c", clearScript, "sh", from.Labels[keyLabel]}}); err != nil {
		return fmt.Errorf("remove the key of the build that made the checkpoint: %w", err)
	}
	return nil
}
