package machine

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// Labels of a checkpoint, for the session that begins from it.
const (
	// keyLabel holds the public key that was put on the machine for the build,
	// which is taken off.
	keyLabel = "temporary_key"
	// tmpLabel says that what was in /tmp is put there again: many systems
	// empty it when they boot.
	tmpLabel = "tmp_kept"
)

// keepScript copies what is in /tmp to where it outlives a boot: by links where
// it can, so that it takes no room. Then all is written to the disks.
const keepScript = `run=; at=/var/lib/ingot-checkpoint
if [ "$(id -u)" != 0 ]; then
	if sudo -n true 2>/dev/null; then run="sudo -n"; else at="$HOME/.ingot-checkpoint"; fi
fi
$run sh -c 'rm -rf "$1" && mkdir -m 700 "$1" || exit 1
for f in /tmp/* /tmp/.[!.]*; do
	case $f in /tmp/systemd-private-*|/tmp/.*-unix) continue; esac
	[ -e "$f" ] || [ -h "$f" ] || continue
	cp -al "$f" "$1/" 2>/dev/null && continue
	rm -rf "$1/${f##*/}"
	cp -a "$f" "$1/" || [ "$(id -u)" != 0 ] || exit 1
done
exit 0' sh "$at" && sync`

// forgetScript removes what keepScript has copied; with an argument it puts it
// into /tmp before.
const forgetScript = `run=; [ "$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null || run="sudo -n"
for at in /var/lib/ingot-checkpoint "$HOME/.ingot-checkpoint"; do
	$run sh -c '[ -d "$1" ] || exit 0
	for f in "$1"/* "$1"/.[!.]*; do
		[ -n "$2" ] || break
		[ -e "$f" ] || [ -h "$f" ] || continue
		cp -a "$f" /tmp/ || exit 1
	done
	rm -rf "$1"' sh "$at" "$1" || exit 1
done`

func (s *session) script(ctx context.Context, text string, args ...string) error {
	return s.exec(ctx, &op.Exec{Argv: append([]string{"/bin/sh", "-c", text, "sh"}, args...)})
}

const flushing = "write all to the machine's disks: "

// Mark notes the state of the machine. Windows keeps its folder for temporary
// files over a boot, and has no key of the build.
func (s *session) Mark(ctx context.Context, c builders.Checkpoint) (mark builders.Mark, err error) {
	m, ok := s.machine.(Marker)
	if !ok {
		return nil, errors.New("no image can be made of a machine of this builder on its way")
	}
	if s.windows != nil {
		if err := s.windows.Flush(ctx); err != nil {
			return nil, fmt.Errorf(flushing+"%w", err)
		}
	}
	if s.conn == nil {
		return m.Mark(ctx, c)
	}
	if err := s.script(ctx, keepScript); err != nil {
		return nil, fmt.Errorf(flushing+"%w", err)
	}
	made, err := m.Mark(ctx, c)
	if err != nil {
		return nil, errors.Join(err, s.script(ctx, forgetScript))
	}
	mark = labelled{made, map[string]string{tmpLabel: "yes"}}
	if k, ok := s.machine.(Keyed); ok {
		mark.(labelled).labels[keyLabel] = keyOf(k.TemporaryKey())
	}
	if err := s.script(ctx, forgetScript); err != nil {
		return nil, errors.Join(err, made.Drop(ctx))
	}
	return mark, nil
}

// keyOf returns the part of a line in authorized_keys that no other key has.
func keyOf(line string) string {
	if fields := strings.Fields(line); len(fields) > 1 {
		return fields[1]
	}
	return ""
}

// labelled is a mark whose image is to have labels.
type labelled struct {
	builders.Mark
	labels map[string]string
}

// Image returns the image with its labels.
func (m labelled) Image(ctx context.Context) (artifact.Artifact, error) {
	a, err := m.Mark.Image(ctx)
	if err != nil {
		return a, err
	}
	labels := maps.Clone(a.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, m.labels)
	a.Labels = labels
	return a, nil
}

// takeOver makes of a machine that began from a checkpoint one as it was there:
// without the key of the build that made it, and with what was in /tmp.
func (s *session) takeOver(ctx context.Context, from *artifact.Artifact) error {
	if from == nil || s.conn == nil {
		return nil
	}
	if old := from.Labels[keyLabel]; old != "" {
		if err := s.script(ctx, clearScript, old); err != nil {
			return fmt.Errorf("remove the key of the build that made the checkpoint: %w", err)
		}
	}
	if from.Labels[tmpLabel] == "" {
		return nil
	}
	if err := s.script(ctx, forgetScript, "restore"); err != nil {
		return fmt.Errorf("put back what was in /tmp: %w", err)
	}
	return nil
}
