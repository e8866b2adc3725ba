// Package secret keeps sensitive text out of everything that is shown or stored.
package secret

import "log/slog"

// Redacted stands where a sensitive value stood.
const Redacted = "<sensitive>"

// String is text that may be sensitive. Printing, logging or encoding a
// sensitive String shows Redacted; only Reveal gives the text.
type String struct {
	text      string
	sensitive bool
}

// Plain returns text that anyone may see.
func Plain(text string) String { return String{text: text} }

// Sensitive returns text that must not be seen.
func Sensitive(text string) String { return String{text: text, sensitive: true} }

// Reveal returns the text itself.
func (s String) Reveal() string { return s.text }

// IsSensitive reports whether the text must be hidden.
func (s String) IsSensitive() bool { return s.sensitive }

// With returns other text with the same sensitivity as s.
func (s String) With(text string) String { return String{text: text, sensitive: s.sensitive} }

// String returns the text, or Redacted where it is sensitive.
func (s String) String() string {
	if s.sensitive {
		return Redacted
	}
	return s.text
}

// GoString is String, so that %#v does not reveal the text.
func (s String) GoString() string { return s.String() }

// MarshalText is String, so that no encoder reveals the text.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, so that slog does not reveal the text.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Join joins texts; the result is sensitive when one of them is.
func Join(parts []String, sep string) String {
	var out String
	for i, p := range parts {
		if i > 0 {
			out.text += sep
		}
		out.text += p.text
		out.sensitive = out.sensitive || p.sensitive
	}
	return out
}
