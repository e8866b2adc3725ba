package ui

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// cells returns how many columns of a terminal a rune takes.
func cells(r rune) int {
	switch {
	case unicode.IsControl(r) || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// columns returns how many columns text takes.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n += cells(r)
	}
	return n
}

// fit cuts text down to n columns; "…" stands for what is cut off.
func fit(text string, n int) string {
	if columns(text) <= n {
		return text
	}
	if n <= 0 {
		return ""
	}
	used := 1 // the ellipsis
	for i, r := range text {
		if used += cells(r); used > n {
			return text[:i] + "…"
		}
	}
	return text
}

// pad fits text into exactly n columns.
func pad(text string, n int) string {
	text = fit(text, n)
	return text + strings.Repeat(" ", max(n-columns(text), 0))
}
