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

// maybeDeep reports whether src opens many brackets that it does not close
// soon, or has so many brackets and operators that the stack could overflow if
// all of them nested. Few templates have, and the others need not be looked at
// twice.
func maybeDeep(src []byte) bool {
	n, depth, most := 0, 0, 0
	for _, c := range src {
		switch c {
		case '[', '(', '{':
			n++
			depth++
			most = max(most, depth)
		case ']', ')', '}':
			depth--
		case '!', '-', '+', '*', '/', '%', '?', '&', '|', '=', '<', '>', '.':
			n++
		}
	}
	return n > 20*deepest || most > deepest/2
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
