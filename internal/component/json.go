package component

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// MissingComma makes the JSON parser's error about a comma one with the right
// place: the parser's is behind the object or list that lacks it.
func MissingComma(d *hcl.Diagnostic, src []byte) {
	var syntax *json.SyntaxError
	if d.Summary != "Missing attribute seperator comma" || !errors.As(json.Unmarshal(src, new(any)), &syntax) {
		return
	}
	before := bytes.TrimRight(src[:syntax.Offset-1], " \t\r\n")
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	end := hcl.Pos{Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(line), Byte: len(before)}
	d.Summary, d.Subject = "Missing comma", &hcl.Range{Filename: d.Subject.Filename, Start: end, End: end}
}
