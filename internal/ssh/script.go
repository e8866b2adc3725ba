package ssh

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/op"
)

// shell starts a shell that reads its script from standard input, and that
// leads a process group, so that all it starts can be killed with it. OpenSSH
// makes it a leader; where a server does not, setsid does. On a server that is
// known to, leader does, with one program less to start.
const (
	shell = `exec /bin/sh -c 'kill -s 0 -- -$$ 2>/dev/null && exec ` + leader + `; ` +
		`command -v setsid >/dev/null && exec setsid /bin/sh; exec /bin/sh'`
	leader = `/bin/sh -s ` + leads
	leads  = `leads` // what the script then says of itself
)

// largestInput is up to which size an input is sent as part of the script, in
// bytes. Larger ones are uploaded first.
const largestInput = 64 << 10

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// quote quotes text for a POSIX shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, " ")
}

// script is the text that one step sends to the shell of the machine: write
// the inputs, run the command, remove the inputs. Nothing of it is visible in
// the machine's process list but the command itself.
//
// It tells of itself by lines on standard error that begin with mark:
// "on:" when it starts ("on:leads" by leader), "fail:WHAT" when it can't run the
// command.
type script struct {
	mark   string // no command knows it
	exec   *op.Exec
	inline []op.File // inputs that are written by the script; all are removed by it
	first  string    // what to run before all else
}

// text returns the script. All of it is one group, so that the shell has read
// it to its end before it begins: what follows on standard input is for the
// watcher, which kills the process group when told so, or when standard input
// ends because this side is gone.
func (s script) text() (string, error) {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("{ %sexec 3<&0 </dev/null\n", s.first)
	p("clean() { %s; }\n", s.cleanCommand())
	p("fail() { printf '%%s\\n' %s\"fail:${1%%%%\n*}\" >&2; clean; exec >/dev/null 2>&1; kill -s KILL $w; exit 1; }\n", quote(s.mark))
	p("k=; trap 'k=1' TERM HUP INT\n")
	gone := ""
	if s.exec.Disconnect {
		gone = " || exit 0" // the end of the connection is not the end of the command
	}
	p("(trap '' TERM HUP INT; read -r x%s; clean; kill -s TERM -- -$$; sleep 2; kill -s KILL -- -$$) <&3 >/dev/null 2>&1 &\n", gone)
	p("w=$!; exec 3<&-\n")
	p("printf '%%s\\n' %s\"on:$1\" >&2\n", quote(s.mark))
	for _, f := range s.inline {
		if err := writeInput(&b, f); err != nil {
			return "", err
		}
	}
	if s.exec.Dir != "" {
		p("[ -d %[1]s ] || fail 'there is no folder '%[1]s\n", quote(s.exec.Dir))
	}
	if err := s.command(&b); err != nil {
		return "", err
	}
	// Killed: what is left of the group must not outlive its shell.
	p("r=$?; clean; exec >/dev/null 2>&1\n")
	p("[ -z \"$k\" ] || kill -s KILL -- -$$\nkill -s KILL $w; exit $r\n}\n")
	return b.String(), nil
}

func (s script) cleanCommand() string {
	if len(s.exec.Inputs) == 0 || s.exec.KeepInputs {
		return ":"
	}
	paths := make([]string, len(s.exec.Inputs))
	for i, f := range s.exec.Inputs {
		paths[i] = f.Path
	}
	return "rm -f -- " + quoteAll(paths)
}

// writeInput writes a file that must not be one that somebody else has put
// there: it is created anew.
func writeInput(b *strings.Builder, f op.File) error {
	r, err := f.Blob.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	name := quote(f.Path)
	fmt.Fprintf(b, "[ -d %[1]s ] || mkdir -p -- %[1]s || fail 'make the folder '%[1]s\n", quote(path.Dir(f.Path)))
	fmt.Fprintf(b, "[ ! -e %[1]s ] && [ ! -L %[1]s ] || rm -f -- %[1]s\n", name)
	fmt.Fprintf(b, "m=$({ umask %03o; set -C; printf '%%s' %s >%s", 0o777&^f.Perm(), quote(string(text)), name)
	if f.Perm()&0o111 != 0 { // a shell creates no executable files
		fmt.Fprintf(b, " && chmod %03o %s", f.Perm(), name)
	}
	if f.Owner != "" {
		fmt.Fprintf(b, " && chown -- %s %s", quote(f.Owner), name)
	}
	fmt.Fprintf(b, "; } 2>&1) || { set -- $(df -Pk -- %s | tail -n 1); [ \"${4:-1}\" != 0 ] || m='%s'; fail 'write '%s\": $m\"; }\n",
		quote(path.Dir(f.Path)), noSpace, name)
	return nil
}

// command runs the command in a subshell of its own environment.
func (s script) command(b *strings.Builder) error {
	if len(s.exec.Argv) == 0 {
		return fmt.Errorf("no command to run")
	}
	b.WriteString("(")
	if s.exec.Dir != "" {
		fmt.Fprintf(b, "cd %s || exit 1\n", quote(s.exec.Dir))
	}
	for _, name := range slices.Sorted(maps.Keys(s.exec.Env)) {
		if !envName.MatchString(name) {
			return fmt.Errorf("%q can't be the name of an environment variable: use letters, digits and underscores", name)
		}
		fmt.Fprintf(b, "export %s=%s\n", name, quote(s.exec.Env[name].Reveal()))
	}
	argv := quoteAll(s.exec.Argv)
	if s.exec.User != "" {
		asUser(b, s.exec.User, argv)
	}
	fmt.Fprintf(b, "exec %s)\n", argv)
	return nil
}

// asUser runs the command as another user than the login: root becomes it,
// others ask sudo. The environment goes along.
func asUser(b *strings.Builder, user, argv string) {
	u := quote(user)
	fmt.Fprintf(b, "if [ \"$(id -un)\" != %[1]s ] && [ \"$(id -u)\" != %[1]s ]; then\n", u)
	fmt.Fprintf(b, "if [ \"$(id -u)\" != 0 ]; then exec sudo -n -E -u %s -- %s; fi\n", u, argv)
	fmt.Fprintf(b, "if setpriv --reuid=%[1]s --regid=\"$(id -g %[1]s)\" --init-groups true; then\n", u)
	if envName.MatchString(strings.ReplaceAll(user, "-", "_")) { // a name that the shell knows the home of
		fmt.Fprintf(b, "export HOME=~%[1]s USER=%[1]s LOGNAME=%[1]s\n", user)
	}
	fmt.Fprintf(b, "exec setpriv --reuid=%[1]s --regid=\"$(id -g %[1]s)\" --init-groups -- %[2]s; fi\n", u, argv)
	fmt.Fprintf(b, "exec su -s /bin/sh -c 'exec \"$0\" \"$@\"' -- %s %s; fi\n", u, argv)
}

// inlines reports whether an input can be part of the script.
func inlines(f op.File) (bool, error) {
	if f.Blob.Size > largestInput {
		return false, nil
	}
	r, err := f.Blob.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return bytes.IndexByte(text, 0) < 0, err
}
