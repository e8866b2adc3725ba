package ec2

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/glob"
)

// filter is one of a Describe call: one of the values must match.
type filter struct {
	Name   string   `q:"Name,required"`
	Values []string `q:"Value"`
}

// attrs are the values of a resource that filters can name.
type attrs[T any] map[string]func(T) []string

func one[T any](f func(T) string) func(T) []string {
	return func(v T) []string { return []string{f(v)} }
}

func yes[T any](f func(T) bool) func(T) []string {
	return func(v T) []string { return []string{strconv.FormatBool(f(v))} }
}

func when[T any](f func(T) time.Time) func(T) []string {
	return func(v T) []string { return []string{f(v).UTC().Format("2006-01-02T15:04:05.000Z")} }
}

// pick returns the things that all filters match. tags returns the tags of a
// thing; nil is a kind that has none.
func pick[T any](things []T, filters []filter, known attrs[T], tags func(T) map[string]string) ([]T, error) {
	for _, f := range filters {
		match, err := f.matcher()
		if err != nil {
			return nil, err
		}
		get := known[f.Name]
		if tags != nil && get == nil {
			get = tagged(f.Name, tags)
		}
		if get == nil {
			return nil, fail("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		things = slices.DeleteFunc(slices.Clone(things), func(v T) bool { return !slices.ContainsFunc(get(v), match) })
	}
	return things, nil
}

func tagged[T any](name string, tags func(T) map[string]string) func(T) []string {
	key, ofKey := strings.CutPrefix(name, "tag:")
	if !ofKey && name != "tag-key" && name != "tag-value" {
		return nil
	}
	return func(v T) []string {
		var found []string
		for k, value := range tags(v) {
			switch {
			case ofKey && k == key, name == "tag-value":
				found = append(found, value)
			case name == "tag-key":
				found = append(found, k)
			}
		}
		return found
	}
}

// matcher reports whether a value is one of the filter's, which may have the
// wildcards * and ?, and \ before one that is meant.
func (f filter) matcher() (func(string) bool, error) {
	if len(f.Values) == 0 {
		return nil, fail("InvalidParameterValue", "The filter '%s' has no values", f.Name)
	}
	var globs []glob.Glob
	for _, v := range f.Values {
		g, err := glob.Compile(quoteGlob(v))
		if err != nil {
			return nil, fail("InvalidParameterValue", "The value '%s' of the filter '%s' is invalid", v, f.Name)
		}
		globs = append(globs, g)
	}
	return func(s string) bool {
		return slices.ContainsFunc(globs, func(g glob.Glob) bool { return g.Match(s) })
	}, nil
}

// quoteGlob quotes what is special in a glob but not in a filter.
func quoteGlob(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			b.WriteByte('\\')
			if i+1 < len(s) {
				i++
				b.WriteByte(s[i])
			} else {
				b.WriteByte('\\')
			}
			continue
		case '[', ']', '{', '}', ',', '!':
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// paging is the part of a Describe call that says which part of the answer.
type paging struct {
	MaxResults *int   `q:"MaxResults"`
	NextToken  string `q:"NextToken"`
}

// page returns one page of things, and the token of the next. With ids given
// there are no pages.
func page[T any](p paging, things []T, ids []string) ([]T, string, error) {
	const least, most = 5, 1000
	if p.MaxResults == nil {
		if p.NextToken == "" {
			return things, "", nil
		}
		p.MaxResults = new(int)
		*p.MaxResults = most
	}
	if len(ids) > 0 {
		return nil, "", fail("InvalidParameterCombination", "The parameter MaxResults cannot be used with a list of ids")
	}
	if *p.MaxResults < least {
		return nil, "", fail("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than or equal to %d.", *p.MaxResults, least)
	}
	from := 0
	if p.NextToken != "" {
		raw, err := base64.RawURLEncoding.DecodeString(p.NextToken)
		if from, _ = strconv.Atoi(string(raw)); err != nil || from <= 0 || from > len(things) {
			return nil, "", fail("InvalidNextToken", "The token '%s' is invalid", p.NextToken)
		}
	}
	to := min(from+min(*p.MaxResults, most), len(things))
	next := ""
	if to < len(things) {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return things[from:to], next, nil
}

// byID returns the things of a map, all or those with the ids, in the order of
// when they were made. The first id that is not there, or not seen yet, is an
// error.
func byID[T any](c *call, all map[string]T, ids []string, prefix string, made func(T) time.Time) ([]T, error) {
	var found []T
	if len(ids) == 0 {
		for _, v := range all {
			if c.visible(made(v)) {
				found = append(found, v)
			}
		}
		slices.SortFunc(found, func(a, b T) int { return made(a).Compare(made(b)) })
		return found, nil
	}
	for _, id := range ids {
		v, ok := all[id]
		if !ok || !c.visible(made(v)) {
			return nil, notFound(prefix, id)
		}
		found = append(found, v)
	}
	return found, nil
}
