package lang

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// deepest is how deep expressions may nest. The parser and the evaluator
// recurse, and a stack that overflows ends the process.
const deepest = 1000

// tooDeep is an error where brackets, or operators in one expression, nest
// deeper than that.
func tooDeep(tokens hclsyntax.Tokens) hcl.Diagnostics {
	type level struct {
		open hclsyntax.TokenType
		ops  int
	}
	stack := []level{{}}
	depth := 0
	for _, tok := range tokens {
		top := &stack[len(stack)-1]
		switch tok.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp,
			hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			if tok.Type == hclsyntax.TokenOBrack || tok.Type == hclsyntax.TokenTemplateControl {
				// One that has closed nests what follows: a[0][0] or %{if a}%{if b}.
				top.ops++
				depth++
			}
			stack = append(stack, level{open: tok.Type})
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd,
			hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			if len(stack) > 1 {
				depth -= 1 + top.ops
				stack = stack[:len(stack)-1]
			}
		case hclsyntax.TokenComma:
			depth -= top.ops
			top.ops = 0
		case hclsyntax.TokenNewline:
			if top.open == hclsyntax.TokenOBrace || len(stack) == 1 {
				depth -= top.ops
				top.ops = 0
			}
		case hclsyntax.TokenComment: // one to the end of the line has that in it
			if bytes.HasSuffix(tok.Bytes, []byte("\n")) && (top.open == hclsyntax.TokenOBrace || len(stack) == 1) {
				depth -= top.ops
				top.ops = 0
			}
		case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenStringLit, hclsyntax.TokenQuotedLit:
		default:
			top.ops++
			depth++
		}
		if depth > deepest {
			return hcl.Diagnostics{errorAt(tok.Range, "Nested too deep",
				fmt.Sprintf("Brackets and operators may nest %d deep.", deepest))}
		}
	}
	return nil
}

// shallow reports whether src nests no deeper than that, as can be seen without
// a lexer, which takes as long as the parser. It counts at least what tooDeep
// does, and leaves to that what is not simple: heredocs, comments over several
// lines, escaped templates, brackets that do not match.
func shallow(src []byte) bool {
	s := nesting{stack: []nested{{open: '{'}}}
	for i := 0; i < len(src) && s.depth <= deepest; i++ {
		c, next := src[i], byte(0)
		if i+1 < len(src) {
			next = src[i+1]
		}
		switch quoted := s.top().open == '"'; {
		case quoted && c == '\\' && next != '\n':
			i++
		case quoted && (c == '$' || c == '%') && next == '{':
			s.push(c)
			i++
		case quoted && c == '"':
			s.pop()
		case quoted && (c == '\n' || c == '\\' || (c == '$' || c == '%') && next == c):
			return false
		case quoted:
		case c == '#' || c == '/' && next == '/':
			for i+1 < len(src) && src[i+1] != '\n' {
				i++
			}
		case c == '/' && next == '*' || c == '<' && next == '<':
			return false
		case c == ']' || c == ')' || c == '}':
			if len(s.stack) == 1 || !strings.Contains("[] () {} $} %}", string([]byte{s.top().open, c})) {
				return false
			}
			s.pop()
		default:
			s.code(c)
		}
	}
	return s.depth <= deepest
}

// nesting is where shallow is: the brackets that are open, and how many
// operators are in each.
type nesting struct {
	stack []nested
	depth int
}

type nested struct {
	open byte
	ops  int
}

func (s *nesting) top() *nested { return &s.stack[len(s.stack)-1] }

func (s *nesting) push(open byte) {
	if open == '[' || open == '%' {
		s.op()
	}
	s.stack = append(s.stack, nested{open: open})
	s.depth++
}

func (s *nesting) pop() {
	s.depth -= 1 + s.top().ops
	s.stack = s.stack[:len(s.stack)-1]
}

func (s *nesting) op() {
	s.top().ops++
	s.depth++
}

// code counts a byte of what is neither text, comment nor closing bracket.
func (s *nesting) code(c byte) {
	switch {
	case c == '"' || c == '[' || c == '(' || c == '{':
		s.push(c)
	case c == ',' || c == '\n' && s.top().open == '{':
		s.depth -= s.top().ops
		s.top().ops = 0
	case strings.IndexByte("!-+*/%?&|=<>.:~@$^;'`\\", c) >= 0:
		s.op()
	}
}

// makes counts what may make a value.
func makes(src []byte) int {
	n := 0
	for _, c := range src {
		switch c {
		case '[', '(', '{', ',', ':', '=':
			n++
		}
	}
	return n
}

// guardJSON does the same for JSON, and for the templates in its strings.
func guardJSON(name string, src []byte) hcl.Diagnostics {
	if at := jsonDepth(src); at >= 0 {
		pos := hcl.Pos{Line: 1 + bytes.Count(src[:at], []byte("\n")), Column: 1, Byte: at}
		return hcl.Diagnostics{errorAt(hcl.Range{Filename: name, Start: pos, End: pos}, "Nested too deep",
			fmt.Sprintf("Brackets may nest %d deep.", deepest))}
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil // the parser says what is wrong
		}
		if n, ok := tok.(json.Number); ok && errHuge(n.String()) != nil {
			return hcl.Diagnostics{errorAt(hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}, "Too large a number", sentence(errNumber.Error()))}
		}
		if s, ok := tok.(string); ok && (strings.Contains(s, "${") || strings.Contains(s, "%{")) {
			tokens, _ := hclsyntax.LexTemplate([]byte(s), name, hcl.InitialPos)
			ds := tooDeep(tokens)
			if !ds.HasErrors() {
				ds = tooMuch(tokens)
			}
			if ds.HasErrors() {
				return ds
			}
		}
	}
}

// tooMuch refuses what expressions in HCL are kept from by their bounds: hcl
// parses those in JSON as it evaluates them, so that they have none.
func tooMuch(tokens hclsyntax.Tokens) hcl.Diagnostics {
	const most = 2
	loops := 0
	for i, tok := range tokens {
		text := string(tok.Bytes)
		switch {
		case tok.Type == hclsyntax.TokenIdent && text == "for" && i > 0 && tokens[i-1].Type != hclsyntax.TokenDot:
			if loops++; loops > most {
				return hcl.Diagnostics{errorAt(tok.Range, "Too many loops", fmt.Sprintf("An expression in JSON can have %d.", most))}
			}
		case (tok.Type == hclsyntax.TokenNumberLit || tok.Type == hclsyntax.TokenQuotedLit) && errHuge(text) != nil:
			return hcl.Diagnostics{errorAt(tok.Range, "Too large a number", sentence(errNumber.Error()))}
		}
	}
	return nil
}

// jsonDepth returns the offset at which JSON nests too deep, or -1.
func jsonDepth(src []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > deepest {
				return i
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return -1
}
