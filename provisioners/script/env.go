package script

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Env is environment variables.
type Env map[string]secret.String

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Environment returns the variables of the options, and those that every
// script gets.
func (c Content) Environment(in provisioners.Input) (Env, error) {
	env := Env{
		"PACKER_BUILD_NAME": secret.Plain(in.BuildName), "PACKER_BUILDER_TYPE": secret.Plain(in.BuilderType),
		"INGOT_BUILD_NAME": secret.Plain(in.BuildName), "INGOT_BUILDER_TYPE": secret.Plain(in.BuilderType),
	}
	for i, v := range c.EnvironmentVars {
		name, value, ok := strings.Cut(v.Reveal(), "=")
		if !ok || name == "" {
			return nil, component.Errorf("environment_vars", "number %d is not written as NAME=value", i+1)
		}
		if err := checkName("environment_vars", v.With(name)); err != nil {
			return nil, err
		}
		env[name] = v.With(value)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if err := checkName("env", secret.Plain(name)); err != nil {
			return nil, err
		}
		env[name] = c.Env[name]
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if strings.ContainsRune(env[name].Reveal(), 0) {
			return nil, component.Errorf("env", "the value of %s holds a zero byte, which an environment can't", name)
		}
	}
	return env, nil
}

func checkName(option string, name secret.String) error {
	if envName.MatchString(name.Reveal()) {
		return nil
	}
	return component.Errorf(option, "%q is not a name that a shell takes: letters, digits and _", name.String())
}

// Format writes the variables by sorted name, each in the format, which takes
// a name and a value. Values are made to stand between single quotes.
func (e Env) Format(format string) (secret.String, error) {
	return e.FormatWith("env_var_format", format, op.Quote)
}

// FormatWith is Format for the format of another option, whose values are made
// fit by quote.
func (e Env) FormatWith(option, format string, quote func(string) string) (secret.String, error) {
	if strings.Contains(fmt.Sprintf(format, "NAME", "value"), "%!") {
		return secret.String{}, component.Errorf(option, "%q must hold %%s two times: for the name and for the value", format)
	}
	var parts []secret.String
	for _, name := range slices.Sorted(maps.Keys(e)) {
		parts = append(parts, e[name].With(fmt.Sprintf(format, name, quote(e[name].Reveal()))))
	}
	return secret.Join(parts, ""), nil
}

// Revealing reports whether text may show a sensitive value, now or when its
// tokens are replaced. Such text is not to be on a command line.
func Revealing(text secret.String) bool {
	for _, token := range op.Tokens(text.Reveal()) {
		if token != op.Scratch && token != op.LocalDir {
			return true
		}
	}
	return text.IsSensitive()
}

// action is what a Go template puts in; known are those that name data of ours.
var (
	action = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}`)
	known  = []string{".Path", ".Vars", ".EnvVarFile", ".Script", ".Command"}
)

// Render renders a command's template. It gets only the data that it names.
// The result is sensitive where one of those is, or the template; and where
// the template asks for something else, as a variable or the machine's
// password: nobody can tell what that is.
func Render(in provisioners.Input, option string, template secret.String, data map[string]secret.String) (secret.String, error) {
	texts := map[string]string{}
	sensitive := template.IsSensitive()
	for _, a := range action.FindAllStringSubmatch(template.Reveal(), -1) {
		sensitive = sensitive || !slices.Contains(known, a[1])
	}
	for name, v := range data {
		if !strings.Contains(template.Reveal(), name) {
			continue
		}
		texts[name] = v.Reveal()
		sensitive = sensitive || v.IsSensitive()
	}
	out, err := in.Render(template.Reveal(), texts)
	if err != nil {
		return secret.String{}, component.Errorf(option, "%v", err)
	}
	if sensitive {
		return secret.Sensitive(out), nil
	}
	return secret.Plain(out), nil
}
