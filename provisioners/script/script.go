// Package script is what the shell and shell-local provisioners have in
// common: where a script comes from, and what environment it gets.
package script

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Content are the options of every provisioner that runs scripts.
type Content struct {
	// Inline is the lines of a script. Exactly one of inline, script and
	// scripts is to be given.
	Inline []secret.String `hcl:"inline,optional"`
	// Script is the path of a script on this host.
	Script string `hcl:"script,optional"`
	// Scripts are the paths of scripts on this host, run in this order.
	Scripts []string `hcl:"scripts,optional"`
	// EnvironmentVars are environment variables of the script, each as
	// "NAME=value".
	EnvironmentVars []secret.String `hcl:"environment_vars,optional"`
	// Env is environment variables of the script. They win over
	// environment_vars.
	Env map[string]secret.String `hcl:"env,optional"`
	// ValidExitCodes are the exit codes that count as success. Default [0].
	ValidExitCodes []int `hcl:"valid_exit_codes,optional"`
}

// Options are the options that shell and shell-local share.
type Options struct {
	Content
	// InlineShebang is the interpreter of an inline script, for its first
	// line. It is not used where inline starts with "#!" itself. Default
	// "/bin/sh -e".
	InlineShebang string `hcl:"inline_shebang,optional"`
	// EnvVarFormat is how a variable is written in {{.Vars}} and in the
	// variables file: %s stands for its name, and then for its value. Default
	// "%s='%s' ", and "export %s='%s'\n" in a file.
	EnvVarFormat string `hcl:"env_var_format,optional"`
}

// Defaults are the options as they are where a template does not set them.
func Defaults() Options { return Options{InlineShebang: "/bin/sh -e"} }

// Body is one script to run.
type Body struct {
	File string // path of this host as the template gives it; "" for inline
	Blob op.Blob
	Head []byte // its first bytes
}

// headSize is how much of a script is looked at to tell what it is, in bytes.
const headSize = 256

// Bodies returns the scripts to run, in order. CRLF line ends become LF
// unless binary is set.
func (o Options) Bodies(in provisioners.Input, binary bool) ([]Body, error) {
	return o.Content.Bodies(in, binary, func(lines []secret.String) secret.String { return o.inline(lines, binary) })
}

// Bodies returns the scripts to run, in order; write makes one of inline lines.
// CRLF line ends of files become LF unless binary is set.
func (c Content) Bodies(in provisioners.Input, binary bool, write func(lines []secret.String) secret.String) ([]Body, error) {
	given := 0
	for _, is := range []bool{len(c.Inline) > 0, c.Script != "", len(c.Scripts) > 0} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, component.Errorf("", "nothing to run: one of inline, script and scripts is needed")
	case given > 1:
		return nil, component.Errorf("", "only one of inline, script and scripts can be given")
	case c.Script != "":
		b, err := fileBody("script", c.Script, in, binary)
		return []Body{b}, err
	case len(c.Inline) > 0:
		text := write(c.Inline)
		return []Body{{Blob: op.Text(text), Head: []byte(text.Reveal())}}, nil
	}
	missing := slices.DeleteFunc(slices.Clone(c.Scripts), func(path string) bool {
		_, err := os.Stat(in.Path(path))
		return !errors.Is(err, fs.ErrNotExist)
	})
	if len(missing) > 0 {
		return nil, component.Errorf("scripts", "there is no file %s", strings.Join(missing, ", "))
	}
	var out []Body
	for _, path := range c.Scripts {
		b, err := fileBody("scripts", path, in, binary)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func (o Options) inline(lines []secret.String, binary bool) secret.String {
	if !strings.HasPrefix(lines[0].Reveal(), "#!") && o.InlineShebang != "" {
		lines = append([]secret.String{secret.Plain("#!" + o.InlineShebang)}, lines...)
	}
	text := secret.Join(append(lines[:len(lines):len(lines)], secret.Plain("")), "\n")
	if !binary {
		text = text.With(strings.ReplaceAll(text.Reveal(), "\r\n", "\n"))
	}
	return text
}

func fileBody(option, path string, in provisioners.Input, binary bool) (Body, error) {
	b := Body{File: path}
	host := in.Path(path)
	blob, err := op.FileBlob(host)
	if err != nil {
		return b, unreadable(option, path, err)
	}
	b.Blob = blob
	if binary {
		b.Head, err = readHead(host)
		return b, unreadable(option, path, err)
	}
	text, err := os.ReadFile(host)
	if err != nil {
		return b, unreadable(option, path, err)
	}
	if bytes.Contains(text, []byte("\r\n")) {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		b.Blob = op.Text(secret.Plain(string(text)))
		b.Blob.Name = host
	}
	b.Head = text[:min(len(text), headSize)]
	return b, nil
}

func unreadable(option, path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return component.Errorf(option, "there is no file %s", path)
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return component.Errorf(option, "read %s: %v", path, err)
}

func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, headSize))
	return head, err
}

// Argv is the command that runs the script at path: a script that names no
// interpreter is run by /bin/sh, as a shell would do it.
func (b Body) Argv(path string) []string {
	if !strings.Contains(path, "/") {
		path = "./" + path
	}
	if bytes.HasPrefix(b.Head, []byte("#!")) || bytes.IndexByte(b.Head, 0) >= 0 {
		return []string{path}
	}
	return []string{"/bin/sh", path}
}
