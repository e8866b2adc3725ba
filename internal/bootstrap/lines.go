package bootstrap

import (
	"bytes"
	"strings"

	"github.com/ingot-build/ingot/internal/event"
)

// kept is how many of the last lines are searched for what went wrong.
const kept = 20

// lines logs what is written to it line by line, and keeps the last ones.
type lines struct {
	log  event.Log
	rest []byte
	last []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.rest = rest
		_, after, progress := bytes.Cut(line, []byte("\r"))
		if progress {
			line = after
		}
		text := strings.TrimRight(string(line), "\r ")
		if text == "" {
			continue
		}
		l.log.Output(text, true)
		l.last = append(l.last, text)
		if len(l.last) > kept {
			l.last = l.last[1:]
		}
	}
}

// failure returns the first of the last lines that is an error of mmdebstrap
// or apt.
func (l *lines) failure() string {
	for _, line := range l.last {
		if strings.HasPrefix(line, "E: ") {
			return strings.TrimPrefix(line, "E: ")
		}
	}
	if len(l.last) > 0 {
		return l.last[len(l.last)-1]
	}
	return "it printed nothing"
}
