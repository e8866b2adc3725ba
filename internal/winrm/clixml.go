package winrm

import (
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/ingot-build/ingot/internal/lines"
)

// PowerShell writes errors to a standard error that is no console as XML that
// another PowerShell reads (CLIXML): a first line, then one line of XML.
const (
	clixmlHead = "#< CLIXML"
	clixmlOpen = "<Objs "
)

// newErrors returns a writer of standard error that gives out what CLIXML says
// to people: not the XML, and not the progress of cmdlets.
func newErrors(mu *sync.Mutex, out func(line string)) *lines.Writer {
	return lines.New(mu, func(line string) {
		for _, l := range said(line) {
			out(l)
		}
	})
}

func said(line string) []string {
	switch trimmed := strings.TrimSpace(line); {
	case trimmed == clixmlHead:
		return nil
	case strings.HasPrefix(trimmed, clixmlOpen):
		text := strings.TrimRight(strings.ReplaceAll(readCLIXML(trimmed, line), "\r\n", "\n"), "\n")
		if text == "" {
			return nil
		}
		return strings.Split(text, "\n")
	}
	return []string{line}
}

// plain is the whole of a standard error as text.
func plain(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, said(strings.TrimRight(line, "\r\n"))...)
	}
	return strings.Join(out, "\n")
}

// readCLIXML returns the texts of all streams but that of progress; otherwise
// where the XML can't be read.
func readCLIXML(text, otherwise string) string {
	var objs struct {
		Texts []struct {
			Stream string `xml:"S,attr"`
			Text   string `xml:",chardata"`
		} `xml:"S"`
	}
	if xml.Unmarshal([]byte(text), &objs) != nil {
		return otherwise
	}
	var b strings.Builder
	for _, t := range objs.Texts {
		b.WriteString(escaped.ReplaceAllStringFunc(t.Text, func(e string) string {
			n, err := strconv.ParseUint(e[2:6], 16, 16)
			if err != nil {
				return e
			}
			return string(rune(n))
		}))
	}
	return b.String()
}

// escaped is a character that is written by its number: _x000D_.
var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)
