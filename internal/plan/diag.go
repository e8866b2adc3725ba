package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
)

// find returns the component called name, or an error that names the nearest.
func find[D any](what, name string, at hcl.Range, list []D, typ func(D) string) (D, *hcl.Diagnostic) {
	names := make([]string, 0, len(list))
	for _, d := range list {
		if typ(d) == name {
			return d, nil
		}
		names = append(names, typ(d))
	}
	var none D
	detail := fmt.Sprintf("There is no %s type %q here. There are: %s.", what, name, strings.Join(names, ", "))
	if near := component.Nearest(name, names); near != "" {
		detail = fmt.Sprintf("There is no %s type %q. Did you mean %q?", what, name, near)
	}
	return none, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown " + what + " type", Detail: detail, Subject: &at}
}

// optionDiag shows an error of a component at the option it is about.
func optionDiag(err error, what string, at func(option string) hcl.Range) *hcl.Diagnostic {
	option, msg := "", err.Error()
	var oe *component.OptionError
	if errors.As(err, &oe) {
		option, msg = oe.Option, oe.Message
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid " + what, Detail: ended(msg)}
	if option != "" {
		d.Summary = fmt.Sprintf("Invalid %s in %s", quote(option), what)
		if strings.HasPrefix(msg, "is ") {
			d.Detail = quote(option) + " " + d.Detail
		}
	}
	if hint := builders.Hint(err); hint != "" {
		d.Detail += " Hint: " + sentence(hint)
	}
	r := at(option)
	d.Subject = &r
	return d
}

// sentence makes a text fit for a diagnostic's detail.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return ended(strings.ToUpper(s[:1]) + s[1:])
}

// ended ends a message, which may begin with the name of a file.
func ended(s string) string {
	if s == "" {
		return s
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
