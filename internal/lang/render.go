package lang

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// Packer's second engine: Go templates in the texts of options.

// mostRendered is how long the result of a template may be, in bytes.
const mostRendered = 10 << 20

func isGoTemplate(s string) bool { return strings.Contains(s, "{{") }

// markedCall finds what a Go template may say differently in the keyed form.
var markedCall = regexp.MustCompile(`\b(timestamp|isotime|strftime|uuid|user|build|vault|consul_key|aws_secretsmanager(_raw)?)\b`)

var (
	insertedName = regexp.MustCompile(`\{\{-?\s*build_name\s*-?\}\}`)
	usedName     = regexp.MustCompile(`\{\{[^}]*build_name`)
)

// nameUse says what a Go template makes of the source's name.
func nameUse(s string) NameUse {
	switch {
	case !strings.Contains(s, "build"):
		return NameUnused
	case usedName.MatchString(insertedName.ReplaceAllString(s, "")):
		return NameWorkedOn
	case insertedName.MatchString(s):
		return NameInTexts
	}
	return NameUnused
}

// Render renders the Go template in text. Data are its fields, beside those
// that are known only while the build runs.
func (d *Decoded) Render(text string, data map[string]string) (string, error) {
	e := d.scope.engine()
	defer e.free()
	out, err := e.run(text, data)
	if err != nil {
		return "", err
	}
	d.Late = append(d.Late, lateExprs(e.marks)...)
	return d.scope.Values.Text(out), nil
}

// render renders the Go templates in an option, where that is done while
// decoding, and returns the marks of what they used.
func (r *recorder) render(o component.Option, v cty.Value) (cty.Value, cty.ValueMarks, hcl.Diagnostics) {
	if o.Field.Template == "off" {
		return v, nil, nil
	}
	if !hasText(v, isGoTemplate) {
		return v, nil, nil
	}
	if o.Field.Template == "late" {
		hasText(v, func(s string) bool { r.name = max(r.name, nameUse(s)); return false })
		if hasText(v, func(s string) bool { return isGoTemplate(s) && markedCall.MatchString(s) }) {
			return v, cty.NewValueMarks(volatile), nil
		}
		return v, nil, nil
	}
	all := cty.ValueMarks{}
	out, err := mapTexts(v, func(s string) (cty.Value, error) {
		if !isGoTemplate(s) {
			return cty.StringVal(s), nil
		}
		out, err := r.engine.run(s, nil)
		for _, name := range r.engine.vars {
			r.vars[name] = true
		}
		maps.Copy(all, r.engine.marks)
		r.name = max(r.name, nameUse(s))
		if r.engine.unknown {
			return cty.UnknownVal(cty.String).WithMarks(r.engine.marks), err
		}
		return cty.StringVal(out).WithMarks(r.engine.marks), err
	})
	if err != nil {
		return v, nil, hcl.Diagnostics{errorAt(o.Expr.Range(), fmt.Sprintf("Invalid Go template in %q", o.Path), sentence(err.Error()))}
	}
	return out, all, nil
}

// engine renders templates. Its functions cost more to set up than a template
// to render, so that engines are used again.
type engine struct {
	scope Scope
	t     *Template
	base  *template.Template // with the functions
	known map[string]any     // the names of all functions there are
	// parsed are the short ones that were rendered before: many steps have the
	// same execute_command.
	parsed map[string]*template.Template

	// Of the last one that was rendered:
	marks   cty.ValueMarks // of what was used
	vars    []string       // variables that were used
	unknown bool           // something was not read
	settled op.Values      // of tokens that it works on; nil where it only puts them in
}

// mostParsed is how many parsed templates an engine keeps.
const mostParsed = 256

func (sc Scope) engine() *engine {
	t := sc.Source.t
	e, ok := t.engines.Get().(*engine)
	if !ok {
		e = &engine{t: t, parsed: map[string]*template.Template{}}
		funcs := e.funcs()
		e.base = template.New("").Option("missingkey=error").Funcs(funcs)
		e.known = knownFunctions(funcs)
	}
	e.scope = sc
	return e
}

func (e *engine) free() { e.t.engines.Put(e) }

func (e *engine) run(text string, data map[string]string) (string, error) {
	e.marks, e.vars, e.unknown, e.settled = cty.ValueMarks{}, nil, false, nil
	tpl, err := e.parse(text)
	if err != nil {
		return "", err
	}
	fields := e.withTags(text, e.fields(data))
	worksOn := e.worksOn(tpl.Root, fields)
	if len(worksOn) > 0 {
		fields = e.settle(fields)
	}
	var out limited
	if err := tpl.Execute(&out, fields); err != nil {
		return "", plainError(err)
	}
	if len(worksOn) > 0 {
		out.WriteString(e.late(text, worksOn))
	}
	return out.String(), nil
}

// limited is a builder that takes only so much.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > mostRendered {
		return 0, errors.New("the result is too long")
	}
	return l.Builder.Write(p)
}

var (
	positionPattern = regexp.MustCompile(`^template: (:\d+(:\d+)?: )?`)
	unknownPattern  = regexp.MustCompile(`^function "(.*?)" not defined`)
	missingPattern  = regexp.MustCompile(`executing "" at <(.*?)>: (?:error calling \w+: )?(map has no entry for key ".*")?`)
)

// others is what to do where a text has braces that are not for us, such as the
// --format of docker: Packer puts "<no value>" there.
const others = "; where {{ is for another program, write {{`{{`}}"

