package legacy

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

const (
	// largest is the size of a template, in bytes, above which it is none, and
	// most how many values it may have.
	largest = 1 << 20
	most    = 20_000
	// deepest is how deep JSON may nest: the parser and all that walks its
	// result recurse.
	deepest = 500
	// enough is how many errors are told: what has more is something else.
	enough = 20
)

type kind int

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "text", "a list", "an object"}[k]
}

// node is a JSON value with its place.
type node struct {
	kind   kind
	at     hcl.Range // of an object or a list, its first bracket
	whole  hcl.Range // from the first bracket to the last
	value  cty.Value // of null, boolean, number and text
	items  []*node   // of a list
	fields []field   // of an object, in order, each name once
}

type field struct {
	name  string
	at    hcl.Range // of the name
	value *node
}

func textNode(s string, at hcl.Range) *node {
	return &node{kind: text, at: at, whole: at, value: cty.StringVal(s)}
}

// text returns the text in n.
func (n *node) text() string { return n.value.AsString() }

// get returns the value of a field, nil where there is none.
func (n *node) get(name string) *node {
	for _, f := range n.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// reader makes nodes and collects what is wrong.
type reader struct{ diags hcl.Diagnostics }

func (r *reader) fail(at hcl.Range, summary, format string, args ...any) {
	r.add(errorAt(at, summary, fmt.Sprintf(format, args...)))
}

func (r *reader) warn(at hcl.Range, summary, format string, args ...any) {
	d := errorAt(at, summary, fmt.Sprintf(format, args...))
	d.Severity = hcl.DiagWarning
	r.add(d)
}

func (r *reader) add(d *hcl.Diagnostic) {
	if len(r.diags) < enough {
		r.diags = append(r.diags, d)
	}
}

func errorAt(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: at.Ptr()}
}

// parse returns the JSON value in src, nil where it has none.
func (r *reader) parse(name string, src []byte) *node {
	if d := guard(name, src); d != nil {
		r.diags = append(r.diags, d)
		return nil
	}
	expr, diags := json.ParseExpression(src, name)
	if diags.HasErrors() {
		d := component.EarlierJSONError(diags[0], src) // the others are mostly its consequences
		if !strings.Contains(d.Summary, "JSON") {
			d.Summary = "Invalid JSON: " + lower(d.Summary)
		}
		r.diags = append(r.diags, d)
		return nil
	}
	return r.node(expr)
}

// lower starts s with a small letter, where it starts with a word and not
// with a name.
func lower(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return string(s[0]|0x20) + s[1:]
	}
	return s
}

func (r *reader) node(expr hcl.Expression) *node {
	n := &node{at: expr.StartRange(), whole: expr.Range()}
	if pairs, diags := hcl.ExprMap(expr); !diags.HasErrors() {
		n.kind = object
		first := map[string]hcl.Range{}
		for _, kv := range pairs {
			key, _ := kv.Key.Value(nil)
			f := field{name: key.AsString(), at: kv.Key.Range(), value: r.node(kv.Value)}
			if was, ok := first[f.name]; ok {
				r.fail(f.at, fmt.Sprintf("Duplicate key %q", f.name), "The object has it in line %d already.", was.Start.Line)
				continue
			}
			first[f.name] = f.at
			n.fields = append(n.fields, f)
		}
		return n
	}
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		n.kind = list
		for _, item := range items {
			n.items = append(n.items, r.node(item))
		}
		return n
	}
	n.value, _ = expr.Value(nil)
	switch {
	case n.value.IsNull():
		n.kind = null
	case n.value.Type() == cty.Bool:
		n.kind = boolean
	case n.value.Type() == cty.Number:
		n.kind = number
	default:
		n.kind = text
	}
	return n
}

// guard refuses what the parser can't take.
func guard(name string, src []byte) *hcl.Diagnostic {
	place := func(at int) hcl.Range {
		line := src[bytes.LastIndexByte(src[:at], '\n')+1 : at]
		pos := hcl.Pos{Line: 1 + bytes.Count(src[:at], []byte("\n")), Column: 1 + utf8.RuneCount(line), Byte: at}
		return hcl.Range{Filename: name, Start: pos, End: pos}
	}
	if len(src) > largest {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Can't read " + name,
			Detail: fmt.Sprintf("A JSON template has at most %d MB.", largest>>20)}
	}
	for at := 0; at < len(src); {
		c, n := utf8.DecodeRune(src[at:])
		if c == utf8.RuneError && n == 1 {
			return errorAt(place(at), "Not UTF-8", fmt.Sprintf("Byte %d of the file is not UTF-8 text.", at))
		}
		at += n
	}
	return bounded(src, place)
}

// Snippets returns src where its lines can be shown beside an error, and nil
// where one is too long for that, as in JSON that a program wrote.
func Snippets(src []byte) []byte {
	for line := range bytes.Lines(src) {
		if len(line) > 4<<10 {
			return nil
		}
	}
	return src
}

// bounded is an error where src nests too deep or has too many values.
func bounded(src []byte, place func(int) hcl.Range) *hcl.Diagnostic {
	depth, values, quoted := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > deepest {
				return errorAt(place(i), "Nested too deep", fmt.Sprintf("Brackets may nest %d deep.", deepest))
			}
		case c == ']' || c == '}':
			depth--
		case c == ',':
			if values++; values > most {
				return errorAt(place(i), "Not a template", fmt.Sprintf("A JSON template has at most %d values.", most))
			}
		}
	}
	return nil
}
