package expect

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// shells are those that are here of the ones that machines have.
func shells(t *testing.T) [][]string {
	t.Helper()
	var out [][]string
	for _, argv := range [][]string{{"sh"}, {"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		path, err := exec.LookPath(argv[0])
		if err == nil {
			out = append(out, append([]string{path}, argv[1:]...))
		}
	}
	return out
}

func inShells(t *testing.T, test func(t *testing.T, shell []string)) {
	t.Run("busybox is here", func(t *testing.T) {
		if _, err := exec.LookPath("busybox"); err != nil {
			t.Fatal("install busybox, as make test does: ", err)
		}
	})
	for _, sh := range shells(t) {
		t.Run(filepath.Base(sh[0]), func(t *testing.T) {
			t.Parallel()
			test(t, sh)
		})
	}
}

// look lowers the options, runs the script in a shell and reads what it says.
func look(t *testing.T, shell []string, c *Config) []artifact.Case {
	t.Helper()
	ops, err := c.Lower(provisionertest.Input("/dir"))
	if err != nil {
		t.Fatal(err)
	}
	run := ops[0].(*op.Capture).Run
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), shell[0], append(slices.Clone(shell[1:]), "-c", run.Argv[2])...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if filepath.Base(shell[0]) == "busybox" { // its programs too, as on Alpine
		applets := t.TempDir()
		if out, err := exec.Command(shell[0], "--install", "-s", applets).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd.Env = append(cmd.Env, "PATH="+applets)
	}
	for name, value := range run.Env {
		cmd.Env = append(cmd.Env, name+"="+value.Reveal())
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if len(c.Start) == 0 && errs.Len() > 0 {
		t.Errorf("on stderr: %s", errs.String())
	}
	if err := os.WriteFile(filepath.Join(dir, file), out, 0o600); err != nil {
		t.Fatal(err)
	}
	cases, err := c.Cases(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// text is the cases as one text: "+" is met, "-" is not.
func text(cases []artifact.Case) string {
	var b strings.Builder
	for _, c := range cases {
		mark := "-"
		if c.Passed {
			mark = "+"
		}
		fmt.Fprintf(&b, "%s %s", mark, c.Name)
		if c.Detail != "" {
			b.WriteString(": " + c.Detail)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	c.Within = 0
	change(c)
	return c
}

func texts(list ...string) []secret.String {
	var out []secret.String
	for _, t := range list {
		out = append(out, secret.Plain(t))
	}
	return out
}

var no, sixteen = false, 16

var rw = regexp.MustCompile(`it is rw,\S+`)

const wantLook = `+ file DIR/a b'c\nd exists
+ file DIR/a b'c\nd is a file
+ file DIR/a b'c\nd mode 4640
+ file DIR/a b'c\nd owner ME
+ file DIR/a b'c\nd group GID
+ file DIR/a b'c\nd contains with 'quotes' and $HOME
+ file DIR/a b'c\nd contains /^first .*e$/
- file DIR/a b'c\nd contains /^line/: no line has it
+ file DIR/a b'c\nd sha256 DIGEST
+ file DIR/link exists
+ file DIR/link is a symlink
- file DIR/link mode 0640: it is 4640
+ file DIR/link linked to a b'c\nd
+ file DIR exists
+ file DIR is a directory
- file DIR contains x: it is no file
- file DIR/none exists: it is not there
- file DIR/none mode 0600: it is not there
+ file DIR/none not exists
- file DIR not exists: it is
+ kernel parameter kernel.ostype = Linux
- kernel parameter kernel/ostype = Minix: it is Linux
- kernel parameter no.such = 1: there is no /proc/sys/no/such
+ mount /proc exists
+ mount /proc filesystem proc
+ mount /proc option rw
- mount /proc option nonsense: it is OPTIONS
+ mount /no such not exists
- mount /no such exists: nothing is mounted there
+ process no-such-process-of-a-long-name not running
- process no-such running: there is none
+ command echo out; echo err >&2; exit 3 exit status 3
+ command echo out; echo err >&2; exit 3 prints ou
+ command echo out; echo err >&2; exit 3 prints /^out$/
- command echo out; echo err >&2; exit 3 prints other: it printed: out
+ command echo out; echo err >&2; exit 3 prints as error err
+ command prints exit status 0
+ command prints prints b\nc
- command prints prints as error x: it printed nothing
- command exec sleep 20 exit status 0: it was not done after 1s
`

// TestLook looks at this host.
func TestLook(t *testing.T) {
	t.Parallel()
	inShells(t, func(t *testing.T, shell []string) {
		dir := t.TempDir()
		name := filepath.Join(dir, "a b'c\nd")
		const content = "first line\nwith 'quotes' and $HOME\n"
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
		if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o640|os.ModeSetuid); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, "link")
		if err := os.Symlink(filepath.Base(name), link); err != nil {
			t.Fatal(err)
		}
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		c := config(func(c *Config) {
			c.File = []File{
				{File: name, Filetype: "file", Mode: "4640", Owner: me.Username, Group: me.Gid, Contains: texts("with 'quotes' and $HOME", "/^first .*e$/", "/^line/"),
					Sha256: sum},
				{File: link, Filetype: "symlink", LinkedTo: filepath.Base(name), Mode: "0640"},
				{File: dir, Filetype: "directory", Contains: texts("x")},
				{File: filepath.Join(dir, "none"), Mode: "0600"},
				{File: filepath.Join(dir, "none"), Exists: &no}, {File: dir, Exists: &no},
			}
			c.Command = []Command{
				{Command: "echo out; echo err >&2; exit 3", ExitStatus: 3, Stdout: texts("ou", "/^out$/", "other"), Stderr: texts("err")},
				{Command: "prints", Exec: secret.Plain("printf 'a\\tb\\nc'"), Stdout: texts("b\nc"), Stderr: texts("x")},
				{Command: "exec sleep 20", Timeout: time.Second},
			}
			c.KernelParam = []KernelParam{{"kernel.ostype", "Linux"}, {"kernel/ostype", "Minix"}, {"no.such", "1"}}
			c.Mount = []Mount{{Mount: "/proc", Filesystem: "proc", Options: []string{"rw", "nonsense"}}, {Mount: "/no such", Exists: &no}, {Mount: "/no such"}}
			c.Process = []Process{{Process: "no-such-process-of-a-long-name", Running: &no}, {Process: "no-such"}}
		})
		got := strings.NewReplacer(dir, "DIR", me.Username, "ME", "group "+me.Gid, "group GID", sum, "DIGEST", "after 1s: Terminated", "after 1s").Replace(text(look(t, shell, c)))
		got = rw.ReplaceAllString(got, "it is OPTIONS")
		if got != wantLook {
			t.Errorf("got\n%s\nwant\n%s", got, wantLook)
		}
	})
}

// TestAccounts looks at the accounts that every system has.
func TestAccounts(t *testing.T) {
	t.Parallel()
	inShells(t, func(t *testing.T, shell []string) {
		zero := 0
		got := text(look(t, shell, config(func(c *Config) {
			c.Account = []Account{{Name: "root", UID: &zero, GID: &sixteen, Home: "/root", Groups: []string{"root", "wheels"}, Shell: "/bin/none"},
				{Name: "nobody-of-that-name", Exists: &no}, {Name: "nobody-of-that-name", UID: &zero}, {Name: "root", Exists: &no}}
			c.Group = []Group{{Group: "root", GID: &zero}, {Group: "root", GID: &sixteen}, {Group: "none-of-that-name"}}
		})))
		for _, want := range []string{
			"+ user root exists\n+ user root uid 0\n- user root gid 16: it is 0\n- user root in group wheels: it is in", "+ user root in group root", "+ user root home /root",
			"- user root shell /bin/none: it is /", "+ user nobody-of-that-name not exists\n- user nobody-of-that-name exists: there is none\n- user nobody-of-that-name uid 0: there is none",
			"- user root not exists: it is\n", "+ group root exists\n+ group root gid 0\n", "- group root gid 16: it is 0", "- group none-of-that-name exists: there is none",
		} {
			if !strings.Contains(strings.ReplaceAll(got, "+ user root in group root\n", "")+"+ user root in group root\n", want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
	})
}

// TestPorts looks at real ones.
func TestPorts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	_, udp, _ := net.SplitHostPort(u.LocalAddr().String())
	inShells(t, func(t *testing.T, shell []string) {
		got := text(look(t, shell, config(func(c *Config) {
			c.Port = []Port{{Port: port}, {Port: "tcp4:" + port, Addresses: []string{"127.0.0.1", "0.0.0.0"}}, {Port: "tcp6:" + port},
				{Port: "udp:" + udp, Addresses: []string{"127.0.0.1"}}, {Port: "udp:" + udp, Listening: &no}, {Port: "tcp:1", Listening: &no}}
		})))
		want := strings.NewReplacer("PORT", port, "UDP", udp).Replace(`+ port tcp:PORT listening
+ port tcp4:PORT listening at 127.0.0.1
- port tcp4:PORT listening at 0.0.0.0: only other addresses are listened at
- port tcp6:PORT listening: nothing listens there
+ port udp:UDP listening at 127.0.0.1
- port udp:UDP not listening: it is
+ port tcp:1 not listening
`)
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// TestWithin waits for what comes up, and ends what was started.
func TestWithin(t *testing.T) {
	t.Parallel()
	inShells(t, func(t *testing.T, shell []string) {
		name := filepath.Join(t.TempDir(), "up")
		c := config(func(c *Config) {
			c.Within = time.Minute
			c.Start = texts("sleep 1; echo up >" + name + "; exec sleep 30")
			c.Command = []Command{{Command: "test -e " + name}}
		})
		if got := text(look(t, shell, c)); !strings.HasPrefix(got, "+ ") {
			t.Error(got)
		}
		c.Within, c.Command = 0, []Command{{Command: "false"}}
		if got := text(look(t, shell, c)); !strings.HasSuffix(got, "exit status 0: it is 1\n") {
			t.Error(got)
		}
	})
}
