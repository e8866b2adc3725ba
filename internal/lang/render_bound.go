package lang

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
)

// Go templates have bounds too. Without loops and templates in templates, one
// takes no longer than its text is long, if functions do not make much of
// little.

var errRendered = fmt.Errorf("the result is longer than %d MB", mostRendered>>20)

// parse parses a template, and refuses one that is not done from its start to
// its end once.
func (e *engine) parse(text string) (*template.Template, error) {
	if t := e.parsed[text]; t != nil {
		return t, nil
	}
	trees := map[string]*parse.Tree{}
	tree, err := parse.New("").Parse(text, "", "", trees, e.known)
	if err != nil {
		return nil, e.parseError(err)
	}
	for name := range trees {
		if name != "" {
			return nil, errors.New("a template can't have others in it (define, block)")
		}
	}
	if err := straightNode(tree.Root); err != nil {
		return nil, err
	}
	joinTags(tree.Root)
	t, err := e.base.New("").AddParseTree("", tree)
	if err != nil {
		return nil, plainError(err)
	}
	if len(text) < 1<<10 && len(e.parsed) < mostParsed {
		e.parsed[text] = t
	}
	return t, nil
}

// parseError adds what the name of a function that there is not may be a slip
// of, or is called today.
func (e *engine) parseError(err error) error {
	plain := plainError(err).Error()
	if m := unknownPattern.FindStringSubmatch(plain); m != nil {
		near := renamed[m[1]]
		if near == "" {
			near = e.t.nearest(m[1], namesOf(e.known))
		}
		if len(near) > 2 { // what is short is near to all
			plain = strings.Replace(plain, m[0], fmt.Sprintf("%s (did you mean %q?)", m[0], near), 1)
		}
	}
	return errors.New(plain)
}

// renamed are functions that older templates call by their former names.
var renamed = map[string]string{"clean_ami_name": "clean_resource_name", "clean_image_name": "clean_resource_name"}

// knownFunctions has the names of funcs and of those that all templates have.
func knownFunctions(funcs template.FuncMap) map[string]any {
	out := map[string]any{}
	for name := range funcs {
		out[name] = true
	}
	for _, name := range []string{"and", "or", "not", "call", "index", "slice", "len", "eq", "ne", "lt", "le", "gt", "ge"} {
		out[name] = true
	}
	return out
}

func straightNode(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Nodes {
			if err := straightNode(c); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(straightNode(n.List), straightNode(n.ElseList))
	case *parse.WithNode:
		return errors.Join(straightNode(n.List), straightNode(n.ElseList))
	case *parse.RangeNode:
		return errors.New("range can't be used here: write the list with a for expression")
	case *parse.TemplateNode:
		return errors.New("a template can't have others in it (template)")
	}
	return nil
}

func replaceIn(old, with string, n int, s string) (string, error) {
	if len(s)+(strings.Count(s, old)+1)*len(with) > mostRendered {
		return "", errRendered
	}
	return strings.Replace(s, old, with, n), nil
}

// printers are those functions that all Go templates have which make text of
// text.
func printers() template.FuncMap {
	printer := func(do func(...any) string) func(...any) (string, error) {
		return func(args ...any) (string, error) {
			if err := together(args); err != nil {
				return "", err
			}
			return do(args...), nil
		}
	}
	return template.FuncMap{
		"print": printer(fmt.Sprint), "println": printer(fmt.Sprintln),
		"html": printer(template.HTMLEscaper), "js": printer(template.JSEscaper), "urlquery": printer(template.URLQueryEscaper),
		"printf": func(format string, args ...any) (string, error) {
			if wideVerb.MatchString(format) || strings.Contains(format, "*") {
				return "", errors.New("a width or precision has four digits at most")
			}
			if err := together(append(args, format)); err != nil {
				return "", err
			}
			if n := strings.Count(format, "%"); n > 0 && len(fmt.Sprint(args...)) > mostRendered/n {
				return "", errRendered
			}
			return fmt.Sprintf(format, args...), nil
		},
	}
}

func together(args []any) error {
	n := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			n += len(s)
		}
	}
	if n > mostRendered/8 { // one character becomes eight at most
		return errRendered
	}
	return nil
}
