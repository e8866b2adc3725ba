package secret

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestStringHidesItself(t *testing.T) {
	t.Parallel()
	s := Sensitive("hunter2")
	j, err := json.Marshal(map[string]String{"p": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{s.String(), fmt.Sprint(s), fmt.Sprintf("%#v %+v %s %q", s, s, s, s), string(j), s.LogValue().String()} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("shown: %s", shown)
		}
	}
	if s.Reveal() != "hunter2" || !s.IsSensitive() {
		t.Error("Reveal must give the text")
	}
	joined := Join([]String{Plain("a"), s}, "=")
	if joined.Reveal() != "a=hunter2" || !joined.IsSensitive() {
		t.Errorf("joined: %#v", joined)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	const value = `pa'ss "wörd"/+?\$<x>&`
	var set Set
	set.Add(value)
	set.Add("first line\nsecond line")
	set.Add("ab") // too short to hide
	quoted := strings.ReplaceAll(value, "'", `'"'"'`)
	for _, form := range []string{
		value, base64.StdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value)),
		url.QueryEscape(value), url.PathEscape(value), quoted, strings.ReplaceAll(value, "'", `'\''`), "second line",
		// JSON by three programs, strings of Python and PowerShell
		`pa'ss \"wörd\"/+?\\$<x>&`, `pa'ss \"w\u00f6rd\"/+?\\$<x>&`, `pa'ss \"wörd\"/+?\\$\u003cx\u003e\u0026`,
		`pa\'ss "wörd"/+?\\$<x>&`, `pa''ss "wörd"/+?\$<x>&`,
	} {
		got := set.Redact("before " + form + " after")
		if want := "before " + Redacted + " after"; got != want {
			t.Errorf("Redact(%q) = %q", form, got)
		}
	}
	set.Add("hunter2-and-more")
	for _, user := range []string{"", "a", "me", "you"} { // as in a login of HTTP
		text := base64.StdEncoding.EncodeToString([]byte(user + ":hunter2-and-more."))
		if got := set.Redact(text); !strings.Contains(got, Redacted) {
			t.Errorf("Redact(%q) = %q", text, got)
		}
	}
	if got := set.Redact("ab 1 text"); got != "ab 1 text" {
		t.Errorf("a text without a secret was changed: %q", got)
	}
	var none *Set
	none.Add("x")
	if none.Redact("x") != "x" {
		t.Error("a nil set must redact nothing")
	}
}
