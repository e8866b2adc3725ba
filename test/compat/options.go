package main

import (
	"reflect"
	"strings"

	buildersall "github.com/ingot-build/ingot/builders/all"
	datasourcesall "github.com/ingot-build/ingot/datasources/all"
	"github.com/ingot-build/ingot/internal/component"
	postprocessorsall "github.com/ingot-build/ingot/postprocessors/all"
	provisionersall "github.com/ingot-build/ingot/provisioners/all"
)

const module = "github.com/ingot-build/ingot/"

// native are the configurations of our components, by "KIND TYPE".
func native() map[string]any {
	out := map[string]any{"data null": struct {
		Input string `hcl:"input"`
	}{}}
	for _, d := range buildersall.List() {
		out["builder "+d.Type] = d.New()
	}
	for _, d := range provisionersall.List() {
		out["provisioner "+d.Type] = d.New()
	}
	for _, d := range postprocessorsall.List() {
		out["post-processor "+d.Type] = d.New()
	}
	for _, d := range datasourcesall.List() {
		out["data "+d.Type] = d.New()
	}
	return out
}

// options are the options of components.
func options(t *Tests) ([]Row, error) {
	list, err := lines("options.txt")
	if err != nil {
		return nil, err
	}
	have := native()
	var rows []Row
	for _, line := range list {
		what, names, _ := strings.Cut(line, ":")
		for _, name := range strings.Fields(names) {
			r := Row{Section: what, Name: name, Status: Refused, Note: "there is no such " + strings.Fields(what)[0]}
			if config := have[what]; config != nil {
				r = option(t, config, what, name)
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// option looks one up in the configuration of its component.
func option(t *Tests, config any, what, name string) Row {
	r := Row{Section: what, Name: name, Status: Missing}
	s := component.SchemaOf(config)
	var f *component.Field
	dirs := []string{folder(s.Type)}
	for _, part := range strings.Split(name, ".") {
		if s == nil && f != nil && f.Go.Type.Kind() == reflect.Map {
			continue // its keys are values
		}
		if s == nil {
			return r
		}
		if f = s.Field(part); f == nil {
			return metaOption(r)
		}
		if f.Refuse != "" {
			r.Status, r.Note = Refused, f.Refuse
			return r
		}
		dirs = append(dirs, folder(declaring(s.Type, f)))
		s = f.Nested
	}
	last := name[strings.LastIndex(name, ".")+1:]
	r.Status, r.Tested = Supported, t.use(strings.Fields(what)[1], dirs, last, f.Go.Name)
	return r
}

// metaOption is an option that is not the component's but the language's.
func metaOption(r Row) Row {
	if r.Name == "keep_input_artifact" {
		r.Status, r.Tested = Supported, true
	}
	return r
}

// declaring is the struct that declares the field.
func declaring(t reflect.Type, f *component.Field) reflect.Type {
	for _, i := range f.Go.Index[:len(f.Go.Index)-1] {
		t = t.Field(i).Type
	}
	return t
}

// folder is where the struct's package is, "-" where it is not ours.
func folder(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if dir, ok := strings.CutPrefix(t.PkgPath(), module); ok {
		return dir
	}
	return "-"
}
