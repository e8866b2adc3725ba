package localexec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// Names of folders for inputs. One has its final name when its lock is held.
const (
	newPrefix = "ingot-new-"
	prefix    = "ingot-local-"
	lockName  = ".lock"
)

// folder is where a command's inputs are while it runs. Its lock is held as
// long: the kernel drops it when this process is killed, which tells the next
// run that it may remove the folder.
type folder struct {
	path string
	lock *flock.Flock
}

func makeFolder() (*folder, error) {
	removeAbandoned()
	temp, err := os.MkdirTemp("", newPrefix)
	if err != nil {
		return nil, err
	}
	f := &folder{path: filepath.Join(filepath.Dir(temp), prefix+filepath.Base(temp)[len(newPrefix):])}
	f.lock = flock.New(filepath.Join(temp, lockName))
	if _, err = f.lock.TryLock(); err == nil {
		err = os.Rename(temp, f.path)
	}
	if err != nil {
		return nil, errors.Join(err, f.lock.Close(), os.RemoveAll(temp))
	}
	return f, nil
}

// id is what is unique in the folder's name.
func (f *folder) id() string { return strings.TrimPrefix(filepath.Base(f.path), prefix) }

// holds reports whether a clean path is in the folder.
func (f *folder) holds(path string) bool {
	return strings.HasPrefix(path, f.path+string(filepath.Separator))
}

func (f *folder) remove() {
	const tries = 5 // another run that looks for abandoned folders may make a lock in it meanwhile
	for range tries {
		if os.RemoveAll(f.path) == nil {
			break
		}
	}
	_ = f.lock.Close()
}

// removeAbandoned removes the folders of this user's processes that were
// killed.
func removeAbandoned() {
	paths, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, path := range paths {
		st, err := os.Lstat(path)
		if err != nil || !st.IsDir() {
			continue
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); !ok || int(sys.Uid) != os.Geteuid() {
			continue
		}
		f := &folder{path: path, lock: flock.New(filepath.Join(path, lockName))}
		if free, err := f.lock.TryLock(); err == nil && free {
			f.remove()
		}
	}
}
