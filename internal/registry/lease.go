package registry

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/ingot-build/ingot/internal/key"
)

// Lease makes the caller the only one that works on what a key of a bucket
// stands for, until it calls release. While another does, Lease waits, and
// tells who that is; release is nil once that one let go. Then there may be
// what it made: look, and call again where there is not.
//
// A lease saves work. What is right does not rest on it: a holder that is
// stopped for long may lose it and not know.
func (r *Registry) Lease(ctx context.Context, bucket string, k key.Key, holder string, waiting func(holder string)) (release func(), err error) {
	op := "lease of " + k.Short() + " in " + bucket
	repo, err := r.repository(bucket)
	if err != nil {
		return nil, err
	}
	if _, err := keyTag(k); err != nil {
		return nil, err
	}
	release, err = repo.lease(ctx, k, holder, waiting)
	return release, r.explain(op, err)
}

// lease locks a file, which the kernel lets go of when the process ends. Its
// content says who holds it. Who is done removes the file, so that those who
// waited for it know that they are to look again; who finds the lock of the
// file that is still there follows one that died.
func (b *layoutBucket) lease(ctx context.Context, k key.Key, holder string, waiting func(string)) (func(), error) {
	dir := filepath.Join(b.dir, "leases")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, strings.ReplaceAll(b.prefix, "/", "+")+"."+string(k))
	lock := flock.New(path, flock.SetPermissions(0o644))
	got, err := lock.TryLock()
	if err == nil && !got {
		text, _ := os.ReadFile(path) // it may be gone by now
		waiting(cmp.Or(strings.TrimSpace(string(text)), "another run"))
		err = await(ctx, lock)
	}
	if err != nil {
		return nil, err
	}
	if same, err := stillThere(lock); err != nil || !same {
		return nil, errors.Join(err, lock.Close())
	}
	if err := os.WriteFile(path, []byte(holder+"\n"), 0o644); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return func() {
		_ = os.Remove(path) // where that is not possible, the next one holds it again
		_ = lock.Close()
	}, nil
}

// await blocks until the lock is had. One that comes too late is given back.
func await(ctx context.Context, lock *flock.Flock) error {
	locked := make(chan error, 1)
	go func() { locked <- lock.Lock() }()
	select {
	case err := <-locked:
		return err
	case <-ctx.Done():
		go func() {
			if <-locked == nil {
				_ = lock.Close()
			}
		}()
		return context.Cause(ctx)
	}
}

// stillThere reports whether the file that is locked still has its name.
func stillThere(lock *flock.Flock) (bool, error) {
	ours, err := lock.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(lock.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(ours, there), err
}
