package gce

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// below returns the resources of the call's collection.
func (c *call) below(prefix string) []any {
	var all []any
	for _, path := range c.state.paths(prefix) {
		if !strings.Contains(path[len(prefix):], "/") {
			all = append(all, c.state.Resources[path].body())
		}
	}
	return all
}

func getResource(c *call) (any, error) {
	c.openProject()
	_, r, err := c.state.get(c.target())
	if err != nil {
		return nil, err
	}
	return r.body(), nil
}

// listResources answers a list method of resources that are in the state.
func listResources(c *call) (any, error) {
	c.openProject()
	collection := strings.TrimSuffix(c.name, ".list")
	if collection == "regionDisks" {
		collection = "disks"
	}
	return c.list("compute#"+strings.TrimSuffix(collection, "s")+"List", c.below(c.scope()+"/"+collection+"/"))
}

// list filters, sorts and pages.
func (c *call) list(kind string, values []any) (any, error) {
	items, err := generic(values)
	if err != nil {
		return nil, err
	}
	if items, err = c.selected(items); err != nil {
		return nil, err
	}
	page, next, err := c.page(items)
	if err != nil {
		return nil, err
	}
	self := c.target()
	out := map[string]any{"kind": kind, "id": self, "selfLink": link(self)}
	if len(page) > 0 {
		out["items"] = page
	}
	if next != "" {
		out["nextPageToken"] = next
	}
	return out, nil
}

// generic turns values into what JSON makes of them.
func generic(values []any) ([]map[string]any, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	var items []map[string]any
	return items, json.Unmarshal(text, &items)
}

// selected is the items that the filter lets through, in order.
func (c *call) selected(items []map[string]any) ([]map[string]any, error) {
	if text := c.param("filter"); text != "" {
		f, err := parseFilter(text, c.knownField)
		if err != nil {
			return nil, err
		}
		items = slices.DeleteFunc(items, func(item map[string]any) bool { return !f.match(item) })
	}
	name := func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["name"]), fmt.Sprint(b["name"])) }
	slices.SortStableFunc(items, name)
	switch order := strings.Join(strings.Fields(c.param("orderBy")), " "); order {
	case "", "name", "name asc":
	case "name desc":
		slices.Reverse(items)
	case "creationTimestamp desc":
		slices.SortStableFunc(items, func(a, b map[string]any) int {
			return strings.Compare(fmt.Sprint(b["creationTimestamp"]), fmt.Sprint(a["creationTimestamp"]))
		})
	default:
		return nil, invalid("orderBy", order, "Only sorting by name or by creationTimestamp desc is supported.")
	}
	return items, nil
}

// knownField reports whether the items of the list have a field.
func (c *call) knownField(field string) bool {
	schema := c.method.Response
	if strings.HasSuffix(schema, "AggregatedList") {
		return c.api.Has(strings.TrimSuffix(schema, "AggregatedList"), field)
	}
	return c.api.Has(schema, "items."+field)
}

