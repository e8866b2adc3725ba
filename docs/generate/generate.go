package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	buildersall "github.com/ingot-build/ingot/builders/all"
	"github.com/ingot-build/ingot/datasources"
	datasourcesall "github.com/ingot-build/ingot/datasources/all"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
	postprocessorsall "github.com/ingot-build/ingot/postprocessors/all"
	"github.com/ingot-build/ingot/provisioners"
	provisionersall "github.com/ingot-build/ingot/provisioners/all"
)

// madeBy opens every page.
const madeBy = "<!-- Made by `make docs` from the config structs. -->\n\n"

// kind is a kind of components, which have a folder of pages.
type kind struct{ folder, title, block, label string }

// generate returns the text of each page by its name. Root is the module's folder.
func generate(root string) (map[string]string, error) {
	g := &generator{comments: comments{root: root}, pages: map[string]string{}}
	g.index.WriteString(madeBy + "# Reference\n\nThe options of every component. What all of them share is in [templates](../templates.md).\n")
	section(g, kind{"builders", "Builders", "source", ` "NAME"`}, buildersall.List(),
		func(d builders.Definition) described { return described{d.Type, d.New(), nil} })
	section(g, kind{"data-sources", "Data sources", "data", ` "NAME"`}, datasourcesall.List(),
		func(d datasources.Definition) described { return described{d.Type, d.New(), d.Output} })
	section(g, kind{"provisioners", "Provisioners", "provisioner", ""}, provisionersall.List(),
		func(d provisioners.Definition) described { return described{d.Type, d.New(), nil} })
	section(g, kind{"post-processors", "Post-processors", "post-processor", ""}, postprocessorsall.List(),
		func(d postprocessors.Definition) described { return described{d.Type, d.New(), nil} })
	g.pages["README.md"] = g.index.String()
	return g.pages, g.err
}

type generator struct {
	comments comments
	of       kind
	index    strings.Builder
	pages    map[string]string
	err      error
}

// described is a component that gets a page.
type described struct {
	typ    string
	config any
	output any // of a data source, else nil
}

// section writes the pages of a kind, and a section of the index.
func section[D any](g *generator, k kind, list []D, of func(D) described) {
	g.of = k
	fmt.Fprintf(&g.index, "\n## %s\n\n", k.title)
	packages := map[string]int{}
	for _, d := range list {
		packages[reflect.TypeOf(of(d).config).Elem().PkgPath()]++
	}
	for _, d := range list {
		c := of(d)
		t := reflect.TypeOf(c.config).Elem()
		doc, err := g.comments.pkg(t.PkgPath())
		if packages[t.PkgPath()] > 1 {
			doc, err = g.comments.typ(t)
		}
		g.fail(err)
		g.page(c, doc)
	}
}

func (g *generator) page(c described, doc string) {
	typ, config := c.typ, c.config
	schema := component.SchemaOf(config)
	name := g.of.folder + "/" + typ + ".md"
	first, _, _ := strings.Cut(oneLine(doc), ". ")
	fmt.Fprintf(&g.index, "- [%s](%s): %s.\n", typ, name, plain(strings.TrimSuffix(first, ".")))

	var b strings.Builder
	fmt.Fprintf(&b, "%s# %s\n\n%s\n\n", madeBy, typ, plain(doc))
	fmt.Fprintf(&b, "```hcl\n%s %q%s {\n%s}\n```\n\n## Options\n\n", g.of.block, typ, g.of.label, body(schema))
	if slices.ContainsFunc(schema.Fields, inKey) {
		b.WriteString("Those marked \"in the key\" change what is made, so a change of one builds anew: see [plan and skip](../../plan-and-skip.md).\n\n")
	}
	g.options(&b, schema, reflect.ValueOf(config).Elem(), "")
	if c.output != nil {
		g.outputs(&b, typ, reflect.TypeOf(c.output).Elem())
	}
	g.pages[name] = b.String()
}

// outputs lists what a data source gives.
func (g *generator) outputs(b *strings.Builder, typ string, t reflect.Type) {
	fmt.Fprintf(b, "\n## Outputs\n\nAs `data.%s.NAME.` and one of:\n\n", typ)
	for i := range t.NumField() {
		f := t.Field(i)
		doc, err := g.comments.field(t, f.Name)
		g.fail(err)
		notes := goType(f.Type)
		if f.Tag.Get("sensitive") == "true" {
			notes += ", sensitive"
		}
		fmt.Fprintf(b, "- `%s` (%s): %s\n", f.Tag.Get("cty"), notes, plain(doc))
	}
}

func inKey(f *component.Field) bool { return f.Key != "" }

// body shows the options that must be set.
func body(s *component.Schema) string {
	var b strings.Builder
	for _, f := range s.Fields {
		if f.Required && !f.Block {
			fmt.Fprintf(&b, "  %s = …\n", f.Name)
		}
	}
	if b.Len() == 0 {
		return "  …\n"
	}
	return b.String()
}

// plain keeps text from being read as Markdown or HTML.
func plain(s string) string { return strings.NewReplacer("<", `\<`, "*", `\*`).Replace(s) }

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
	if d := defaultOf(defaults, f); d != "" && !strings.Contains(strings.ToLower(doc), "default") {
		notes = append(notes, "default `"+d+"`")
	}
	if inKey(f) {
		notes = append(notes, "in the key")
	}
	fmt.Fprintf(b, "%s- `%s` (%s): %s\n", indent, f.Name, strings.Join(notes, ", "), plain(doc))
	if f.Nested != nil {
		g.label(b, f, indent+"  ")
		g.options(b, f.Nested, reflect.Value{}, indent+"  ")
	}
}

// label says what stands behind the name of a block.
func (g *generator) label(b *strings.Builder, f *component.Field, indent string) {
	l := f.Nested.Label
	if l == nil {
		return
	}
	doc, err := g.comments.field(ownerOf(f.Nested.Type, l.Go.Index), l.Go.Name)
	g.fail(err)
	fmt.Fprintf(b, "%s- `%s %q`: %s\n", indent, f.Name, strings.ToUpper(l.Name), plain(doc))
}

func (g *generator) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// ownerOf returns the struct that declares a field, which may be embedded.
func ownerOf(t reflect.Type, index []int) reflect.Type {
	for _, i := range index[:len(index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
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
