package winrmtest

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ps is a PowerShell that knows a few statements.
type ps struct {
	cmd
	last   int // LASTEXITCODE
	caught bool
}

// powershell runs a script. Those of internal/winrm are told by their first line.
func (p *process) powershell(env map[string]string, script string) int {
	switch {
	case strings.HasPrefix(script, "# ingot boot"):
		fmt.Fprintf(p.stdout(), "boot:%d\r\n", p.shell.server.Boots())
		return 0
	case strings.HasPrefix(script, "# ingot flush"):
		fmt.Fprint(p.stdout(), "flushed\r\n")
		return 0
	case strings.HasPrefix(script, "# ingot put"):
		return p.put()
	case strings.HasPrefix(script, "# ingot get"):
		return p.get(script)
	}
	s := &ps{cmd: cmd{p: p, env: env}}
	if strings.Contains(script, "Schedule.Service") {
		return s.elevated(script)
	}
	return s.run(script)
}

var (
	envSet     = regexp.MustCompile("^\\$env:([A-Za-z_][A-Za-z0-9_]*) ?= ?\"((?:[^\"`]|`.)*)\";? *")
	writeText  = regexp.MustCompile(`(?i)^(?:write-output|write-host|echo) (.+)$`)
	writeError = regexp.MustCompile(`(?i)^write-error (.+)$`)
	throwText  = regexp.MustCompile(`(?i)^throw (.+)$`)
	exitCode   = regexp.MustCompile(`(?i)^exit (-?\d+)$`)
	sleepTime  = regexp.MustCompile(`(?i)^start-sleep (?:-s |-seconds )?(\d+)$`)
	block      = regexp.MustCompile(`(?s)^& ?\{ (.*) \}$`)
	callScript = regexp.MustCompile(`^&'([^']+)'$`)
	sourceFile = regexp.MustCompile(`^\. (\S+)$`)
)

// run runs a script, a statement a line, and returns its exit code.
func (s *ps) run(script string) int {
	if m := block.FindStringSubmatch(strings.TrimSpace(script)); m != nil {
		script = strings.ReplaceAll(m[1], "; ", "\n")
	}
	depth := 0 // in a block that is not run
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if depth > 0 {
			depth += strings.Count(line, "{") - strings.Count(line, "}")
			continue
		}
		if strings.HasPrefix(line, "} catch {") {
			if !s.caught {
				depth = 1
			}
			continue
		}
		if code, ends := s.statement(line); ends {
			return code
		}
		if s.p.ctx.Err() != nil {
			return terminated
		}
	}
	if s.caught {
		return 1
	}
	return 0
}

// statement runs one statement. ends says that the script ends by it.
func (s *ps) statement(line string) (code int, ends bool) {
	if line == "exit $exitCode" || strings.EqualFold(line, "exit $LastExitCode") {
		if s.last == 0 && s.caught {
			return 1, true
		}
		return s.last, true
	}
	if s.caught {
		return 0, false // what follows a throw, and the block that catches it
	}
	for m := envSet.FindStringSubmatch(line); m != nil; m = envSet.FindStringSubmatch(line) {
		s.env[strings.ToUpper(m[1])] = unescape(m[2])
		line = line[len(m[0]):]
	}
	switch {
	case exitCode.MatchString(line):
		code, _ = strconv.Atoi(exitCode.FindStringSubmatch(line)[1])
		return code, true
	case writeText.MatchString(line):
		fmt.Fprintf(s.p.stdout(), "%s\r\n", s.text(writeText.FindStringSubmatch(line)[1]))
	case writeError.MatchString(line):
		s.complain(s.text(writeError.FindStringSubmatch(line)[1]))
	case throwText.MatchString(line):
		s.complain("An error occurred: " + s.text(throwText.FindStringSubmatch(line)[1]))
		s.caught = true
	case sleepTime.MatchString(line):
		n, _ := strconv.Atoi(sleepTime.FindStringSubmatch(line)[1])
		s.wait(time.Duration(n) * time.Second)
	case strings.HasPrefix(line, "cmd /c "):
		c := &cmd{p: s.p, env: s.env}
		s.last = c.line(strings.TrimPrefix(line, "cmd /c "))
	case sourceFile.MatchString(line):
		s.source(sourceFile.FindStringSubmatch(line)[1])
	case callScript.MatchString(line):
		return s.call(callScript.FindStringSubmatch(line)[1])
	}
	return 0, false // not known, or of no consequence here
}

// complain writes an error as PowerShell does it where nobody looks on: as XML.
func (s *ps) complain(text string) {
	fmt.Fprintf(s.p.stderr(), "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\"><S S=\"Error\">%s_x000D__x000A_</S></Objs>\r\n",
		strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(text))
}

func (s *ps) source(path string) {
	if text, err := os.ReadFile(s.p.shell.server.Path(path)); err == nil {
		s.run(string(text))
	}
}

// call runs another script; its exit code is LASTEXITCODE.
func (s *ps) call(path string) (code int, ends bool) {
	text, err := os.ReadFile(s.p.shell.server.Path(path))
	if err != nil {
		s.complain("The term '" + path + "' is not recognized as the name of a cmdlet.")
		return 1, true
	}
	inner := &ps{cmd: cmd{p: s.p, env: s.env}}
	s.last = inner.run(string(text))
	return 0, false
}

var psVariable = regexp.MustCompile(`(?i)\$env:([A-Za-z_][A-Za-z0-9_]*)`)

// text is what a string between quotes says.
func (s *ps) text(quoted string) string {
	if strings.HasPrefix(quoted, "'") {
		return strings.ReplaceAll(strings.Trim(quoted, "'"), "''", "'")
	}
	body := strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
	return unescape(psVariable.ReplaceAllStringFunc(body, func(v string) string {
		return strings.ReplaceAll(s.env[strings.ToUpper(v[len("$env:"):])], "`", "``")
	}))
}

// unescape takes away backticks.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '`' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

var runnerValue = regexp.MustCompile("(?m)^\\$(user|password|line) = \"((?:[^\"`]|`.)*)\"")

// elevated stands for the scheduler: a task runs as a user whose password must
// be right.
func (s *ps) elevated(script string) int {
	values := map[string]string{}
	for _, m := range runnerValue.FindAllStringSubmatch(script, -1) {
		values[m[1]] = unescape(m[2])
	}
	if values["password"] != "" && (values["user"] != User || values["password"] != s.p.shell.server.Password) {
		s.complain("The user name or password is incorrect.")
		return 1
	}
	s.env["USERNAME"] = values["user"]
	c := &cmd{p: s.p, env: s.env}
	return c.line(values["line"])
}
