package secret

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// shortest is the length below which a value is not redacted: hiding every
// "1" of a log would hide the log.
const shortest = 3

// Set is the sensitive values of one run. Its methods may be called from
// several goroutines, also on a nil Set, which redacts nothing.
type Set struct {
	mu       sync.RWMutex
	values   map[string]bool
	replacer *strings.Replacer
}

// Add makes Redact hide value: whole, line by line, and in the forms that
// programs print it in.
func (s *Set) Add(value string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]bool{}
	}
	for _, v := range append(strings.Split(value, "\n"), value) {
		for _, form := range forms(v) {
			if len(form) >= shortest {
				s.values[form] = true
			}
		}
	}
	s.replacer = nil
}

// forms are v, and what programs make of it that print it: in base64, in a URL, and
// between the quotes of JSON, Go, Python, a shell or PowerShell.
func forms(v string) []string {
	v = strings.TrimRight(v, "\r")
	if strings.TrimSpace(v) == "" {
		return nil
	}
	inJSON, _ := json.Marshal(v) // also <, > and & are escaped
	list := []string{
		v, strings.TrimSpace(v),
		url.QueryEscape(v), url.PathEscape(v),
		within(string(inJSON)), within(strconv.Quote(v)), within(strconv.QuoteToASCII(v)),
		strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v),
		strings.ReplaceAll(v, "'", `'\''`), strings.ReplaceAll(v, "'", `'"'"'`), strings.ReplaceAll(v, "'", "''"),
	}
	return append(list, inBase64(v)...)
}

// within is what is in quotes of one byte.
func within(quoted string) string { return quoted[1 : len(quoted)-1] }

// shortestInside is how many bytes of base64, of a value with other text around
// it, are looked for: fewer would be found where the value is not.
const shortestInside = 8

// inBase64 are the forms of v in base64: alone, and as part of a longer text, as
// in "Basic …" of HTTP, where what is at its ends depends on the text around it.
func inBase64(v string) (list []string) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		list = append(list, e.EncodeToString([]byte(v)), e.WithPadding(base64.NoPadding).EncodeToString([]byte(v)))
		for before := range 3 { // bytes of other text, of those that are encoded together
			raw := append(make([]byte, before), v...)
			text := e.EncodeToString(raw[:len(raw)/3*3])
			if inside := text[min((before+2)/3*4, len(text)):]; len(inside) >= shortestInside {
				list = append(list, inside)
			}
		}
	}
	return list
}

// Redact returns text with every value of the set replaced by Redacted.
func (s *Set) Redact(text string) string {
	if s == nil {
		return text
	}
	s.mu.RLock()
	r, empty := s.replacer, len(s.values) == 0
	s.mu.RUnlock()
	if empty {
		return text
	}
	if r == nil {
		r = s.build()
	}
	return r.Replace(text)
}

// build makes the replacer, longest value first, so that a value which holds
// another one is hidden whole.
func (s *Set) build() *strings.Replacer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replacer != nil {
		return s.replacer
	}
	values := make([]string, 0, len(s.values))
	for v := range s.values {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(values))
	for _, v := range values {
		pairs = append(pairs, v, Redacted)
	}
	s.replacer = strings.NewReplacer(pairs...)
	return s.replacer
}
