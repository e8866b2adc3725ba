// Package discovery knows Google's REST APIs from their official discovery
// documents, cut down to the methods that the sandbox has: it routes requests,
// and checks requests and responses.
package discovery

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strings"
)

// Document is the APIs, cut down.
type Document struct {
	// Parameters may come with any method.
	Parameters map[string]*Schema `json:"parameters"`
	// Methods go by service and id, as "compute.images.get".
	Methods map[string]*Method `json:"methods"`
	Schemas map[string]*Schema `json:"schemas"`

	routes []route
}

// Method is one call.
type Method struct {
	ID         string             `json:"id"`
	HTTP       string             `json:"http"`
	Path       string             `json:"path"` // from the host's root, with no slash in front
	Parameters map[string]*Schema `json:"parameters,omitempty"`
	Request    string             `json:"request,omitempty"` // the schema of the body
	Response   string             `json:"response"`
}

// Schema is the form of a value, or of a parameter.
type Schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Type                 string             `json:"type,omitempty"`
	Format               string             `json:"format,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	AdditionalProperties *Schema            `json:"additionalProperties,omitempty"`
	ReadOnly             bool               `json:"readOnly,omitempty"`
	Annotations          *Annotations       `json:"annotations,omitempty"`
	Minimum              string             `json:"minimum,omitempty"`
	Maximum              string             `json:"maximum,omitempty"`

	// Of parameters:
	Location string `json:"location,omitempty"` // "path" or "query"
	Required bool   `json:"required,omitempty"`
	Repeated bool   `json:"repeated,omitempty"`
	Default  string `json:"default,omitempty"`
}

// Annotations says for which methods a field is required.
type Annotations struct {
	Required []string `json:"required,omitempty"`
}

//go:generate go run ../generate apis.json
//go:embed apis.json
var embedded []byte

// Load returns the document that is built in.
func Load() (*Document, error) {
	var d Document
	if err := json.Unmarshal(embedded, &d); err != nil {
		return nil, err
	}
	for _, m := range d.Methods {
		re, err := m.pattern()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.ID, err)
		}
		d.routes = append(d.routes, route{m, re})
	}
	// The longest first: "…/images/family/{family}" before "…/images/{image}".
	sort.Slice(d.routes, func(i, j int) bool {
		a, b := d.routes[i].method, d.routes[j].method
		if len(a.Path) != len(b.Path) {
			return len(a.Path) > len(b.Path)
		}
		return a.ID < b.ID
	})
	return &d, nil
}

type route struct {
	method *Method
	path   *regexp.Regexp
}

var variable = regexp.MustCompile(`\{(\+?)(\w+)\}`)

// pattern returns what paths of the method match, a group for each parameter.
func (m *Method) pattern() (*regexp.Regexp, error) {
	var b strings.Builder
	rest := m.Path
	for {
		at := variable.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		b.WriteString(regexp.QuoteMeta(rest[:at[0]]))
		name, form := rest[at[4]:at[5]], `[^/]+`
		if at[2] != at[3] { // {+name} is several segments
			p := m.Parameters[name]
			if p == nil {
				return nil, fmt.Errorf("no parameter %q", name)
			}
			form = strings.Trim(p.Pattern, "^$")
		}
		fmt.Fprintf(&b, "(?P<%s>%s)", name, form)
		rest = rest[at[1]:]
	}
	b.WriteString(regexp.QuoteMeta(rest))
	return regexp.Compile("^(?:" + b.String() + ")$")
}

// Route returns the method of a request and its parameters, those of the path
// and the query, checked; and a *Violation where it has none.
func (d *Document) Route(r *http.Request) (*Method, url.Values, error) {
	same := func(text string) (string, error) { return text, nil }
	method, params := d.match(r.Method, r.URL.Path, same)
	if method == nil { // the name of an object may have slashes: they are escaped
		method, params = d.match(r.Method, r.URL.EscapedPath(), url.PathUnescape)
	}
	if method == nil {
		return nil, nil, &Violation{Reason: "notFound", Message: "Method not found."}
	}
	return method, params, d.parameters(method, params, r.URL.Query())
}

// match finds the method of a path, nil where there is none.
func (d *Document) match(verb, path string, read func(string) (string, error)) (*Method, url.Values) {
	path = strings.TrimPrefix(path, "/")
	for _, route := range d.routes {
		if route.method.HTTP != verb {
			continue
		}
		groups := route.path.FindStringSubmatch(path)
		if groups == nil {
			continue
		}
		params := url.Values{}
		for i, name := range route.path.SubexpNames() {
			if name == "" {
				continue
			}
			value, err := read(groups[i])
			if err != nil {
				return nil, nil
			}
			params.Set(name, value)
		}
		return route.method, params
	}
	return nil, nil
}

// partial is a parameter of Compute's lists that documents before this one have
// and the service still takes: gcloud sends it.
const partial = "returnPartialSuccess"

// parameters checks those of the path and adds those of the query.
func (d *Document) parameters(m *Method, params, query url.Values) error {
	for name, values := range query {
		p := m.Parameters[name]
		if p == nil || p.Location != "query" {
			p = d.Parameters[name]
		}
		if p == nil && name == partial && (strings.HasSuffix(m.ID, ".list") || strings.HasSuffix(m.ID, ".aggregatedList")) {
			continue // all of it is there in any case
		}
		if p == nil {
			return unknown(name, "", `Invalid JSON payload received. Unknown name "%s": Cannot bind query parameter. Field '%s' could not be found in request message.`, name, name)
		}
		if len(values) > 1 && !p.Repeated {
			return invalid(name, strings.Join(values, ","), "It is given twice.")
		}
		params[name] = values
	}
	for name, p := range m.Parameters {
		if p.Required && params.Get(name) == "" {
			return &Violation{Reason: "required", Field: name, Message: "Required field '" + name + "' not specified"}
		}
		for i, value := range params[name] {
			if p.Type == "boolean" { // Python's clients send True
				value = strings.ToLower(value)
				params[name][i] = value
			}
			if err := p.parameter(name, value); err != nil {
				return err
			}
		}
		if p.Default != "" && !params.Has(name) {
			params.Set(name, p.Default)
		}
	}
	return nil
}
