package winrmtest

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// home is the folder that commands start in.
const home = `C:\Users\Administrator`

// Path returns the file of this host that is a path of the machine. Names are
// kept in small letters, as Windows does not tell them apart.
func (s *Server) Path(p string) string {
	p = strings.ReplaceAll(strings.Trim(p, `"`), `\`, "/")
	p = strings.ReplaceAll(p, "$env:TEMP", "C:/Windows/Temp")
	if len(p) < 2 || p[1] != ':' {
		p = strings.ReplaceAll(home, `\`, "/") + "/" + p
	}
	return filepath.Join(s.Dir, filepath.FromSlash(strings.ToLower(p[2:])))
}

// cmd is a command interpreter with its variables.
type cmd struct {
	p    *process
	env  map[string]string
	exit *int
}

// cmd runs a command line.
func (p *process) cmd(line string) int {
	c := &cmd{p: p, env: map[string]string{"USERNAME": User, "TEMP": `C:\Windows\Temp`}}
	maps.Copy(c.env, p.shell.env)
	return c.line(line)
}

// line runs commands that are joined by "&&".
func (c *cmd) line(line string) int {
	code := 0
	for _, part := range splitAnd(line) {
		if code = c.simple(strings.TrimSpace(c.expand(part))); code != 0 || c.exit != nil {
			return code
		}
	}
	return code
}

func splitAnd(line string) []string {
	var parts []string
	quoted, start := false, 0
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(line[i:], "&&"):
			parts = append(parts, line[start:i])
			start, i = i+2, i+1
		}
	}
	return append(parts, line[start:])
}

var variable = regexp.MustCompile(`%([A-Za-z_][A-Za-z0-9_]*)%`)

func (c *cmd) expand(text string) string {
	text = variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := c.env[strings.ToUpper(strings.Trim(v, "%"))]; ok {
			return value
		}
		return v
	})
	return strings.ReplaceAll(text, percent, "%")
}

// percent stands for "%%" of a batch file while its variables are put in.
const percent = "\x00"

var (
	assignment = regexp.MustCompile(`^set "([^=]+)=(.*)"$`)
	psFile     = regexp.MustCompile(`(?i)^(?:powershell|pwsh)(?:\.exe)? .*-file "?([^"]+?)"?$`)
	psEncoded  = regexp.MustCompile(`(?i)^(?:powershell|pwsh)(?:\.exe)? .*-encodedcommand (\S+)$`)
	psCommand  = regexp.MustCompile(`(?is)^(?:powershell|pwsh)(?:\.exe)? (?:-executionpolicy \S+ )?(?:-command )?"(.*)"$`)
	scriptFile = regexp.MustCompile(`(?i)^(?:call )?"?([^"]+\.(?:bat|cmd))"?$`)
)

// simple runs one command.
func (c *cmd) simple(line string) int {
	line = strings.TrimPrefix(line, "@")
	if m := assignment.FindStringSubmatch(line); m != nil {
		c.env[strings.ToUpper(m[1])] = m[2]
		return 0
	}
	if m := psFile.FindStringSubmatch(line); m != nil {
		return c.powershellFile(m[1])
	}
	if m := psEncoded.FindStringSubmatch(line); m != nil {
		return c.p.powershell(c.env, decodeScript(m[1]))
	}
	if m := psCommand.FindStringSubmatch(line); m != nil {
		return c.p.powershell(c.env, m[1])
	}
	if m := scriptFile.FindStringSubmatch(line); m != nil {
		return c.batch(m[1])
	}
	name, rest, _ := strings.Cut(line, " ")
	switch strings.ToLower(name) {
	case "":
		return 0
	case "echo":
		return c.echo(rest)
	case "exit":
		code, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), "/b")))
		c.exit = &code
		return code
	case "ping": // as everybody waits on Windows
		return c.wait(24 * time.Hour)
	case "del":
		for _, f := range quotedText.FindAllString(rest, -1) {
			_ = os.Remove(c.p.shell.server.Path(f))
		}
		return 0
	case "type":
		text, err := os.ReadFile(c.p.shell.server.Path(rest))
		if err != nil {
			return c.fail(1, "The system cannot find the file specified.")
		}
		_, _ = c.p.stdout().Write(text)
		return 0
	case "cd":
		fmt.Fprintf(c.p.stdout(), "%s\r\n", firstOf(c.p.shell.dir, home))
		return 0
	case "flood":
		n, _ := strconv.Atoi(rest)
		for i := range n {
			fmt.Fprintf(c.p.stdout(), "line %d of the flood\r\n", i)
		}
		return 0
	case "shutdown":
		c.p.shell.server.restart()
		return 0
	}
	return c.fail(1, "'"+name+"' is not recognized as an internal or external command,\r\noperable program or batch file.")
}

var quotedText = regexp.MustCompile(`"[^"]*"`)

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (c *cmd) echo(text string) int {
	for _, suffix := range []string{" 1>&2", " >&2"} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			fmt.Fprintf(c.p.stderr(), "%s\r\n", rest)
			return 0
		}
	}
	fmt.Fprintf(c.p.stdout(), "%s\r\n", text)
	return 0
}

func (c *cmd) wait(d time.Duration) int {
	select {
	case <-c.p.ctx.Done():
		return 1
	case <-time.After(d):
		return 0
	}
}

func (c *cmd) fail(code int, text string) int {
	fmt.Fprintf(c.p.stderr(), "%s\r\n", text)
	return code
}

// batch runs the lines of a file.
func (c *cmd) batch(path string) int {
	text, err := os.ReadFile(c.p.shell.server.Path(path))
	if err != nil {
		return c.fail(1, "'"+path+"' is not recognized as an internal or external command,\r\noperable program or batch file.")
	}
	code := 0
	for line := range strings.Lines(string(text)) {
		line = strings.ReplaceAll(strings.TrimSpace(line), "%%", percent)
		if strings.EqualFold(line, "@echo off") {
			continue
		}
		if code = c.line(line); c.exit != nil || c.p.ctx.Err() != nil {
			return code
		}
	}
	return code
}

func (c *cmd) powershellFile(path string) int {
	text, err := os.ReadFile(c.p.shell.server.Path(path))
	if err != nil {
		return c.fail(-196608, "The argument '"+path+"' to the -File parameter does not exist.")
	}
	return c.p.powershell(c.env, string(text))
}

// program runs a program without cmd: only PowerShell with an encoded script.
func (p *process) program(name string, args []string) int {
	if strings.EqualFold(name, "powershell.exe") && len(args) > 1 && args[len(args)-2] == "-EncodedCommand" {
		env := map[string]string{}
		maps.Copy(env, p.shell.env)
		return p.powershell(env, decodeScript(args[len(args)-1]))
	}
	_, _ = io.WriteString(p.stderr(), "The system cannot find the file specified.\r\n")
	return 2
}

func decodeScript(text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i]) | uint16(raw[2*i+1])<<8
	}
	return string(utf16.Decode(units))
}
