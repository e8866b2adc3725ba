package gce

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// filter is an expression of the list methods, such as
// `family = "web" AND (labels.team=a OR labels.team=b) AND NOT status:PEND*`, or
// of the older language, `name eq web-.*`, whose values are regular expressions.
type filter interface {
	match(v any) bool
	// terms calls f with each comparison that must hold.
	terms(f func(term))
}

type (
	and  []filter
	or   []filter
	not  struct{ filter }
	term struct {
		field, op, value string
		re               *regexp.Regexp
	}
)

func (a and) match(v any) bool {
	for _, f := range a {
		if !f.match(v) {
			return false
		}
	}
	return true
}

func (a and) terms(f func(term)) {
	for _, part := range a {
		part.terms(f)
	}
}

func (o or) match(v any) bool {
	for _, f := range o {
		if f.match(v) {
			return true
		}
	}
	return false
}

func (or) terms(func(term)) {}

func (n not) match(v any) bool { return !n.filter.match(v) }
func (not) terms(func(term))   {}

func (t term) terms(f func(term)) { f(t) }

func (t term) match(v any) bool {
	values := lookup(v, strings.Split(t.field, "."))
	if t.op == "!=" || t.op == "ne" {
		for _, value := range values {
			if t.equal(value) {
				return false
			}
		}
		return true
	}
	for _, value := range values {
		if t.compare(value) {
			return true
		}
	}
	return false
}

func (t term) compare(value string) bool {
	switch t.op {
	case "<", "<=", ">", ">=":
		return t.order(value)
	case ":":
		return t.value == "*" || t.equal(value) || !strings.Contains(t.value, "*") && strings.Contains(value, t.value)
	}
	return t.equal(value)
}

func (t term) equal(value string) bool {
	if t.re != nil {
		return t.re.MatchString(value)
	}
	return value == t.value || last(value) == t.value && strings.HasPrefix(value, "https://")
}

// order compares as numbers where both are, else as text: timestamps too.
func (t term) order(value string) bool {
	c := strings.Compare(value, t.value)
	a, errA := strconv.ParseFloat(value, 64)
	b, errB := strconv.ParseFloat(t.value, 64)
	if errA == nil && errB == nil {
		c = 0
		if a != b {
			c = map[bool]int{true: -1, false: 1}[a < b]
		}
	}
	switch t.op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// lookup returns the values of a field, of each element where it is in a list.
func lookup(v any, path []string) []string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, lookup(item, path)...)
		}
		return all
	case map[string]any:
		if len(path) == 0 || v[path[0]] == nil {
			return nil
		}
		return lookup(v[path[0]], path[1:])
	default:
		if len(path) > 0 || v == nil {
			return nil
		}
		return []string{fmt.Sprint(v)}
	}
}

// parseFilter reads an expression. known reports whether a field exists.
func parseFilter(text string, known func(field string) bool) (filter, error) {
	p := &filterParser{rest: text, known: known}
	f, err := p.and()
	if err == nil && p.peek() != "" {
		err = fmt.Errorf("unexpected %q", p.peek())
	}
	if err != nil {
		return nil, invalid("filter", text, "Invalid list filter expression.")
	}
	return f, nil
}

type filterParser struct {
	rest  string
	depth int
	known func(string) bool
}

const maxFilterDepth = 50

var filterToken = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[()]|!=|<=|>=|[=<>:]|[^\s()=<>:!"']+)`)

// peek returns the next token, "" at the end. A quote that does not end is one
// of its own, which nothing takes.
func (p *filterParser) peek() string {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		return ""
	}
	if token := filterToken.FindString(p.rest); token != "" {
		return token
	}
	return p.rest[:1]
}

func (p *filterParser) next() string {
	token := p.peek()
	p.rest = p.rest[len(token):]
	return token
}

// and reads terms in a row, with AND between them or nothing. OR binds tighter,
// as the service has it.
func (p *filterParser) and() (filter, error) {
	var all and
	for {
		f, err := p.or()
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if p.peek() == "AND" {
			p.next()
		} else if t := p.peek(); t == "" || t == ")" {
			return all, nil
		}
	}
}

func (p *filterParser) or() (filter, error) {
	var all or
	for {
		f, err := p.factor()
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if p.peek() != "OR" {
			break
		}
		p.next()
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

func (p *filterParser) factor() (filter, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, fmt.Errorf("nested too deep")
	}
	defer func() { p.depth-- }()
	switch token := p.peek(); {
	case token == "NOT" || token == "-":
		p.next()
		f, err := p.factor()
		return not{f}, err
	case strings.HasPrefix(token, "-"):
		p.rest = p.rest[1:]
		f, err := p.factor()
		return not{f}, err
	case token == "(":
		p.next()
		f, err := p.and()
		if err != nil {
			return nil, err
		}
		if p.next() != ")" {
			return nil, fmt.Errorf("a parenthesis is open")
		}
		return f, nil
	}
	return p.term()
}

func (p *filterParser) term() (filter, error) {
	t := term{field: p.next(), op: p.next()}
	if !p.known(t.field) {
		return nil, fmt.Errorf("no field %q", t.field)
	}
	switch t.op {
	case "=", "!=", "<", "<=", ">", ">=", ":", "eq", "ne":
	default:
		return nil, fmt.Errorf("no comparison %q", t.op)
	}
	value := p.next()
	if t.op == ":" && value == "" || value == ")" || value == "(" || value == "" {
		return nil, fmt.Errorf("no value for %s", t.field)
	}
	// Values may have signs in them: a time, a URL.
	for p.rest != "" && strings.ContainsAny(p.rest[:1], ":=") && !strings.ContainsAny(value[:1], `"'`) {
		value += p.next()
		if p.rest != "" && !strings.ContainsAny(p.rest[:1], " \t\r\n()") {
			value += p.next()
		}
	}
	t.value = unquote(value)
	var err error
	switch {
	case t.op == "eq" || t.op == "ne":
		t.re, err = regexp.Compile("^(?:" + t.value + ")$")
	case strings.Contains(t.value, "*") && t.value != "*":
		parts := strings.Split(t.value, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		t.re, err = regexp.Compile("^" + strings.Join(parts, ".*") + "$")
	}
	return t, err
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' && s[0] != '\'' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
