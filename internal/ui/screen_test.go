package ui

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// screen is a model of a terminal: what a person would see of what was
// written, and what has scrolled away.
type screen struct {
	mu         sync.Mutex
	cols, rows int
	x, y       int
	cells      [][]rune // 0 is empty, or the second half of a wide rune
	gone       []string
	hidden     bool // the cursor
	rest       []byte
	wrapped    bool // a line was longer than the screen is wide
	unknown    []string
	changed    chan struct{}
}

func newScreen(cols, rows int) *screen {
	s := &screen{cols: cols, rows: rows, changed: make(chan struct{}, 1)}
	for range rows {
		s.cells = append(s.cells, make([]rune, cols))
	}
	return s
}

var sequence = regexp.MustCompile("^\x1b\\[([0-9;?]*)([A-Za-z])")

// Write takes what a program writes to the terminal.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := append(s.rest, p...)
	for len(data) > 0 {
		n := s.next(data)
		if n == 0 {
			break // the rest of a sequence or a rune comes later
		}
		data = data[n:]
	}
	s.rest = append([]byte(nil), data...)
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) next(data []byte) int {
	if data[0] == '\x1b' {
		m := sequence.FindSubmatch(data)
		if m == nil {
			return 0
		}
		s.control(string(m[1]), string(m[2]))
		return len(m[0])
	}
	if !utf8.FullRune(data) {
		return 0
	}
	r, n := utf8.DecodeRune(data)
	switch r {
	case '\r':
		s.x = 0
	case '\n':
		s.down()
	default:
		s.put(r)
	}
	return n
}

func (s *screen) put(r rune) {
	w := cells(r)
	if w == 0 {
		return
	}
	if s.x+w > s.cols {
		s.wrapped = true
		s.x = 0
		s.down()
	}
	s.cells[s.y][s.x] = r
	for i := 1; i < w; i++ {
		s.cells[s.y][s.x+i] = 0
	}
	s.x += w
}

func (s *screen) down() {
	if s.y++; s.y < s.rows {
		return
	}
	s.y--
	s.gone = append(s.gone, text(s.cells[0]))
	s.cells = append(s.cells[1:], make([]rune, s.cols))
}

func (s *screen) control(args, name string) {
	switch name + args {
	case "K":
		clear(s.cells[s.y][min(s.x, s.cols):])
	case "J":
		clear(s.cells[s.y][min(s.x, s.cols):])
		for _, line := range s.cells[s.y+1:] {
			clear(line)
		}
	case "l?25":
		s.hidden = true
	case "h?25":
		s.hidden = false
	default:
		n, err := strconv.Atoi(args)
		switch {
		case name == "A" && err == nil:
			s.y = max(s.y-n, 0)
		case name != "m":
			s.unknown = append(s.unknown, fmt.Sprintf("%s %s", name, args))
		}
	}
}

// resize cuts or widens the lines, as a simple terminal does.
func (s *screen) resize(cols, rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.y >= rows {
		s.gone = append(s.gone, text(s.cells[0]))
		s.cells = s.cells[1:]
		s.y--
	}
	for len(s.cells) < rows {
		s.cells = append(s.cells, nil)
	}
	s.cells = s.cells[:rows]
	for i, line := range s.cells {
		s.cells[i] = append(line[:min(len(line), cols)], make([]rune, max(cols-len(line), 0))...)
	}
	s.cols, s.rows, s.x = cols, rows, min(s.x, cols)
}

func text(line []rune) string {
	var sb strings.Builder
	for i := 0; i < len(line); i++ {
		if line[i] == 0 {
			sb.WriteByte(' ')
			continue
		}
		sb.WriteRune(line[i])
		i += cells(line[i]) - 1
	}
	return strings.TrimRight(sb.String(), " ")
}

// visible returns the lines on the screen.
func (s *screen) visible() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, line := range s.cells {
		out = append(out, text(line))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

// all returns the lines that scrolled away and those on the screen.
func (s *screen) all() string {
	visible := s.visible()
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(append(append([]string(nil), s.gone...), visible), "\n")
}

func (s *screen) cursorHidden() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hidden
}
