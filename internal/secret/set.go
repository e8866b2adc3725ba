package secret

import (
	"encoding/base64"
	"net/url"
	"slices"
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

// Add makes Redact hide value: whole, line by line, and as it looks in
// base64, in a URL and in single shell quotes.
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

func forms(v string) []string {
	v = strings.TrimRight(v, "\r")
	if strings.TrimSpace(v) == "" {
		return nil
	}
	raw := []byte(v)
	return []string{
		v, strings.TrimSpace(v),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		url.QueryEscape(v), url.PathEscape(v),
		strings.ReplaceAll(v, "'", `'\''`), strings.ReplaceAll(v, "'", `'"'"'`),
	}
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
