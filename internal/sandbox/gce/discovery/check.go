package discovery

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Violation is what is wrong with a request or a response.
type Violation struct {
	Reason  string // as the service names it: "invalid", "required", "badRequest", "notFound", "parseError"
	Field   string // "resource.disks[0].boot"
	Message string
}

// Error is the message.
func (v *Violation) Error() string { return v.Message }

func unknown(field, at, format string, args ...any) *Violation {
	if at != "" {
		field = at + "." + field
	}
	return &Violation{Reason: "badRequest", Field: field, Message: fmt.Sprintf(format, args...)}
}

func invalid(field, value, why string) *Violation {
	return &Violation{Reason: "invalid", Field: field, Message: fmt.Sprintf("Invalid value for field '%s': '%s'. %s", field, value, why)}
}

func mistyped(field, kind string, value any) *Violation {
	text, _ := json.Marshal(value)
	return &Violation{Reason: "badRequest", Field: field, Message: fmt.Sprintf("Invalid value at '%s' (TYPE_%s), %s", field, kind, text)}
}

// Request checks the body of a request and returns it in the form that the
// API's own clients write: 64-bit numbers as strings, nulls left out.
func (d *Document) Request(m *Method, body []byte) (json.RawMessage, error) {
	if m.Request == "" {
		if len(bytes.TrimSpace(body)) > 0 {
			return nil, &Violation{Reason: "badRequest", Message: "Invalid JSON payload received. The method has no body."}
		}
		return nil, nil
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	value, err := decode(body)
	if err != nil {
		return nil, &Violation{Reason: "parseError", Message: "Invalid JSON payload received. " + err.Error()}
	}
	c := checker{d: d, method: m.ID}
	if value, err = c.value(d.Schemas[m.Request], value, "resource"); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// Response checks a response.
func (d *Document) Response(m *Method, body []byte) error {
	value, err := decode(body)
	if err != nil {
		return err
	}
	c := checker{d: d}
	_, err = c.value(d.Schemas[m.Response], value, m.Response)
	return err
}

// Has reports whether a dotted path such as "scheduling.preemptible" is a field
// of a schema.
func (d *Document) Has(schema, path string) bool {
	s := d.resolve(d.Schemas[schema])
	for name := range strings.SplitSeq(path, ".") {
		switch {
		case s == nil:
			return false
		case s.Properties[name] != nil:
			s = d.resolve(s.Properties[name])
		case s.AdditionalProperties != nil:
			s = d.resolve(s.AdditionalProperties)
		default:
			return false
		}
		for s != nil && s.Items != nil {
			s = d.resolve(s.Items)
		}
	}
	return true
}

func (d *Document) resolve(s *Schema) *Schema {
	for s != nil && s.Ref != "" {
		s = d.Schemas[s.Ref]
	}
	return s
}

func decode(body []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected text behind the value")
	}
	return value, nil
}

// checker walks a value with its schema. method is that of a request, which
// says what is required; "" for responses.
type checker struct {
	d      *Document
	method string
}

func (c checker) value(s *Schema, v any, at string) (any, error) {
	s = c.d.resolve(s)
	if s == nil || s.Type == "any" || s.Format == "google.protobuf.Any" {
		return v, nil
	}
	switch s.Type {
	case "object":
		return c.object(s, v, at)
	case "array":
		list, ok := v.([]any)
		if !ok {
			return nil, mistyped(at, "LIST", v)
		}
		for i := range list {
			var err error
			if list[i], err = c.value(s.Items, list[i], fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return nil, err
			}
		}
		if s.Pattern != "" { // the document puts that of Tags.items here
			for i, item := range list {
				if text, ok := item.(string); !ok || !full(s.Pattern, text) {
					return nil, invalid(fmt.Sprintf("%s[%d]", at, i), fmt.Sprint(item), "Must be a match of regex '"+s.Pattern+"'")
				}
			}
		}
		return list, nil
	case "string":
		return s.text(v, at)
	case "boolean":
		if _, ok := v.(bool); !ok {
			return nil, mistyped(at, "BOOL", v)
		}
		return v, nil
	case "integer", "number":
		return s.number(v, at)
	}
	return nil, fmt.Errorf("%s: a value of type %q is unknown", at, s.Type)
}

func (c checker) object(s *Schema, v any, at string) (any, error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, mistyped(at, "MESSAGE", v)
	}
	for name, p := range s.Properties {
		if p.Annotations == nil || c.method == "" || !slices.Contains(p.Annotations.Required, c.method) {
			continue
		}
		if fields[name] == nil {
			return nil, &Violation{Reason: "required", Field: at + "." + name, Message: "Required field '" + at + "." + name + "' not specified"}
		}
	}
	out := make(map[string]any, len(fields))
	for name, value := range fields {
		p := s.Properties[name]
		if p == nil {
			p = s.AdditionalProperties
		}
		if p == nil {
			return nil, unknown(name, at, `Invalid JSON payload received. Unknown name "%s" at '%s': Cannot find field.`, name, at)
		}
		if value == nil {
			if c.method == "" {
				return nil, mistyped(at+"."+name, strings.ToUpper(p.Type), nil)
			}
			continue
		}
		checked, err := c.value(p, value, at+"."+name)
		if err != nil {
			return nil, err
		}
		out[name] = checked
	}
	return out, nil
}

