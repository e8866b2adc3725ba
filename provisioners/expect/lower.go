package expect

import (
	_ "embed" // the functions
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// functions are what the script of a block calls: POSIX sh, which dash, bash
// and busybox run alike.
//
//go:embed expect.sh
var functions string

// largest is how many bytes a script may have. Linux gives one argument of a
// command 128 KiB.
const largest = 100 << 10

// file is what the script's output is called on this host.
const file = "expect"

// Lower returns one op, which changes nothing on the machine.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	s, err := c.script()
	if err != nil {
		return nil, err
	}
	if len(s.names) == 0 {
		return nil, &component.OptionError{Message: "it expects nothing", Advice: `for example port "tcp:22" {}`}
	}
	within, container := c.Within, in.BuilderType == "docker"
	if container && len(c.Start) == 0 {
		within = 0 // nothing comes up by itself
	}
	text := s.text(within)
	if len(text) > largest {
		return nil, &component.OptionError{Message: fmt.Sprintf("the %d expectations are too many for one block", len(s.names)), Advice: "write several"}
	}
	return []op.Op{&op.Capture{
		Run:   &op.Exec{Argv: []string{"/bin/sh", "-c", text}, Env: s.env, User: c.RunAs, Title: fmt.Sprintf("look at %d expectations", len(s.names))},
		Local: op.Token(op.Attachments) + "/" + file,
		Alone: container && len(c.Start)+len(c.Port) > 0,
	}}, nil
}

// script is the script of a block as it is written.
type script struct {
	names []string // of the cases, in order
	lines []string
	env   map[string]secret.String
}

// now adds a case that is looked at once. Words are made by word and the like.
func (s *script) now(name, call string, words ...string) { s.add("now", name, call, words) }

// later adds a case that is looked at until it is met or the time is up.
func (s *script) later(name, call string, words ...string) { s.add("later", name, call, words) }

func (s *script) add(how, name, call string, words []string) {
	s.names = append(s.names, name)
	s.lines = append(s.lines, strings.Join(append([]string{how, strconv.Itoa(len(s.names)), call}, words...), " "))
}

// word is text as one word of the shell.
func word(text string) string { return "'" + op.Quote(text) + "'" }

// secretWord is a text of the user as one word. What is sensitive comes in the
// environment: a command line can be seen by others. So does what is known only
// while the build runs, as it may turn out to be sensitive.
func (s *script) secretWord(text secret.String) string {
	if !text.IsSensitive() && len(op.Tokens(text.Reveal())) == 0 {
		return word(text.Reveal())
	}
	if s.env == nil {
		s.env = map[string]secret.String{}
	}
	n := strconv.Itoa(len(s.env) + 1)
	s.env[variable+n] = text
	return `"$x` + n + `"`
}

// variable begins the names of environment variables.
const variable = "INGOT_EXPECT_"

// text returns the script.
func (s *script) text(within time.Duration) string {
	var b strings.Builder
	b.WriteString(functions)
	for i := range len(s.env) { // what is run must not find them in its environment
		fmt.Fprintf(&b, "x%[1]d=$%[2]s%[1]d\nunset %[2]s%[1]d\n", i+1, variable)
	}
	seconds := int((within + time.Second - 1) / time.Second)
	fmt.Fprintf(&b, "deadline=$(($(date +%%s) + %d))\n", seconds)
	b.WriteString("printf 'expect\\t1\\n'\n")
	for _, line := range s.lines {
		b.WriteString(line + "\n")
	}
	b.WriteString("if [ -n \"$bad\" ]; then\n\ti=1\n\twhile [ $i -le $started ]; do\n\t\ttail -n 20 \"$dir/printed.$i\" >&2\n\t\ti=$((i + 1))\n\tdone\nfi\n")
	fmt.Fprintf(&b, "printf 'end\\t%d\\n'\n", len(s.names))
	return b.String()
}
