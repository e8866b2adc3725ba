package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// program is what machines' first processes run. It stays the same when another
// version takes its name.
type program struct {
	*os.File // nil is the program of this process
}

// beside is the folder of this program.
func beside() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	exe, err = filepath.EvalSymlinks(exe)
	return filepath.Dir(exe), err
}

// findProgram takes the small program for machines where it lies in a folder
// and understands this one, else this one itself, which starts slower.
func findProgram(dir string) (program, error) {
	f, err := os.Open(filepath.Join(dir, first.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return program{}, nil
	} else if err != nil {
		return program{}, err
	}
	p := program{f}
	source, err := exec.Command(p.path(), first.AskSource).Output()
	if err != nil || strings.TrimSpace(string(source)) != first.Source() {
		return program{}, p.Close()
	}
	return p, nil
}

// path is good for as long as the program is open.
func (p program) path() string {
	if p.File == nil {
		return "/proc/self/exe"
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.Fd())
}

// Close is for the end of the host.
func (p program) Close() error {
	if p.File == nil {
		return nil
	}
	return p.File.Close()
}