// text checks a string; 64-bit numbers are strings too, and come as numbers
// from some clients.
func (s *Schema) text(v any, at string) (any, error) {
	if n, ok := v.(json.Number); ok && (s.Format == "int64" || s.Format == "uint64") {
		v = n.String()
	}
	text, ok := v.(string)
	if !ok {
		return nil, mistyped(at, "STRING", v)
	}
	var err error
	switch s.Format {
	case "int64":
		_, err = strconv.ParseInt(text, 10, 64)
	case "uint64":
		_, err = strconv.ParseUint(text, 10, 64)
	case "byte":
		if _, err = base64.StdEncoding.DecodeString(text); err != nil {
			_, err = base64.URLEncoding.DecodeString(text)
		}
	}
	if err != nil {
		return nil, mistyped(at, strings.ToUpper(s.Format), v)
	}
	if s.Pattern != "" && !full(s.Pattern, text) {
		return nil, invalid(at, text, "Must be a match of regex '"+s.Pattern+"'")
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		return nil, invalid(at, text, "Must be one of ["+strings.Join(s.Enum, ", ")+"].")
	}
	return text, nil
}

func (s *Schema) number(v any, at string) (any, error) {
	if text, ok := v.(string); ok { // clients may quote any number
		v = json.Number(text)
	}
	n, ok := v.(json.Number)
	if !ok {
		return nil, mistyped(at, strings.ToUpper(s.kind()), v)
	}
	var err error
	switch s.Format {
	case "uint32":
		_, err = strconv.ParseUint(n.String(), 10, 32)
	case "int32", "":
		if s.Type == "integer" {
			_, err = strconv.ParseInt(n.String(), 10, 32)
			break
		}
		fallthrough
	default:
		var f float64
		if err = json.Unmarshal([]byte(n), &f); err == nil {
			_, err = n.Float64()
		}
	}
	if err != nil {
		return nil, mistyped(at, strings.ToUpper(s.kind()), v)
	}
	return n, s.within(n.String(), at)
}

func (s *Schema) kind() string {
	if s.Format != "" {
		return s.Format
	}
	return s.Type
}

func (s *Schema) within(value, at string) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return mistyped(at, strings.ToUpper(s.kind()), value)
	}
	if low, err := strconv.ParseFloat(s.Minimum, 64); err == nil && n < low {
		return invalid(at, value, "Must be greater than or equal to "+s.Minimum)
	}
	if high, err := strconv.ParseFloat(s.Maximum, 64); err == nil && n > high {
		return invalid(at, value, "Must be less than or equal to "+s.Maximum)
	}
	return nil
}

// parameter checks one of the path or the query, which is text.
func (s *Schema) parameter(name, value string) error {
	switch s.Type {
	case "boolean":
		if value != "true" && value != "false" {
			return mistyped(name, "BOOL", value)
		}
		return nil
	case "integer", "number":
		_, err := s.number(value, name)
		return err
	default:
		_, err := s.text(value, name)
		return err
	}
}

func full(pattern, text string) bool {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	return err == nil && re.MatchString(text)
}
