package buildertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

func testExec(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	odd := "a 'quoted' \"text\" with $HOME, `ls`, \\ and\na second line\tü"
	e := s.shell(`echo out; echo err >&2; echo "[$ODD]"; pwd; printf "no newline"; cat`)
	e.Env = map[string]secret.String{"ODD": secret.Plain(odd)}
	e.Dir = "/usr"
	s.must(e)
	stdout, stderr := s.log.take()
	want := append([]string{"out"}, strings.Split("["+odd+"]\n/usr\nno newline", "\n")...)
	if diff := cmp.Diff(want, stdout); diff != "" {
		t.Errorf("stdout: %s", diff)
	}
	// Where both streams come as one, standard error is among the lines.
	if diff := cmp.Diff([]string{"err"}, stderr); diff != "" {
		t.Errorf("stderr: %s", diff)
	}
}

func testExecFails(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	var exit *builders.ExitError
	if err := s.apply(t.Context(), s.shell("echo said; exit 7")); !errors.As(err, &exit) || exit.Code != 7 {
		t.Errorf("exit 7: %v", err)
	}
	stdout, _ := s.log.take()
	if exit != nil && strings.Join(stdout, "")+exit.Output == "" {
		t.Error("what the command printed is lost")
	}
	exit = nil
	kill := "kill -9 $$"
	if _, layered := s.b.(builders.Layered); layered {
		kill = "sh -c '" + kill + "'; exit $?" // the first process of a container can't be killed from within
	}
	err := s.apply(t.Context(), s.shell(kill))
	if !errors.As(err, &exit) || (exit.Code != 137 && exit.Signal != "KILL") {
		t.Errorf("killed: %v", err)
	}
	if err := s.apply(t.Context(), &op.Exec{Argv: []string{"/no/such/command", nonce()}}); err == nil {
		t.Error("no error for a command that is not there")
	}
}

func testExitCodes(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	e := s.shell("exit 3")
	e.OK = []int{0, 3}
	s.must(e)
	zero := s.shell("exit 0")
	zero.OK = []int{3}
	if err := s.apply(t.Context(), zero); err == nil {
		t.Error("exit code 0 is accepted though only 3 is success")
	}
}

func testInputs(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	script := "/tmp/ingot-" + op.Token(op.Scratch) + "/script.sh"
	data := "/tmp/ingot-" + op.Token(op.Scratch) + ".data"
	bytes := make([]byte, 0, 512)
	for i := range 256 {
		bytes = append(bytes, byte(i))
	}
	s.must(&op.Exec{
		Argv: []string{"/bin/sh", "-c", script + " " + data + " " + s.nonce},
		Inputs: []op.File{
			{Path: script, Mode: 0o755, Blob: op.Text(secret.Plain("#!/bin/sh\nstat -c '%a %s' $0 $1; cksum <$1\n"))},
			{Path: data, Mode: 0o600, Blob: op.Text(secret.Plain(string(bytes)))},
		},
	})
	stdout, _ := s.log.take()
	if got, want := strings.Join(stdout, "; "), "755 43; 600 256; 1313719201 256"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	s.want("ls -d /tmp/ingot-"+s.s.Vars()[op.Scratch].Reveal()+"/script.sh /tmp/ingot-*.data 2>/dev/null || true", "")
}

func testLargeInput(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	const size = 3 << 20
	path := "/tmp/ingot-large-" + op.Token(op.Scratch)
	s.must(&op.Exec{
		Argv:   []string{"/bin/sh", "-c", "wc -c <" + path + " # " + s.nonce},
		Inputs: []op.File{{Path: path, Blob: op.Text(secret.Plain(strings.Repeat("0123456789abcdef", size/16)))}},
	})
	stdout, _ := s.log.take()
	if got := strings.TrimSpace(strings.Join(stdout, "")); got != fmt.Sprint(size) {
		t.Errorf("printed %q, want %d", got, size)
	}
	s.want("ls /tmp/ingot-large-* 2>/dev/null || true", "")
}

func testKeptInputs(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	path := "/tmp/ingot-kept-" + op.Token(op.Scratch)
	s.must(&op.Exec{
		Argv: []string{"/bin/sh", path, s.nonce}, KeepInputs: true,
		Inputs: []op.File{{Path: path, Mode: 0o755, Blob: op.Text(secret.Plain("echo kept"))}},
	})
	kept := "/tmp/ingot-kept-" + s.s.Vars()[op.Scratch].Reveal()
	s.want("cat "+kept+" && rm "+kept, "echo kept")
}

func testSecrets(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	env, input := "env-"+nonce(), "input-"+nonce()
	path := "/tmp/ingot-secret-" + op.Token(op.Scratch)
	s.must(&op.Exec{
		// All command lines that can be seen, split at spaces so that this
		// one does not hold what it looks for.
		Argv:   []string{"/bin/sh", "-c", `test -n "$PASSWORD" && cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' # ` + s.nonce},
		Env:    map[string]secret.String{"PASSWORD": secret.Sensitive(env)},
		Inputs: []op.File{{Path: path, Mode: 0o600, Blob: op.Text(secret.Sensitive(input))}},
	})
	stdout, _ := s.log.take()
	if len(stdout) == 0 {
		t.Error("no process was seen")
	}
	for _, line := range stdout {
		if strings.Contains(line, env) || strings.Contains(line, input) {
			t.Errorf("a secret is in the process list: %q", line)
		}
	}
	s.want("ls /tmp/ingot-secret-* 2>/dev/null || true", "")
	find := "find /tmp /var/tmp -maxdepth 2 -type f -size -64k -exec grep -ls " + env[:9] + "''" + env[9:] + " {} + 2>/dev/null || true"
	if got := s.output(find); got != "" {
		t.Errorf("the secret is left in %s", got)
	}
}

// testCancel checks that a command and its children die when the build is
// cancelled. They are looked for on this host, which can see them all.
func testCancel(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tag := "ingot" + nonce()
	s.log.came = func(line string) {
		if line == "ready" {
			cancel()
		}
	}
	script := fmt.Sprintf("(sh -c 'sleep 1000; : %[1]s' & sh -c 'trap \"\" TERM; sleep 1001; : %[1]s' & wait) & echo ready; wait; : %[1]s", tag)
	err := s.apply(ctx, &op.Exec{
		Argv:   []string{"/bin/sh", "-c", script},
		Inputs: []op.File{{Path: "/tmp/ingot-cancel-" + tag, Blob: op.Text(secret.Plain("x"))}},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled command: %v", err)
	}
	s.close()
	deadline := time.Now().Add(enough)
	for left := processes(tag); len(left) > 0; left = processes(tag) {
		if time.Now().After(deadline) {
			t.Fatalf("still running: %q", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
	again := begin(t, h.New(t))
	again.want("ls /tmp/ingot-cancel-* 2>/dev/null || true", "")
}

// processes returns the command lines on this host that hold tag.
func processes(tag string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), tag) {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}