// plainError takes from an error of text/template what it says of itself.
func plainError(err error) error {
	text := positionPattern.ReplaceAllString(err.Error(), "")
	if m := missingPattern.FindStringSubmatch(text); m != nil {
		if strings.HasPrefix(m[1], ".SourceAMITags") {
			return errors.New("{{.SourceAMITags}} is for Amazon's builders, with one tag of letters, digits and _: {{.SourceAMITags.Name}}")
		}
		if m[2] != "" {
			return fmt.Errorf("there is no {{%s}} here%s", m[1], others)
		}
		text = strings.Replace(text, m[0], "{{"+m[1]+"}}: ", 1)
	}
	if unknownPattern.MatchString(text) {
		text += others
	}
	return errors.New(text)
}

// lateFields are the fields that stand for tokens.
func (t *Template) lateFields(builder string) map[string]string {
	if out, ok := t.fields[builder]; ok {
		return out
	}
	out := map[string]string{}
	for _, n := range lateNames(builder) {
		out[n] = op.Token("build." + n)
	}
	out["HTTPIP"], out["HTTPPort"] = op.Token("build.PackerHTTPIP"), op.Token("build.PackerHTTPPort")
	for _, n := range []string{"SSHPrivateKeyFile", "SSHAgentAuth"} {
		out[n] = op.Token("build." + n)
	}
	t.fields[builder] = out
	return out
}

func (e *engine) fields(data map[string]string) map[string]string {
	fields := e.scope.Source.fields
	if len(data) == 0 {
		return fields
	}
	out := maps.Clone(fields)
	maps.Copy(out, data)
	return out
}

func (e *engine) funcs() template.FuncMap {
	dir, version := e.t.Dir, e.t.options.Version
	no := func(name, why string) func(...any) (string, error) {
		return func(...any) (string, error) { return "", fmt.Errorf("%s is not supported: %s", name, why) }
	}
	funcs := template.FuncMap{
		"build_name": func() string { return e.scope.Source.Name }, "build_type": func() string { return e.scope.Source.Type },
		"template_dir": func() string { return dir }, "pwd": os.Getwd, "packer_version": func() string { return version },
		"timestamp": func() string { return fmt.Sprint(e.now().Unix()) },
		"isotime":   e.isotime,
		"strftime":  func(format string) string { return strftime(e.now(), format) },
		"uuid": func() string {
			e.mark(volatile)
			return newUUID(e.scope.Form)
		},
		"user": e.user, "build": e.build,
		"split": func(s, sep string, i int) (string, error) {
			parts := strings.Split(s, sep)
			if i < 0 || i >= len(parts) {
				return "", fmt.Errorf("there is no part %d", i)
			}
			return parts[i], nil
		},
		"replace":     replaceIn,
		"replace_all": func(old, with, s string) (string, error) { return replaceIn(old, with, -1, s) },
		"upper":       strings.ToUpper, "lower": strings.ToLower,
		"clean_resource_name": func(s string) string { return cleanName(e.scope.Source.Type, s) },
		"env":                 no("env", "it can be called in the default of a variable only; declare a variable and use that"),
		"sed":                 no("sed", "use regex_replace() in an expression"),
	}
	maps.Copy(funcs, e.readerCalls())
	maps.Copy(funcs, printers())
	return funcs
}

func (e *engine) mark(m component.Mark) { e.marks[m] = struct{}{} }

func (e *engine) now() time.Time {
	e.mark(volatile)
	return e.t.now(e.scope.Form)
}

// isotime formats the time by example; without one it is RFC 3339.
func (e *engine) isotime(format ...string) (string, error) {
	switch len(format) {
	case 0:
		return e.now().Format(time.RFC3339), nil
	case 1:
		return e.now().Format(format[0]), nil
	}
	return "", errors.New("one format at most")
}

// user gives the value of a variable.
func (e *engine) user(name string) (string, error) {
	var forms [2]cty.Value
	switch v, made := e.t.vars[name], e.t.values["local."+name]; {
	case v != nil:
		forms = v.forms
		e.vars = append(e.vars, name)
	case made != nil && e.t.legacy: // of other variables
		forms = made.forms
		e.vars = slices.AppendSeq(e.vars, maps.Keys(made.uses))
	default:
		return "", fmt.Errorf("the template has no variable %q", name)
	}
	val, marks := forms[e.scope.Form].UnmarkDeep()
	for m := range marks {
		if m, ok := m.(component.Mark); ok {
			e.mark(m)
		}
	}
	if !val.IsKnown() && e.t.options.Unread {
		e.unknown = true // it is made of what was not read
		return "unknown", nil
	}
	s, err := convert.Convert(val, cty.String)
	if err != nil || s.IsNull() || !s.IsKnown() {
		return "", fmt.Errorf("the variable %q is not a text", name)
	}
	return s.AsString(), nil
}

// build gives a value of the build: its token where it is not known yet.
func (e *engine) build(name string) (string, error) {
	v, ok := e.scope.Source.build[e.scope.Form].AsValueMap()[name]
	if !ok {
		return "", fmt.Errorf("there is no build.%s", name)
	}
	plain, marks := v.Unmark()
	for m := range marks {
		if m, ok := m.(component.Mark); ok {
			e.mark(m)
		}
	}
	if e.settled != nil {
		return e.settled.Text(plain.AsString()), nil
	}
	return plain.AsString(), nil
}

// cleanName puts a dash for each byte that the builder's cloud does not take in
// the name of an image.
func cleanName(builder, s string) string {
	taken := "abcdefghijklmnopqrstuvwxyz0123456789"
	if strings.HasPrefix(builder, "amazon-") {
		taken += "ABCDEFGHIJKLMNOPQRSTUVWXYZ()[] ./'@_"
	} else {
		s = strings.ToLower(s)
	}
	out := []byte(s)
	for i, c := range out {
		if strings.IndexByte(taken, c) < 0 {
			out[i] = '-'
		}
	}
	return string(out)
}
