// Package lines cuts what a command prints into lines.
package lines

import (
	"bytes"
	"sync"
)

// longest is where a line is cut, in bytes, so that a command that prints no
// newline does not fill the memory.
const longest = 64 << 10

// Writer is an io.Writer that calls a function for each line written to it.
type Writer struct {
	mu   *sync.Mutex
	emit func(line string)
	rest []byte
}

// New returns a Writer. It holds mu while it calls emit, so that the two
// streams of a command do not call at once.
func New(mu *sync.Mutex, emit func(line string)) *Writer {
	return &Writer{mu: mu, emit: emit}
}

// Write takes what was printed.
func (l *Writer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			l.add(p)
			break
		}
		l.add(p[:end])
		l.line()
		p = p[end+1:]
	}
	return n, nil
}

// add adds a piece of a line, and cuts the line where it gets too long.
func (l *Writer) add(p []byte) {
	for len(l.rest)+len(p) > longest {
		room := longest - len(l.rest)
		l.rest = append(l.rest, p[:room]...)
		l.line()
		p = p[room:]
	}
	l.rest = append(l.rest, p...)
}

// Flush ends the last line, where it had no newline.
func (l *Writer) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.line()
	}
}

func (l *Writer) line() {
	l.emit(string(bytes.TrimRight(l.rest, "\r")))
	l.rest = l.rest[:0]
}
