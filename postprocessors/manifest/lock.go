package manifest

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// retry is how long to wait between two tries to get the lock.
const retry = 20 * time.Millisecond

// lock takes the lock file at path, and waits while another process has it.
// Unlocking removes the file, so whoever gets a file that is no longer there
// tries again.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	for {
		l := flock.New(path, flock.SetPermissions(0o644))
		if _, err := l.TryLockContext(ctx, retry); err != nil {
			return nil, err
		}
		if same(l, path) {
			return func() { _ = errors.Join(os.Remove(path), l.Close()) }, nil
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
}

func same(l *flock.Flock, path string) bool {
	held, err := l.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}
