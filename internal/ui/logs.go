package ui

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/event"
)

// LogPath returns the log file of a build in dir, "" where dir is "". Its name
// is the build's address, with a hash where that could not be a file's name.
func LogPath(dir, build string) string {
	if dir == "" {
		return ""
	}
	const longest = 100
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, build)
	safe = safe[:min(len(safe), longest)]
	if safe != build || strings.HasPrefix(safe, ".") || safe == "" {
		safe = fmt.Sprintf("%s-%x", strings.TrimLeft(safe, "."), sha256.Sum256([]byte(build)))[:min(len(safe), longest)+9]
	}
	return filepath.Join(dir, safe+".log")
}

// LogFiles writes one log file a build: all that it said and printed, with
// times. Files of an earlier run are replaced.
type LogFiles struct {
	mu       sync.Mutex
	dir      string
	narrator *narrator
	files    map[string]*os.File
	begun    map[string]bool // written to in this run
	buf      bytes.Buffer
	err      error
}

// Logs returns the sink that writes log files into o.LogDir, which is made
// when needed. Without LogDir it does nothing.
func Logs(o Options) *LogFiles {
	l := &LogFiles{dir: o.LogDir, files: map[string]*os.File{}, begun: map[string]bool{}}
	o.Color = false
	l.narrator = newNarrator(o, l)
	l.narrator.phases = true
	return l
}

// Emit writes the lines of an event to its build's file.
func (l *LogFiles) Emit(e event.Event) {
	if l.dir == "" || e.Build == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
	l.narrator.tell(e)
	if l.buf.Len() == 0 {
		return
	}
	if f := l.file(e.Build); f != nil {
		_, err := f.Write(l.buf.Bytes())
		l.keep(err)
	}
	if _, ok := e.Body.(event.BuildDone); ok {
		l.close(e.Build)
	}
}

// Close closes the files and returns the first error.
func (l *LogFiles) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for build := range l.files {
		l.close(build)
	}
	return l.err
}

// file returns the open file of a build, nil where it can't be opened.
func (l *LogFiles) file(build string) *os.File {
	if f, ok := l.files[build]; ok {
		return f
	}
	mode := os.O_APPEND
	if !l.begun[build] {
		l.begun[build] = true
		l.keep(os.MkdirAll(l.dir, 0o700))
		// A new file, not the old one emptied: it may have had another mode.
		if err := os.Remove(LogPath(l.dir, build)); err != nil && !os.IsNotExist(err) {
			l.keep(err)
		}
		mode = os.O_EXCL
	}
	f, err := os.OpenFile(LogPath(l.dir, build), os.O_WRONLY|os.O_CREATE|mode, 0o600)
	l.keep(err)
	if err != nil {
		f = nil // and stays so, until the build ends
	}
	l.files[build] = f
	return f
}

func (l *LogFiles) close(build string) {
	if f := l.files[build]; f != nil {
		l.keep(f.Close())
	}
	delete(l.files, build)
}

func (l *LogFiles) keep(err error) {
	if l.err == nil && err != nil {
		l.err = fmt.Errorf("log files: %w", err)
	}
}

func (l *LogFiles) line(at time.Time, _ kind, build, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(&l.buf, "%s %s\n", at.Format("2006-01-02T15:04:05.000Z07:00"), line)
	}
}

func (l *LogFiles) record(time.Time, string, string, ...string) {}
