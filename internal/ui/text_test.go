package ui

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
)

func TestLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		colours bool
		want    []string
	}{
		{"one", false, []string{"one"}},
		{"", false, []string{""}},
		{"one\ntwo\n", false, []string{"one", "two"}},
		{"one\r\ntwo\r\n", false, []string{"one", "two"}},
		{"\n\n", false, []string{"", ""}},
		{"10%\r20%", false, []string{"20%"}},
		{"10%\r20%\r", false, []string{"20%"}},
		{"10%\r20%\r\x1b[K", false, []string{"20%"}},
		{"\x1b[1;31mred\x1b[0m", false, []string{"red"}},
		{"\x1b[1;31mred\x1b[0m", true, []string{"\x1b[1;31mred\x1b[0m"}},
		{"\x1b[2J\x1b[Hx\x1b[?25l\x1b[3Ay", true, []string{"xy"}},
		{"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", true, []string{"ab"}},
		{"\x1b(B\x1b=\x1bMa\a\b\x00\x7f", true, []string{"a"}},
		{"\x1bPsecret string\x1b\\a\x1b", true, []string{"a"}},
		{"a\x1b[", true, []string{"a"}},
		{"\u009b2Ja", true, []string{"2Ja"}}, // the C1 character is what would clear the screen
		{"tab\tstays", false, []string{"tab\tstays"}},
		{"bad \xff utf-8", false, []string{"bad \uFFFD utf-8"}},
	} {
		if got := lines(c.text, nil, c.colours); !slices.Equal(got, c.want) {
			t.Errorf("%q (colours %v): got %q, want %q", c.text, c.colours, got, c.want)
		}
	}
}

func TestInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                                     "0 seconds",
		900:                                   "0 seconds",
		7 * time.Microsecond:                  "7 microseconds",
		2031 * time.Millisecond:               "2 seconds 31 milliseconds",
		time.Second + time.Millisecond:        "1 second 1 millisecond",
		time.Hour + 2*time.Second:             "1 hour 2 seconds",
		time.Hour + 2*time.Minute + 5e9:       "1 hour 2 minutes",
		49*time.Hour + 3*time.Minute:          "2 days 1 hour",
		time.Minute:                           "1 minute",
		3*time.Second + 40*time.Microsecond:   "3 seconds 40 microseconds",
		59*time.Minute + 59*time.Second + 9e8: "59 minutes 59 seconds",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
		{"日本語", 1, "…"},
		{"日本語", 0, ""},
		{"e\u0301te\u0301", 3, "e\u0301te\u0301"},
	} {
		got := fit(c.text, c.n)
		if got != c.want || columns(got) > c.n {
			t.Errorf("fit(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
		if padded := pad(c.text, 9); columns(padded) != 9 {
			t.Errorf("pad(%q) takes %d columns", c.text, columns(padded))
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	inner := &adviceError{"inner", "do this"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("x"), ""},
		{inner, "do this"},
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", inner)), "do this"},
		{errors.Join(errors.New("x"), inner), "do this"},
		{&wrapError{adviceError{"no hint of its own", ""}, inner}, "do this"},
	} {
		if got := builders.Hint(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}

type wrapError struct {
	adviceError
	err error
}

func (e *wrapError) Unwrap() error { return e.err }

// brokenPipe is a reader that went away.
type brokenPipe struct{ writes int }

var errBroken = errors.New("broken pipe")

func (b *brokenPipe) Write([]byte) (int, error) {
	b.writes++
	return 0, errBroken
}

func TestWriteErrorIsKept(t *testing.T) {
	t.Parallel()
	for name, view := range views {
		var w brokenPipe
		v := view(Options{Out: &w})
		v.Pause()
		for _, e := range recorded() {
			v.Emit(e)
		}
		v.Resume()
		if err := v.Close(); !errors.Is(err, errBroken) {
			t.Errorf("%s: Close returned %v", name, err)
		}
		if w.writes != 1 {
			t.Errorf("%s: wrote %d times, also after the error", name, w.writes)
		}
	}
}

type namedSink struct {
	name string
	got  *[]string
}

func (s namedSink) Emit(event.Event) { *s.got = append(*s.got, s.name) }

func TestTee(t *testing.T) {
	t.Parallel()
	var got []string
	s := Tee(namedSink{"a", &got}, namedSink{"b", &got})
	s.Emit(event.Event{})
	s.Emit(event.Event{})
	if !slices.Equal(got, []string{"a", "b", "a", "b"}) {
		t.Error(got)
	}
}
