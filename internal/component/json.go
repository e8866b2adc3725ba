package component

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// EarlierJSONError returns what is wrong with the JSON text src before the
// place of d, or d where that is the first. The parser of hcl reads on behind
// a comma that is lacking, and tells of it where it stopped.
func EarlierJSONError(d *hcl.Diagnostic, src []byte) *hcl.Diagnostic {
	var bad *json.SyntaxError
	if d.Subject == nil || !errors.As(json.Unmarshal(src, new(json.RawMessage)), &bad) {
		return d
	}
	at := int(bad.Offset) - 1
	if at < 0 || at >= d.Subject.Start.Byte {
		return d
	}
	before := src[:at]
	pos := hcl.Pos{Line: 1 + bytes.Count(before, []byte("\n")), Column: at - bytes.LastIndexByte(before, '\n'), Byte: at}
	end := hcl.Pos{Line: pos.Line, Column: pos.Column + 1, Byte: pos.Byte + 1}
	e := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid JSON", Detail: "There is an " + bad.Error() + ".",
		Subject: &hcl.Range{Filename: d.Subject.Filename, Start: pos, End: end}}
	if strings.Contains(bad.Error(), "after object key:value pair") || strings.Contains(bad.Error(), "after array element") {
		e.Summary, e.Detail = "Invalid JSON: no comma", "A comma, or the end of what is before, is missing before this."
	}
	return e
}