// page cuts out the page that was asked for.
func (c *call) page(items []map[string]any) (page []map[string]any, next string, err error) {
	from := 0
	if token := c.param("pageToken"); token != "" {
		text, err := base64.URLEncoding.DecodeString(token)
		if err == nil {
			from, err = strconv.Atoi(string(text))
		}
		if err != nil || from < 0 {
			return nil, "", invalid("pageToken", token, "The page token is invalid.")
		}
	}
	size, err := strconv.Atoi(c.param("maxResults"))
	if err != nil || size == 0 || size > 500 {
		size = 500
	}
	from = min(from, len(items))
	to := min(from+size, len(items))
	if to < len(items) {
		next = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return items[from:to], next, nil
}

// aggregated answers a list over all zones and regions. Those that have nothing
// say so.
func aggregated(c *call) (any, error) {
	c.openProject()
	collection := strings.TrimSuffix(c.name, ".aggregatedList")
	prefix := "projects/" + c.param("project") + "/"
	var values []any
	if collection == "globalOperations" {
		collection = "operations"
		for path, op := range c.state.Operations {
			if strings.HasPrefix(path, prefix) {
				values = append(values, op.API)
			}
		}
	}
	for _, path := range c.state.paths(prefix) {
		if strings.Contains(path, "/"+collection+"/") {
			values = append(values, c.state.Resources[path].body())
		}
	}
	items, err := generic(values)
	if err != nil {
		return nil, err
	}
	if items, err = c.selected(items); err != nil {
		return nil, err
	}
	items, next, err := c.page(items)
	if err != nil {
		return nil, err
	}
	scopes := map[string]any{}
	for _, scope := range scopesOf(collection) {
		scopes[scope] = map[string]any{"warning": map[string]any{"code": "NO_RESULTS_ON_PAGE",
			"message": "There are no results for scope '" + scope + "' on this page.",
			"data":    []any{map[string]any{"key": "scope", "value": scope}}}}
	}
	for _, item := range items {
		path := strings.TrimPrefix(fmt.Sprint(item["selfLink"]), link(prefix))
		scope, _, _ := strings.Cut(path, "/"+collection+"/")
		of, _ := scopes[scope].(map[string]any)
		if of == nil || of["warning"] != nil {
			of = map[string]any{}
			scopes[scope] = of
		}
		list, _ := of[collection].([]any)
		of[collection] = append(list, item)
	}
	self := prefix + "aggregated/" + collection
	out := map[string]any{"kind": "compute#" + strings.TrimSuffix(collection, "s") + "AggregatedList", "id": self, "selfLink": link(self), "items": scopes}
	if next != "" {
		out["nextPageToken"] = next
	}
	return out, nil
}

func scopesOf(collection string) []string {
	var all []string
	if collection == "operations" {
		all = append(all, "global")
	}
	for _, region := range regionNames() {
		all = append(all, "regions/"+region)
		if collection == "subnetworks" || collection == "addresses" {
			continue
		}
		for _, zone := range zonesOf(region) {
			all = append(all, "zones/"+zone)
		}
	}
	return all
}

// mask cuts a response down to some fields, as "items(id,name),nextPageToken"
// or "items/name" says.
func mask(text []byte, fields string) ([]byte, error) {
	if fields == "" || fields == "*" {
		return text, nil
	}
	tree, rest, err := parseMask(fields, 0)
	if err != nil || rest != "" {
		return nil, invalid("fields", fields, "Invalid field selection.")
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	return json.Marshal(cut(v, tree))
}

// fieldTree says which fields to keep; nil is all.
type fieldTree map[string]fieldTree

func parseMask(s string, depth int) (fieldTree, string, error) {
	tree := fieldTree{}
	for {
		name, inner, rest, err := parseField(s, depth+1)
		if err != nil {
			return nil, "", err
		}
		tree[name] = inner
		if !strings.HasPrefix(rest, ",") {
			return tree, rest, nil
		}
		s = rest[1:]
	}
}

// parseField reads "name", "name/field" or "name(list)".
func parseField(s string, depth int) (name string, inner fieldTree, rest string, err error) {
	end := strings.IndexAny(s, ",()/")
	if end < 0 {
		end = len(s)
	}
	name, rest = strings.TrimSpace(s[:end]), s[end:]
	if name == "" || depth > maxFilterDepth {
		return "", nil, "", fmt.Errorf("not a field selection")
	}
	switch {
	case strings.HasPrefix(rest, "/"):
		var sub string
		var below fieldTree
		sub, below, rest, err = parseField(rest[1:], depth+1)
		inner = fieldTree{sub: below}
	case strings.HasPrefix(rest, "("):
		inner, rest, err = parseMask(rest[1:], depth+1)
		if err == nil && !strings.HasPrefix(rest, ")") {
			err = fmt.Errorf("a parenthesis is open")
		}
		rest = strings.TrimPrefix(rest, ")")
	}
	return name, inner, rest, err
}

func cut(v any, tree fieldTree) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = cut(v[i], tree)
		}
		return v
	case map[string]any:
		if tree == nil {
			return v
		}
		out := map[string]any{}
		for name, value := range v {
			inner, ok := tree[name]
			if !ok {
				inner, ok = tree["*"]
			}
			if ok {
				out[name] = cut(value, inner)
			}
		}
		return out
	}
	return v
}
