package builders

import (
	"strings"

	"github.com/ingot-build/ingot/internal/op"
)

// CommandName is what people call a command: its script, or the command's text
// where there is none.
func CommandName(argv []string, inputs []op.File) string {
	for _, f := range inputs {
		if f.Blob.Name != "" {
			return f.Blob.Name
		}
	}
	if len(inputs) > 0 {
		return "inline script" // the path that it has while it runs says nothing to people
	}
	return CommandText(argv)
}

// ExecName is what people call a command of a machine.
func ExecName(o *op.Exec) string {
	if o.Title != "" {
		return o.Title
	}
	return CommandName(o.Argv, o.Inputs)
}

// ShellText returns a command as it can be given to a POSIX shell: quoted only
// where it has to be, so that people can read it.
func ShellText(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		if plain := strings.IndexFunc(word, special) < 0; plain && word != "" {
			words[i] = word
		} else {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func special(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune("-_./:=@%+,", r)
}
