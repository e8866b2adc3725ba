package gce

import (
	"encoding/json"
	"strings"
	"testing"
)

const filtered = `{"name":"web-1","family":"web","status":"READY","diskSizeGb":"20","creationTimestamp":"2026-03-01T10:00:00.000-08:00",
	"labels":{"team":"a","ingot-run":"r1"},"licenses":["https://x/projects/p/global/licenses/debian-12"],
	"scheduling":{"preemptible":true},"deprecated":{"state":"DEPRECATED"}}`

func anyField(string) bool { return true }

func TestFilter(t *testing.T) {
	t.Parallel()
	var v map[string]any
	if err := json.Unmarshal([]byte(filtered), &v); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`name=web-1`:                          true,
		`name = "web-1"`:                      true,
		`name='web-1'`:                        true,
		`name=web`:                            false,
		`name=web-*`:                          true,
		`name="*-1"`:                          true,
		`name:web`:                            true,
		`name != web-1`:                       false,
		`family=web AND labels.team=a`:        true,
		`(family=web) (labels.team=b)`:        false,
		`(name=a) OR (name="web-1")`:          true,
		`name=a OR name=b AND family=web`:     false,
		`name=web-1 OR name=b family=web`:     true,
		`NOT name=web-1`:                      false,
		`-name=web-1`:                         false,
		`NOT (name=a OR name=b)`:              true,
		`name eq web-\d`:                      true,
		`name eq 'w.*'`:                       true,
		`name ne .*-2`:                        true,
		`name ne .*-1`:                        false,
		`labels.team:*`:                       true,
		`labels.other:*`:                      false,
		`labels.ingot-run = "r1"`:             true,
		`scheduling.preemptible = true`:       true,
		`diskSizeGb > 9`:                      true,
		`diskSizeGb <= 9`:                     false,
		`creationTimestamp > 2026-01-01`:      true,
		`creationTimestamp < "2026-01-01"`:    false,
		`deprecated.state != "OBSOLETE"`:      true,
		`deprecated.replacement != "x"`:       true,
		`licenses:debian-12`:                  true,
		`licenses=debian-12`:                  true,
		`(name=web-1 AND (labels.team=a))`:    true,
		`creationTimestamp>2026-02-28T00:00Z`: true,
	} {
		f, err := parseFilter(text, anyField)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if f.match(v) != want {
			t.Errorf("%s: %t", text, !want)
		}
	}
}

func TestFilterRefuses(t *testing.T) {
	t.Parallel()
	fields := func(f string) bool { return f == "name" }
	for _, text := range []string{`name`, `name=`, `=a`, `name~a`, `(name=a`, `name=a)`, `name=a AND`, `AND name=a`, `name="a`, `nmae=a`, `name eq (`, `NOT`,
		`name eq [`, strings.Repeat("(", 1000) + "name=a"} {
		if f, err := parseFilter(text, fields); err == nil {
			t.Errorf("%s: %v", text, f)
		}
	}
}

// No filter makes the parser or the matching fail.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`name="a" AND (labels.x=1 OR NOT b:*)`, `a eq 'b.*'`, `-a!=b c<=d`, `a=b:c=d`, "a=\"\\\"\""} {
		f.Add(seed)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(filtered), &v); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if parsed, err := parseFilter(text, anyField); err == nil {
			parsed.match(v)
			parsed.terms(func(term) {})
		}
	})
}

func TestMask(t *testing.T) {
	t.Parallel()
	const in = `{"items":[{"id":"1","name":"a","labels":{"x":"y"}},{"id":"2","name":"b"}],"kind":"k","nextPageToken":"n"}`
	for fields, want := range map[string]string{
		"":                         in,
		"kind":                     `{"kind":"k"}`,
		"items/name":               `{"items":[{"name":"a"},{"name":"b"}]}`,
		"items(id,labels/x),kind":  `{"items":[{"id":"1","labels":{"x":"y"}},{"id":"2"}],"kind":"k"}`,
		"items/labels(x)":          `{"items":[{"labels":{"x":"y"}},{}]}`,
		"nextPageToken, items(id)": `{"items":[{"id":"1"},{"id":"2"}],"nextPageToken":"n"}`,
		"items/*":                  `{"items":[{"id":"1","labels":{"x":"y"},"name":"a"},{"id":"2","name":"b"}]}`,
	} {
		got, err := mask([]byte(in), fields)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", fields, got, err)
		}
	}
	for _, fields := range []string{"items(", "items)", "/", "a,,b", "a()"} {
		if got, err := mask([]byte(in), fields); err == nil {
			t.Errorf("%s: %s", fields, got)
		}
	}
}
