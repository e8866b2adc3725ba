package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// sshScript runs a command of the host that works on the container with ssh.
func sshScript(t *testing.T, lines ...string) *op.Local {
	t.Helper()
	const login = `set -e
opts="-F none -o BatchMode=yes -o UserKnownHostsFile=KNOWN -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -i KEY -p PORT -l USER"
on() { ssh $opts HOST "$@"; }
`
	text := strings.NewReplacer("KNOWN", op.Token(op.ConnKnownHosts), "KEY", op.Token(op.ConnKey), "PORT", op.Token(op.ConnPort),
		"USER", op.Token(op.ConnUser), "HOST", op.Token(op.ConnHost)).Replace(login + strings.Join(lines, "\n") + "\n")
	return &op.Local{
		Argv: []string{"/bin/sh", op.Token(op.LocalDir) + "/run"}, Title: "the play", Dir: t.TempDir(),
		Inputs:     []op.File{{Path: op.Token(op.LocalDir) + "/run", Mode: 0o700, Blob: op.Text(secret.Plain(text))}},
		Connection: &op.Connection{Route: op.RouteAuto},
	}
}

func applyAs(t *testing.T, s builders.Session, k key.Key, o op.Op) error {
	t.Helper()
	return s.Apply(t.Context(), builders.Step{Name: "ansible", Key: k, Where: "t.pkr.hcl:1", Ops: op.Bind([]op.Op{o}, s.Vars())})
}

// A program of the host works on the container by ssh and sftp. What it did is
// in the image, what it worked through is not, and the next build takes it from
// the cache.
func TestConnected(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	k := key.New("test").String(t.TempDir()).Sum()
	o := sshScript(t,
		`touch "`+b.host.Dir+`/ran"`,
		`on 'echo made >/made; echo $LOGNAME in $PWD; env | grep -c SSH_AUTH_SOCK || true'`,
		`on 'read -r line; echo "read $line"' <<EOF`, "a line", "EOF",
		`on 'echo to stderr >&2; exit 3' || echo "exit code $?"`,
		`on 'kill -s KILL $$' || echo "killed $?"`,
		`ssh -tt $opts HOST 'stty size; test -t 0 && echo a terminal' </dev/null`,
		`head -c 3000000 /dev/zero | tr '\0' x >big; echo 'put big /big' | sftp -F none -b - -P PORT $(echo "$opts" | sed 's/-p [0-9]* -l [a-z]*//') USER@HOST`,
		`on 'wc -c </big'`,
	)
	text := strings.NewReplacer("HOST", op.Token(op.ConnHost), "USER@", op.Token(op.ConnUser)+"@", "-P PORT", "-P "+op.Token(op.ConnPort)).
		Replace(read1(t, o.Inputs[0].Blob))
	o.Inputs[0].Blob = op.Text(secret.Plain(text))
	s := b.begin()
	if err := applyAs(t, s, k, o); err != nil {
		t.Fatal(err, b.output())
	}
	for _, want := range []string{"root in /root", "0", "read a line", "to stderr", "exit code 3", "killed 255", "a terminal", "3000000"} {
		if !b.has(want) {
			t.Errorf("no %q in %q", want, b.output())
		}
	}
	b.apply(s, sh("cat /made; ls -A /dev/ingot 2>/dev/null | sed 's/^/left /'; ls / | sed 's/^ingot/left/'"))
	if b.has("left") || !b.has("made") {
		t.Errorf("%q", b.output())
	}
	if s.(*buildSession).last.Cached {
		t.Error("the first time is from the cache")
	}
	ran := filepath.Join(b.host.Dir, "ran")
	if err := os.Remove(ran); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := b.begin()
	if err := applyAs(t, again, k, o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ran); err == nil || !again.(*buildSession).last.Cached {
		t.Errorf("it ran again: %v, cached %t", err, again.(*buildSession).last.Cached)
	}
	b.apply(again, sh("cat /made"))
}

func read1(t *testing.T, blob op.Blob) string {
	t.Helper()
	data, err := read(blob)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A program that fails fails the step with its own exit code, and leaves
// nothing of what it did.
func TestConnectedFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.ExecUser = "nobody" })
	s := b.begin()
	k := key.New("test").String(t.TempDir()).Sum()
	err := applyAs(t, s, k, sshScript(t, "on 'id -un; echo half >/tmp/half'", "exit 7"))
	var exit *builders.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Command != "the play" {
		t.Fatalf("%v", err)
	}
	if !b.has("nobody") {
		t.Errorf("%q", b.output())
	}
	missing := sshScript(t, "true")
	missing.Argv = []string{"no-such-program"}
	if err := applyAs(t, s, k, missing); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("%v", err)
	}
	b.apply(s, sh("test ! -e /tmp/half"))
}

func TestConnectedElsewhere(t *testing.T) {
	t.Parallel()
	c := debianConfig()
	c.Platform = "linux/s390x"
	builder, err := c.Open(builders.Host{})
	if err != nil {
		t.Fatal(err)
	}
	if err := builder.Supports(op.KindConnected); err == nil || !strings.Contains(builders.Hint(err), "ansible-local") {
		t.Errorf("%v", err)
	}
}
