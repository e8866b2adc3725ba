package op

import (
	"regexp"
	"strings"

	"github.com/ingot-build/ingot/internal/secret"
)

// A token stands in a string for a value that is known only while the build
// runs, such as the machine's address. Keys hash the token.

const tokenOpen, tokenClose = "\u27e6ingot:", "\u27e7"

var tokenPattern = regexp.MustCompile(regexp.QuoteMeta(tokenOpen) + `([A-Za-z0-9_.-]+)` + regexp.QuoteMeta(tokenClose))

// Names of tokens beside those of build.* ("build.ID", "build.Host" …).
const (
	Scratch  = "scratch"  // letters and digits that no other session has: for names of temporary files
	LocalDir = "localdir" // the folder of this host that holds a Local's inputs
	// Attachments is the folder of this host from which what the step brings
	// there is attached to the artifact.
	Attachments = "attachments"
	LocalID     = "localid" // digits that no other run of a Local has at the time
)

// Unknown stands for a value of build.* that a session does not have, as with
// Packer.
const Unknown = "<unknown>"

const buildPrefix = "build."

// Token returns the token for the value called name.
func Token(name string) string { return tokenOpen + name + tokenClose }

// Tokens returns the names of the tokens in s, in order.
func Tokens(s string) []string {
	var names []string
	for _, m := range tokenPattern.FindAllStringSubmatch(s, -1) {
		name, _ := unquoted(m[1])
		names = append(names, name)
	}
	return names
}

// The value of a token with one of these prefixes is made fit to stand between
// quotes: single ones of a shell, or double ones of PowerShell.
const quotedPrefix, backtickPrefix = "quoted.", "backtick."

// unquoted takes off the prefix, and returns what makes a value fit.
func unquoted(name string) (string, func(string) string) {
	if rest, ok := strings.CutPrefix(name, quotedPrefix); ok {
		return rest, escapeQuotes
	}
	if rest, ok := strings.CutPrefix(name, backtickPrefix); ok {
		return rest, escapeBackticks
	}
	return name, func(s string) string { return s }
}

// Quote makes text fit to stand between single quotes of a shell, now and
// after the tokens in it are replaced.
func Quote(text string) string {
	return strings.ReplaceAll(escapeQuotes(text), tokenOpen, tokenOpen+quotedPrefix)
}

// QuotePowerShell makes text fit to stand between double quotes of PowerShell,
// now and after the tokens in it are replaced.
func QuotePowerShell(text string) string {
	return strings.ReplaceAll(escapeBackticks(text), tokenOpen, tokenOpen+backtickPrefix)
}

// escapeBackticks escapes what has a meaning there; typographic quotes are
// quotes to PowerShell too.
func escapeBackticks(s string) string {
	return strings.NewReplacer("`", "``", "$", "`$", `"`, "`\"", "\u201c", "`\u201c", "\u201d", "`\u201d", "\u201e", "`\u201e").Replace(s)
}

func escapeQuotes(s string) string { return strings.ReplaceAll(s, "'", `'"'"'`) }

// Values gives the value of each token. A value that is sensitive makes the
// string it is put into sensitive.
type Values map[string]secret.String

// Text replaces the tokens of s that have a value.
func (v Values) Text(s string) string { return v.secret(secret.Plain(s)).Reveal() }

func (v Values) secret(s secret.String) secret.String {
	if !strings.Contains(s.Reveal(), tokenOpen) {
		return s
	}
	sensitive := s.IsSensitive()
	text := tokenPattern.ReplaceAllStringFunc(s.Reveal(), func(tok string) string {
		name, fit := unquoted(tokenPattern.FindStringSubmatch(tok)[1])
		val, ok := v[name]
		if !ok && strings.HasPrefix(name, buildPrefix) {
			return fit(Unknown)
		}
		if !ok {
			return tok
		}
		sensitive = sensitive || val.IsSensitive()
		return fit(val.Reveal())
	})
	if sensitive {
		return secret.Sensitive(text)
	}
	return secret.Plain(text)
}

// Bind returns ops with the tokens replaced in commands, environments, paths
// and texts. Files of this host are not searched.
func Bind(ops []Op, v Values) []Op {
	out := make([]Op, len(ops))
	for i, o := range ops {
		out[i] = bind(o, v)
	}
	return out
}

func bind(o Op, v Values) Op {
	switch o := o.(type) {
	case *Exec:
		c := *o
		c.Argv, c.Env, c.Inputs = v.argv(o.Argv), v.env(o.Env), v.files(o.Inputs)
		c.Dir, c.User, c.Cmd = v.Text(o.Dir), v.Text(o.User), v.Text(o.Cmd)
		return &c
	case *Reboot:
		return v.reboot(o)
	case *Put:
		return &Put{File: v.files([]File{o.File})[0]}
	case *Tree:
		c := *o
		c.Dir = v.Text(o.Dir)
		return &c
	case *Capture:
		return &Capture{Run: bind(o.Run, v).(*Exec), Local: v.Text(o.Local), Alone: o.Alone}
	case *Get:
		return &Get{Path: v.Text(o.Path), Local: v.Text(o.Local)}
	case *Local:
		c := *o
		c.Argv, c.Env, c.Inputs = v.argv(o.Argv), v.env(o.Env), v.files(o.Inputs)
		c.Dir = v.Text(o.Dir)
		if o.Connection != nil {
			conn := *o.Connection
			conn.User, conn.Proxy.SFTPCommand = v.Text(conn.User), v.Text(conn.Proxy.SFTPCommand)
			c.Connection = &conn
		}
		return &c
	}
	return o
}

func (v Values) argv(argv []string) []string {
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = v.Text(a)
	}
	return out
}

func (v Values) env(env map[string]secret.String) map[string]secret.String {
	out := make(map[string]secret.String, len(env))
	for name, val := range env {
		out[name] = v.secret(val)
	}
	return out
}

func (v Values) files(files []File) []File {
	out := make([]File, len(files))
	for i, f := range files {
		out[i] = f
		out[i].Path = v.Text(f.Path)
		if f.Blob.path == "" && strings.Contains(f.Blob.text.Reveal(), tokenOpen) {
			name := f.Blob.Name
			out[i].Blob = Text(v.secret(f.Blob.text))
			out[i].Blob.Name = name
		}
	}
	return out
}
