package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	buildersall "github.com/ingot-build/ingot/builders/all"
	"github.com/ingot-build/ingot/internal/component"
	postprocessorsall "github.com/ingot-build/ingot/postprocessors/all"
	provisionersall "github.com/ingot-build/ingot/provisioners/all"
)

// generate returns the text of each page by its name. Root is the module's folder.
func generate(root string) (map[string]string, error) {
	g := &generator{comments: comments{root: root}, pages: map[string]string{}}
	for _, d := range buildersall.List() {
		g.page("builders", "source", d.Type, d.New())
	}
	for _, d := range provisionersall.List() {
		g.page("provisioners", "provisioner", d.Type, d.New())
	}
	for _, d := range postprocessorsall.List() {
		g.page("post-processors", "post-processor", d.Type, d.New())
	}
	return g.pages, g.err
}

type generator struct {
	comments comments
	pages    map[string]string
	err      error
}

func (g *generator) page(folder, block, typ string, config any) {
	var b strings.Builder
	t := reflect.TypeOf(config).Elem()
	fmt.Fprintf(&b, "<!-- Made by `make docs` from the config struct. -->\n\n# %s\n\n", typ)
	if doc := g.packageDoc(t); doc != "" {
		fmt.Fprintf(&b, "%s\n\n", doc)
	}
	label := ""
	if block == "source" {
		label = ` "NAME"`
	}
	fmt.Fprintf(&b, "```hcl\n%s %q%s {\n  …\n}\n```\n\n## Options\n\n", block, typ, label)
	g.options(&b, component.SchemaOf(config), reflect.ValueOf(config).Elem(), "")
	g.pages[folder+"/"+typ+".md"] = b.String()
}

func (g *generator) packageDoc(t reflect.Type) string {
	doc, err := g.comments.pkg(t.PkgPath())
	g.fail(err)
	return doc
}

// options writes a list of options; those of blocks follow indented.
func (g *generator) options(b *strings.Builder, s *component.Schema, defaults reflect.Value, indent string) {
	var refused []*component.Field
	for _, f := range s.Fields {
		if f.Refuse != "" {
			refused = append(refused, f)
			continue
		}
		g.option(b, s, f, defaults, indent)
	}
	if len(refused) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%sNot supported; setting one is an error:\n\n", indent)
	for _, f := range refused {
		fmt.Fprintf(b, "%s- `%s`: %s\n", indent, f.Name, f.Refuse)
	}
}

func (g *generator) option(b *strings.Builder, s *component.Schema, f *component.Field, defaults reflect.Value, indent string) {
	owner := ownerOf(s.Type, f.Go.Index)
	doc, err := g.comments.field(owner, f.Go.Name)
	g.fail(err)
	notes := []string{typeName(f)}
	if f.Required {
		notes = append(notes, "required")
	}
	if d := defaultOf(defaults, f); d != "" {
		notes = append(notes, "default `"+d+"`")
	}
	if f.Key == "disk" {
		notes = append(notes, "counts in the key")
	}
	fmt.Fprintf(b, "%s- `%s` (%s): %s\n", indent, f.Name, strings.Join(notes, ", "), doc)
	if f.Nested != nil {
		g.options(b, f.Nested, reflect.Value{}, indent+"  ")
	}
}

func (g *generator) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// ownerOf returns the struct that declares a field, which may be embedded.
func ownerOf(t reflect.Type, index []int) reflect.Type {
	for _, i := range index[:len(index)-1] {
		t = t.Field(i).Type
	}
	return t
}

func defaultOf(v reflect.Value, f *component.Field) string {
	if !v.IsValid() {
		return ""
	}
	fv := v.FieldByIndex(f.Go.Index)
	if fv.IsZero() {
		return ""
	}
	for fv.Kind() == reflect.Pointer {
		fv = fv.Elem()
	}
	if d, ok := fv.Interface().(time.Duration); ok {
		return shortDuration(d)
	}
	switch fv.Kind() {
	case reflect.Struct, reflect.Map:
		return ""
	case reflect.Slice:
		var parts []string
		for i := range fv.Len() {
			parts = append(parts, fmt.Sprintf("%#v", fv.Index(i).Interface()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return strings.ReplaceAll(fmt.Sprint(fv.Interface()), "\n", `\n`)
}

func shortDuration(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "m") || s == "" || strings.HasSuffix(s, "h") {
		return s
	}
	return d.String()
}

func typeName(f *component.Field) string {
	if f.Block {
		if f.Repeated {
			return "block, may be repeated"
		}
		return "block"
	}
	return goType(f.Go.Type)
}

func goType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.PkgPath() != "" && t.Name() == "String":
		return "string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return goType(t.Elem())
	case reflect.Slice:
		return "list of " + goType(t.Elem())
	case reflect.Map:
		return "map of " + goType(t.Elem())
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Struct:
		return "object"
	}
	return "number"
}
