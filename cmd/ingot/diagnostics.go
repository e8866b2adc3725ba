package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/secret"
)

// mostSnippets is how many diagnostics are shown with the lines they are
// about. The others have a line each.
const mostSnippets = 100

// writeDiags shows diagnostics. It returns exitCode when one is an error.
func writeDiags(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics, secrets *secret.Set, color bool) error {
	if len(diags) == 0 {
		return nil
	}
	var text strings.Builder
	cut := cutter{files: files, lines: map[string][]int{}}
	for i, d := range diags {
		if i == mostSnippets {
			fmt.Fprintf(&text, "And %d more, without their lines:\n\n", len(diags)-i)
		}
		if i >= mostSnippets {
			text.WriteString(inOneLine(d))
			continue
		}
		d, file := cut.around(d)
		if err := hcl.NewDiagnosticTextWriter(&text, file, 100, color).WriteDiagnostic(d); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(w, secrets.Redact(text.String())); err != nil {
		return err
	}
	if diags.HasErrors() {
		return exitCode(exitError)
	}
	return nil
}

// inOneLine is a diagnostic without snippet: "Error: t.pkr.hcl:3: Summary: Detail".
func inOneLine(d *hcl.Diagnostic) string {
	what := map[hcl.DiagnosticSeverity]string{hcl.DiagError: "Error", hcl.DiagWarning: "Warning"}[d.Severity]
	parts := []string{what}
	if d.Subject != nil {
		parts = append(parts, fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line))
	}
	parts = append(parts, d.Summary)
	if d.Detail != "" {
		parts = append(parts, oneLine(d.Detail))
	}
	return strings.Join(parts, ": ") + "\n"
}

// cutter takes from files the lines that a diagnostic is about. hcl's writer
// would go through the file up to them for each.
type cutter struct {
	files map[string]*hcl.File
	lines map[string][]int // where each line of a file begins
}

// around returns the diagnostic, and the file as it is to be shown with it:
// lines before it are empty, and there are none after.
func (c *cutter) around(d *hcl.Diagnostic) (*hcl.Diagnostic, map[string]*hcl.File) {
	if d.Subject == nil {
		return d, nil
	}
	file := c.files[d.Subject.Filename]
	if file == nil || !d.Subject.CanSliceBytes(file.Bytes) {
		return d, c.files
	}
	whole := *d.Subject
	if d.Context != nil {
		whole = hcl.RangeOver(whole, *d.Context)
	}
	first, begins := c.line(d.Subject.Filename, whole.Start.Byte)
	end := min(max(whole.End.Byte, whole.Start.Byte+1), len(file.Bytes))
	if i := bytes.IndexByte(file.Bytes[end:], '\n'); i >= 0 {
		end += i + 1
	} else {
		end = len(file.Bytes)
	}
	text := append(bytes.Repeat([]byte{'\n'}, first), file.Bytes[begins:end]...)
	by := first - begins
	moved := *d
	subject := shifted(*d.Subject, by)
	moved.Subject = &subject
	if d.Context != nil {
		context := shifted(*d.Context, by)
		moved.Context = &context
	}
	return &moved, map[string]*hcl.File{d.Subject.Filename: {Bytes: text, Nav: shiftedNav{file.Nav, -by}}}
}

// line returns the number, from 0, of the line that holds a byte, and where it
// begins.
func (c *cutter) line(name string, at int) (number, begins int) {
	begin, ok := c.lines[name]
	if !ok {
		begin = []int{0}
		for i, b := range c.files[name].Bytes {
			if b == '\n' {
				begin = append(begin, i+1)
			}
		}
		c.lines[name] = begin
	}
	i, exact := slices.BinarySearchFunc(begin, at, cmp.Compare[int])
	if !exact {
		i--
	}
	return i, begin[i]
}

func shifted(r hcl.Range, by int) hcl.Range {
	r.Start.Byte += by
	r.End.Byte += by
	return r
}

// shiftedNav says in which block a place is.
type shiftedNav struct {
	nav any
	by  int
}

func (n shiftedNav) ContextString(offset int) string {
	if nav, ok := n.nav.(interface{ ContextString(int) string }); ok {
		return nav.ContextString(offset + n.by)
	}
	return ""
}
