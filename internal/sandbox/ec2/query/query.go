// Package query reads the forms of AWS's Query protocols into Go structs.
package query

import (
	"encoding/base64"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// deepest bounds how far a parameter's name nests: the services need 8.
const deepest = 16

// Decode fills the request struct that in points to from a form. Fields are
// named by their tag: `q:"ImageId,required,id=ami"`. What the form does not
// name keeps its value. A parameter without a field is refused by its name.
func Decode(form url.Values, in any) error {
	root := &param{}
	for name, values := range form {
		if name == "Action" || name == "Version" || name == "DryRun" {
			continue
		}
		if err := root.add(name, values); err != nil {
			return err
		}
	}
	return root.into("", reflect.ValueOf(in).Elem(), tag{})
}

// param is a parameter's value, or those that its name is the beginning of.
type param struct {
	value string
	set   bool
	kids  map[string]*param
}

func (p *param) add(name string, values []string) error {
	parts := strings.Split(name, ".")
	if len(parts) > deepest {
		return Errorf("UnknownParameter", "The parameter %s is not recognized", name)
	}
	for _, part := range parts {
		kid := p.kids[part]
		if kid == nil {
			kid = &param{}
			if p.kids == nil {
				p.kids = map[string]*param{}
			}
			p.kids[part] = kid
		}
		p = kid
	}
	if len(values) != 1 {
		return Errorf("InvalidParameterValue", "The parameter %s was given %d times", name, len(values))
	}
	p.value, p.set = values[0], true
	return nil
}

func (p *param) names() []string {
	names := make([]string, 0, len(p.kids))
	for name := range p.kids {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// leaf returns the whole name of the first value below p.
func (p *param) leaf(path string) string {
	for _, name := range p.names() {
		return p.kids[name].leaf(join(path, name))
	}
	return path
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// tag is what a field's tag says.
type tag struct {
	name     string
	required bool
	id       string // prefix of a resource's id
}

func parseTag(text string) tag {
	name, rest, _ := strings.Cut(text, ",")
	t := tag{name: name}
	for opt := range strings.SplitSeq(rest, ",") {
		if opt == "required" {
			t.required = true
		}
		if id, ok := strings.CutPrefix(opt, "id="); ok {
			t.id = id
		}
	}
	return t
}

// into sets v from p.
func (p *param) into(path string, v reflect.Value, t tag) error {
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return p.into(path, v.Elem(), t)
	case v.Type() == reflect.TypeFor[time.Time](), v.Type() == reflect.TypeFor[Blob]():
		return p.scalar(path, v, t)
	case v.Kind() == reflect.Struct:
		return p.structure(path, v)
	case v.Kind() == reflect.Slice:
		return p.list(path, v, t)
	}
	return p.scalar(path, v, t)
}

func (p *param) structure(path string, v reflect.Value) error {
	if p.set {
		return Errorf("InvalidParameterValue", "The parameter %s is a structure", path)
	}
	known := map[string]bool{}
	if err := p.fields(path, v, known); err != nil {
		return err
	}
	for _, name := range p.names() {
		if !known[name] {
			return Errorf("UnknownParameter", "The parameter %s is not recognized", p.kids[name].leaf(join(path, name)))
		}
	}
	return nil
}

func (p *param) fields(path string, v reflect.Value, known map[string]bool) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			if err := p.fields(path, v.Field(i), known); err != nil {
				return err
			}
			continue
		}
		text, ok := f.Tag.Lookup("q")
		if !ok {
			continue
		}
		t := parseTag(text)
		known[t.name] = true
		kid := p.kids[t.name]
		if kid == nil {
			if t.required && v.Field(i).IsZero() {
				return Errorf("MissingParameter", "The request must contain the parameter %s", join(path, t.name))
			}
			continue
		}
		if err := kid.into(join(path, t.name), v.Field(i), t); err != nil {
			return err
		}
	}
	return nil
}

// list reads "Name.1", "Name.2" …, or "Name.member.1" of STS and IAM.
func (p *param) list(path string, v reflect.Value, t tag) error {
	if member := p.kids["member"]; member != nil && len(p.kids) == 1 {
		return member.list(path+".member", v, t)
	}
	if p.set && p.value != "" {
		return Errorf("InvalidParameterValue", "The parameter %s is a list", path)
	}
	index := map[int]*param{}
	var order []int
	for _, name := range p.names() {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 || strconv.Itoa(n) != name {
			return Errorf("UnknownParameter", "The parameter %s is not recognized", p.kids[name].leaf(join(path, name)))
		}
		index[n] = p.kids[name]
		order = append(order, n)
	}
	slices.Sort(order)
	out := reflect.MakeSlice(v.Type(), len(order), len(order))
	for i, n := range order {
		if err := index[n].into(join(path, strconv.Itoa(n)), out.Index(i), t); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// Blob is a value that is sent as base64.
type Blob []byte

func (p *param) scalar(path string, v reflect.Value, t tag) error {
	if len(p.kids) > 0 {
		return Errorf("UnknownParameter", "The parameter %s is not recognized", p.leaf(path))
	}
	bad := func(kind string) error {
		return Errorf("InvalidParameterValue", "Invalid value %q for %s: not %s", p.value, path, kind)
	}
	switch v.Interface().(type) {
	case time.Time:
		at, err := time.Parse(time.RFC3339, p.value)
		if err != nil {
			return bad("a time")
		}
		v.Set(reflect.ValueOf(at))
		return nil
	case Blob:
		raw, err := base64.StdEncoding.DecodeString(p.value)
		if err != nil {
			return bad("base64")
		}
		v.SetBytes(raw)
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		if err := CheckID(t.id, p.value); err != nil {
			return err
		}
		v.SetString(p.value)
	case reflect.Bool:
		b, err := strconv.ParseBool(p.value)
		if err != nil {
			return bad("a boolean")
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(p.value)
		if err != nil {
			return bad("an integer")
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(p.value, 64)
		if err != nil {
			return bad("a number")
		}
		v.SetFloat(f)
	default:
		return Errorf("InternalError", "The sandbox has no value of kind %s", v.Kind())
	}
	return nil
}
