package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/lang"
)

// find returns the component called name, or an error that names the plugin it
// would come with, else the nearest. The error is the same for each use of it,
// and has the places of all.
func find[D any](t *lang.Template, what, name string, at hcl.Range, list []D, typ func(D) string) (D, *hcl.Diagnostic) {
	names := make([]string, 0, len(list))
	for _, d := range list {
		if typ(d) == name {
			return d, nil
		}
		names = append(names, typ(d))
	}
	var none D
	detail := fmt.Sprintf("There is no %s type %q here. There are: %s.", what, name, strings.Join(names, ", "))
	if p, ok := t.Plugin(name); ok {
		detail = fmt.Sprintf("ingot has no %s %q (plugin %s, required at %s).", called(what), name, cmp.Or(p.Source, p.Name), where(p.Range))
	} else if near := component.Nearest(name, names); near != "" {
		detail = fmt.Sprintf("There is no %s type %q. Did you mean %q?", what, name, near)
	}
	if used := t.Uses(what, name); len(used) > 1 {
		detail += " It is used at " + places(used) + "."
		at = used[0]
	}
	return none, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown " + what + " type", Detail: detail, Subject: &at}
}

// called is what the component of a block is called.
func called(what string) string {
	if what == "source" {
		return "builder"
	}
	return what
}

func places(ranges []hcl.Range) string {
	var out []string
	for _, r := range ranges {
		out = append(out, where(r))
	}
	return strings.Join(out, ", ")
}

// optionDiag shows an error of a component at the option it is about.
func optionDiag(err error, what string, at func(option string) hcl.Range) *hcl.Diagnostic {
	option, msg := "", err.Error()
	var oe *component.OptionError
	if errors.As(err, &oe) {
		option, msg = oe.Option, oe.Message
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid " + what}
	if option != "" {
		d.Summary = fmt.Sprintf("Invalid %s in %s", quote(option), what)
		if predicate.MatchString(msg) {
			msg = quote(option) + " " + msg
		}
	}
	d.Detail = hinted(msg, err)
	r := at(option)
	d.Subject = &r
	return d
}

// hinted is what is said of an error, with the hint that it has.
func hinted(msg string, err error) string {
	if hint := builders.Hint(err); hint != "" {
		return sentence(msg) + " Hint: " + sentence(hint)
	}
	return sentence(msg)
}

// predicate is the start of a message that says something of its option.
var predicate = regexp.MustCompile(`^(is|must|needs|takes|has|can't) `)

// word is the start of a message that begins with prose, and not with a name.
var word = regexp.MustCompile(`^[a-z']+[ ,:]`)

// sentence makes a message fit for a diagnostic's detail.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if word.MatchString(s) {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if strings.ContainsAny(s[len(s)-1:], ".?!") {
		return s
	}
	return s + "."
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

func where(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
