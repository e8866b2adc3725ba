package staging

import (
	"fmt"
	"strings"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// Command is what is run when all is in the folder.
type Command struct {
	Title string // what people call it: "puppet apply"
	// Script is lines for a POSIX shell. Its last exit code is that of the
	// step: only 0 is success.
	Script secret.String
	Env    map[string]secret.String
}

// Run returns the ops: the uploads, the command, and, where the folder is not
// to stay, its removal. A command that fails, or is stopped, cleans up too.
func (f *Folder) Run(c Command) []op.Op {
	var ops []op.Op
	if f.public {
		ops = append(ops, f.prepare())
	}
	ops = append(ops, f.uploads...)
	file := op.File{
		Path: fmt.Sprintf("/tmp/%s_%s_%d.sh", f.tool, op.Token(op.Scratch), f.in.Index),
		Mode: 0o600, Blob: op.Text(c.Script.With(f.head() + c.Script.Reveal())),
	}
	ops = append(ops, &op.Exec{Title: c.Title, Argv: []string{"/bin/sh", file.Path}, Env: c.Env,
		Inputs: append([]op.File{file}, f.inputs...)})
	if f.remove && len(f.inputs) > 0 {
		// In a container the inputs are mounts, which the script can't remove.
		ops = append(ops, &op.Exec{Title: "clean up", Argv: []string{"/bin/sh", "-c", f.removal()}})
	}
	return ops
}

// prepare makes a folder whose place others know too. It may be there, and
// may be somebody else's.
func (f *Folder) prepare() op.Op {
	command := `mkdir -p -- "$1"`
	if f.sudo {
		command = `mkdir -p -- "$1" 2>/dev/null && [ -w "$1" ] || { sudo mkdir -p -- "$1" && sudo chown "$(id -u):$(id -g)" "$1"; }`
	}
	return &op.Exec{Title: "make " + f.Path, Argv: []string{"/bin/sh", "-c", command, "sh", f.Path}}
}

// head is how the script begins.
func (f *Folder) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mkdir -p -- %s || exit 1\n", Quote(f.Path))
	if f.remove {
		fmt.Fprintf(&b, "clean() { cd /; { %s; } 2>/dev/null; }\n", f.removal())
		b.WriteString("trap clean EXIT\ntrap 'exit 129' HUP\ntrap 'exit 130' INT\ntrap 'exit 143' TERM\n")
	}
	return b.String()
}

// removal removes the folder. What the tool has written as root is root's.
func (f *Folder) removal() string {
	remove := "rm -rf -- " + Quote(f.Path)
	if !f.sudo {
		return remove
	}
	return fmt.Sprintf(`%[1]s || [ "$(id -u)" = 0 ] || sudo -n %[1]s`, remove)
}

// Quote quotes text for a POSIX shell, also after its tokens are replaced.
func Quote(text string) string {
	quoted := "'" + op.Quote(text) + "'"
	// The name of a scratch file has nothing to quote.
	return strings.ReplaceAll(quoted, op.Token("quoted."+op.Scratch), op.Token(op.Scratch))
}
