package component

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/secret"
)

// Schema is the options of a component, read from the `hcl` tags of its
// configuration struct. Decoding, the reference pages and completion share it.
type Schema struct {
	Type   reflect.Type
	Fields []*Field // in the struct's order, embedded structs flattened
	Label  *Field   // of the block: port "tcp:22" { … }; nil where it has none

	byName  map[string]*Field
	names   []string // sorted
	attrs   []hcl.AttributeSchema
	headers []hcl.BlockHeaderSchema
}

// Field is one option.
type Field struct {
	Name     string
	Go       reflect.StructField // its Index leads there from Schema.Type
	Required bool
	Block    bool    // written as a block; an object or a list of objects is taken too
	Repeated bool    // a block that may be given more than once
	Nested   *Schema // options of the block or object, else nil

	Template string // "late": the component renders it; "off": not a Go template; "": rendered while decoding
	Key      string // "disk" where it changes what is on the image
	Refuse   string // why it can't be set; "" where it can
	Inert    string // why it has no effect, which is a warning; "" where it has
	Image    string // the builders whose images it names, with spaces between; "" where it names none
}

// SchemaOf returns the schema of v, a struct or a pointer to one.
func SchemaOf(v any) *Schema { return schemaOf(reflect.TypeOf(v)) }

func schemaOf(t reflect.Type) *Schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := &Schema{Type: t, byName: map[string]*Field{}}
	s.add(t, nil, "")
	s.names = slices.Sorted(maps.Keys(s.byName))
	for _, f := range s.Fields {
		s.attrs = append(s.attrs, hcl.AttributeSchema{Name: f.Name})
		if f.Block {
			s.headers = append(s.headers, f.header())
		}
	}
	return s
}

// header is the schema of a block.
func (f *Field) header() hcl.BlockHeaderSchema {
	h := hcl.BlockHeaderSchema{Type: f.Name}
	if f.Nested != nil && f.Nested.Label != nil {
		h.LabelNames = []string{f.Nested.Label.Name}
	}
	return h
}

// add adds the fields of a struct. Where one that is embedded is refused, all
// of its options are.
func (s *Schema) add(t reflect.Type, index []int, refuse string) {
	for i := range t.NumField() {
		sf := t.Field(i)
		sf.Index = append(slices.Clone(index), i)
		name, kind, _ := strings.Cut(sf.Tag.Get("hcl"), ",")
		if sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct {
			s.add(sf.Type, sf.Index, cmp.Or(sf.Tag.Get("refuse"), refuse))
			continue
		}
		if name == "" || s.byName[name] != nil {
			continue
		}
		f := &Field{Name: name, Go: sf, Block: kind == "block", Template: sf.Tag.Get("template"),
			Key: sf.Tag.Get("key"), Image: sf.Tag.Get("image"), Refuse: cmp.Or(sf.Tag.Get("refuse"), refuse), Inert: sf.Tag.Get("inert")}
		if kind == "label" {
			s.Label = f
			continue
		}
		f.Required = kind == "" || f.Block && sf.Type.Kind() == reflect.Struct
		f.Repeated = f.Block && sf.Type.Kind() == reflect.Slice
		if nested := structIn(sf.Type); nested != nil {
			f.Nested = schemaOf(nested)
		}
		s.Fields = append(s.Fields, f)
		s.byName[name] = f
	}
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[secret.String]()
	valueType    = reflect.TypeFor[cty.Value]()
)

// structIn returns the struct that t holds, alone or in a list or map.
func structIn(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == secretType || t == valueType {
		return nil
	}
	return t
}

// Field returns the option called name, nil where there is none.
func (s *Schema) Field(name string) *Field { return s.byName[name] }

// Names returns the names of the options, sorted.
func (s *Schema) Names() []string { return s.names }

// Nearest returns the name of names that name is most likely a slip of, or "".
func Nearest(name string, names []string) string {
	best, limit := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := levenshtein.Distance(name, n, nil); d < limit {
			best, limit = n, d
		}
	}
	return best
}
