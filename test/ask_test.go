package test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

const failingTemplate = `
source "null" "a" { communicator = "none" }
build {
  sources = ["null.a"]
  provisioner "shell-local" { inline = ["echo >>tries", "test $(wc -l <tries) = 3"] }
  provisioner "shell-local" { inline = ["echo went on"] }
  provisioner "breakpoint" { note = "look around" }
  provisioner "shell-local" { inline = ["exit 1"] }
  error-cleanup-provisioner "shell-local" { inline = ["touch cleaned"] }
}
`

// TestAsk answers the questions of -on-error=ask and of a breakpoint on a
// terminal.
func TestAsk(t *testing.T) {
	t.Parallel()
	const question = "[c] Clean up and exit, [a] abort without cleanup, or [r] retry the step?"
	for answer, cleaned := range map[string]bool{"c": true, "a": false} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			p := startTerminal(t, failingTemplate, "build", "-on-error=ask", ".")
			p.answer(question, "r")
			p.answer(question, "r")
			p.answer("look around", "")
			p.answer(question, "what?")
			p.answer(question, answer)
			var exit *exec.ExitError
			if err := p.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("it ended with %v\n%s", err, p.text())
			}
			if tries, err := os.ReadFile(filepath.Join(p.cmd.Dir, "tries")); string(tries) != "\n\n\n" {
				t.Errorf("the first step left %q (%v)", tries, err)
			}
			if _, err := os.Stat(filepath.Join(p.cmd.Dir, "cleaned")); (err == nil) != cleaned {
				t.Errorf("the error-cleanup-provisioner: %v", err)
			}
		})
	}
}

// TestGuard shows what would like to do something to the terminal: a template's
// text, and a line of it that is wrong.
func TestGuard(t *testing.T) {
	t.Parallel()
	const text = "an image\x1b]0;title\x07 of mine"
	for command, template := range map[string]string{
		"inspect":  "source \"null\" \"a\" {}\nbuild {\n  description = \"" + text + "\"\n  sources = [\"null.a\"]\n}\n",
		"validate": "locals { a = nothing.b } # " + text,
	} {
		p := startTerminal(t, template, command, ".")
		p.wait("an image of mine")
	}
}

// TestDebug goes through a build step by step.
func TestDebug(t *testing.T) {
	t.Parallel()
	p := startTerminal(t, `
source "null" "a" { communicator = "none" }
build {
  sources = ["null.a"]
  provisioner "shell-local" { inline = ["echo one >>done"] }
  provisioner "shell-local" { inline = ["echo two >>done"] }
  post-processor "manifest" {}
}
`, "build", "-debug", ".")
	p.answer("Pausing before the start (no machine). Press enter to continue.", "")
	p.answer("Pausing before step 1 shell-local (t.pkr.hcl:5). Press", "")
	p.wait("Pausing before step 2 shell-local (t.pkr.hcl:6). Press")
	if done, err := os.ReadFile(filepath.Join(p.cmd.Dir, "done")); string(done) != "one\n" {
		t.Errorf("at the second step there is %q (%v)", done, err)
	}
	p.send("")
	p.answer("Pausing before the image is made. Press", "")
	p.answer("Pausing before cleaning up. Press", "")
	p.answer("Pausing before post-processor manifest. Press", "")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, p.text())
	}
}

// TestConsole types into the console.
func TestConsole(t *testing.T) {
	t.Parallel()
	p := startTerminal(t, `variable "name" { default = "web" }`, "console", ".")
	p.wait("> ")
	p.send("uppe\tvar.na\t)")
	p.wait("WEB\r\n")
	p.send("1 +")
	p.wait("Missing expression")
	p.send("\x1b[A\x1b[A") // the line before the last
	p.wait("WEB\r\n")
	p.send("exit")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, p.text())
	}
}

// terminal is ingot on a pseudo terminal.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	file *os.File

	mu   sync.Mutex
	out  bytes.Buffer
	read int // how much of out has been waited for
}

func startTerminal(t *testing.T, template string, args ...string) *terminal {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "t.pkr.hcl"), []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs(ingotBin)
	if err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, cmd: exec.Command(bin, args...)}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "TERM=xterm", "CI=", "INGOT_CACHE_DIR="+cacheDir)
	if p.file, err = pty.StartWithSize(p.cmd, &pty.Winsize{Rows: 24, Cols: 200}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.file.Close()
	})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := p.file.Read(buf)
			p.mu.Lock()
			p.out.Write(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *terminal) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// answer waits until the question is asked, and answers with a line.
func (p *terminal) answer(question, line string) {
	p.t.Helper()
	p.wait(question)
	p.send(line)
}

// wait waits until the terminal shows a text.
func (p *terminal) wait(question string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text := p.text()
		if i := strings.Index(text[p.read:], question); i >= 0 {
			p.read += i + len(question)
			break
		}
		if time.Now().After(end) {
			p.t.Fatalf("it does not ask %q:\n%s", question, text)
		}
	}
}

// send types a line.
func (p *terminal) send(line string) {
	p.t.Helper()
	if _, err := p.file.WriteString(line + "\r"); err != nil {
		p.t.Fatal(err)
	}
}
