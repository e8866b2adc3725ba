package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/term"
)

// interactive evaluates what is typed, with a history and editing of lines,
// until the user leaves.
func (c *console) interactive(in, out *os.File) error {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	defer term.Restore(int(in.Fd()), state)
	t := term.NewTerminal(screen{in, out}, "> ")
	if width, height, err := term.GetSize(int(out.Fd())); err == nil && width > 0 {
		_ = t.SetSize(width, height)
	}
	names := c.names()
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return complete(line, pos, names)
	}
	c.out, c.errs = t, t
	for {
		line, err := t.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return err
		}
		text, exit, diags := c.answer(line)
		if exit {
			return nil
		}
		_ = c.ws.report(c.errs, diags, c.color) // it has been shown
		if text != "" {
			fmt.Fprintln(c.out, text)
		}
	}
}

// screen is a terminal that is read from and written to.
type screen struct {
	io.Reader
	io.Writer
}

// names are what the tab key completes.
func (c *console) names() []string {
	t := c.ws.template
	out := []string{"exit", "help", "variables"}
	for _, f := range t.Functions() {
		out = append(out, f+"(")
	}
	for _, v := range t.Variables {
		out = append(out, "var."+v.Name)
	}
	for _, l := range t.Locals() {
		out = append(out, "local."+l)
	}
	slices.Sort(out)
	return out
}

var lastName = regexp.MustCompile(`[A-Za-z0-9_.-]*$`)

// complete completes the name before the cursor as far as it is sure.
func complete(line string, pos int, names []string) (string, int, bool) {
	start := lastName.FindString(line[:pos])
	if start == "" {
		return "", 0, false
	}
	common := ""
	for _, n := range names {
		switch {
		case !strings.HasPrefix(n, start):
		case common == "":
			common = n
		default:
			for !strings.HasPrefix(n, common) {
				common = common[:len(common)-1]
			}
		}
	}
	if len(common) <= len(start) {
		return "", 0, false
	}
	rest := common[len(start):]
	return line[:pos] + rest + line[pos:], pos + len(rest), true
}
