package expect

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
)

// Cases returns what was looked at, from what the script printed.
func (c *Config) Cases(dir string) ([]artifact.Case, error) {
	s, err := c.script()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parse(f, s.names)
}

// parse reads what a script with these cases printed.
func parse(from io.Reader, names []string) ([]artifact.Case, error) {
	cases := make([]artifact.Case, len(names))
	for i, name := range names {
		cases[i] = artifact.Case{Name: name, Detail: "was not looked at"}
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	begun, ended := false, false
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), "\t")
		id, detail, _ := strings.Cut(rest, "\t")
		n, err := strconv.Atoi(id)
		if err != nil {
			continue // the shell's own, as of a login that greets
		}
		switch {
		case kind == "expect":
			begun = true
		case kind == "end":
			ended = n == len(names)
		case (kind == "ok" || kind == "not") && begun && n > 0 && n <= len(names):
			cases[n-1].Passed, cases[n-1].Detail = kind == "ok", strings.ToValidUTF8(strings.TrimSpace(detail), "?")
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read what was found: %w", err)
	}
	if !ended {
		return nil, fmt.Errorf("the script that looks did not come to its end")
	}
	return cases, nil
}
