package staging

import (
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Fields are what a template of an option can name: {{.Name}}. One that stands
// for yes or no is "true" or "".
type Fields map[string]string

// Flag is the value of a field for yes or no.
func Flag(yes bool) string {
	if yes {
		return "true"
	}
	return ""
}

var (
	action  = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	literal = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
	word    = regexp.MustCompile(`[.$]?[A-Za-z_]\w*`)
)

// harmless are the words of templates that put in nothing sensitive.
var harmless = strings.Fields("if else end with ne eq and or not print printf join " +
	"build_name build_type template_dir packer_version pwd timestamp isotime strftime uuid " +
	"upper lower replace replace_all split clean_resource_name")

// Render renders the template of an option. The result is sensitive where the
// template is, or where it asks for what may be: a variable, or a value of the
// build.
func Render(in provisioners.Input, option string, template secret.String, fields Fields) (secret.String, error) {
	out, err := in.Render(template.Reveal(), fields)
	if err != nil {
		return secret.String{}, component.Errorf(option, "%v", err)
	}
	if asks(template.Reveal()) {
		return secret.Sensitive(out), nil
	}
	return template.With(out), nil
}

// asks reports whether a template calls a function that may give a sensitive
// value. Fields are not looked at: they are ours, or tokens.
func asks(template string) bool {
	for _, a := range action.FindAllString(template, -1) {
		for _, w := range word.FindAllString(literal.ReplaceAllString(a, ""), -1) {
			if w[0] != '.' && w[0] != '$' && !slices.Contains(harmless, w) {
				return true
			}
		}
	}
	return false
}

// CheckGuest refuses machines that are no Unix.
func CheckGuest(system string) error {
	switch strings.ToLower(system) {
	case "", "unix":
		return nil
	case "windows":
		return component.Errorf("guest_os_type", `"windows" is not supported: only machines with a POSIX shell are`)
	}
	return component.Errorf("guest_os_type", `%q is none of "unix" and "windows"`, system)
}
