package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// consoleSize is how much of a console is shown, in bytes: as much as EC2 does.
const consoleSize = 64 << 10

// openConsole opens the file that a machine prints to. One that has become
// long begins anew with its last part.
func openConsole(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > 16*consoleSize {
		text, err := tail(path)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

// tail returns the end of a console.
func tail(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if n := info.Size() - consoleSize; n > 0 {
		if _, err := f.Seek(n, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, consoleSize))
}

// Console returns what the machine has printed.
func (h *local) Console(id string) ([]byte, error) {
	d, err := h.disk(id)
	if err != nil {
		return nil, err
	}
	text, err := tail(d.console())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
