package expect

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// pattern returns the kind of what the user wrote, and the pattern.
func pattern(text secret.String) (kind string, of secret.String) {
	t := text.Reveal()
	if len(t) < 2 || t[0] != '/' || t[len(t)-1] != '/' {
		return "text", text
	}
	if t = t[1 : len(t)-1]; text.IsSensitive() {
		return "re", secret.Sensitive(t)
	}
	return "re", secret.Plain(t)
}

// In an extended regular expression, a bracket expression or an escape.
var bracketOrEscape = regexp.MustCompile(`(?s)\[\^?\]?(?:\[[:.=][^]]*[:.=]\]|[^]])*\]|\\.`)

// known are the escapes of grep beside those of signs.
const known = "wWsSbB<>'`123456789"

// patterns refuses what grep would not take as a regular expression, or would
// take for something else than who knows those of Perl means by it.
func patterns(option string, texts []secret.String) error {
	for _, text := range texts {
		kind, of := pattern(text)
		if kind != "re" || len(op.Tokens(of.Reveal())) > 0 { // tokens are known later
			continue
		}
		posix := bracketOrEscape.ReplaceAllStringFunc(of.Reveal(), func(part string) string {
			switch {
			case part[0] == '[': // a backslash is a letter there
				return strings.ReplaceAll(part, `\`, `\\`)
			case strings.Contains(known, part[1:]):
				return "x"
			}
			return part
		})
		_, err := regexp.CompilePOSIX(posix)
		var wrong *syntax.Error
		if !errors.As(err, &wrong) {
			continue
		}
		message := fmt.Sprintf("%s is no extended regular expression: %s", show(text), wrong.Code)
		if !text.IsSensitive() {
			message += " " + wrong.Expr
		}
		return &component.OptionError{Option: option, Message: message, Advice: `it is one as grep -E takes it, with [0-9] for \d`}
	}
	return nil
}
