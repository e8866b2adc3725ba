package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// binary is the ingot to ask: $INGOT_BIN, or bin/ingot.
func binary(root string) (string, error) {
	path := os.Getenv("INGOT_BIN")
	if path == "" {
		path = filepath.Join(root, "bin", "ingot")
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: make build makes it", err)
	}
	return filepath.Abs(path)
}

// commands are the commands and their flags.
func commands(t *Tests) ([]Row, error) {
	bin, err := binary(t.root)
	if err != nil {
		return nil, err
	}
	list, err := lines("cli.txt")
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, line := range list {
		name, flags, _ := strings.Cut(line, ":")
		help, status, note := ask(bin, strings.Fields(name))
		rows = append(rows, Row{Section: "commands", Name: name, Status: status, Tested: t.hold("ingot " + name), Note: note})
		for _, flag := range strings.Fields(flags) {
			r := Row{Section: "flags of " + name, Name: "-" + flag, Status: status, Note: note}
			if status == Supported {
				r.Status, r.Tested = Missing, t.hold("-"+flag)
				if regexp.MustCompile(`(?m)(^|[ ,])--?` + flag + `\b`).MatchString(help) {
					r.Status = Supported
				}
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// ask returns the help of a command, and whether there is one.
func ask(bin string, command []string) (help string, status Status, note string) {
	out, err := exec.Command(bin, append(command, "-h")...).CombinedOutput()
	var exit *exec.ExitError
	switch text := string(out); {
	case err == nil && strings.Contains(text, "ingot "+strings.Join(command, " ")):
		return text, Supported, ""
	case errors.As(err, &exit) && strings.Contains(text, command[0]) && !strings.Contains(text, "unknown command"):
		return "", Refused, strings.TrimSpace(strings.SplitN(text, "\n", 2)[0])
	}
	return "", Missing, ""
}

// environment are the environment variables, which the pages of the docs tell
// about.
func environment(t *Tests) ([]Row, error) {
	names, err := words("environment.txt")
	if err != nil {
		return nil, err
	}
	pages, err := filepath.Glob(filepath.Join(t.root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for _, page := range pages {
		raw, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		text.Write(raw)
		text.WriteString("\n")
	}
	var rows []Row
	for _, name := range names {
		r := Row{Section: "environment", Name: name, Status: Missing, Tested: t.hold(name)}
		for line := range strings.Lines(text.String()) {
			if !strings.Contains(line, "`"+name) {
				continue
			}
			r.Status = Supported
			if strings.Contains(line, "no meaning") || strings.Contains(line, "no effect") {
				r.Status, r.Note = Refused, "has no meaning here, say the docs"
				break
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}
