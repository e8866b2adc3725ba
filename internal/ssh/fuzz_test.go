package ssh

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// FuzzScript feeds the script of a step to the shell of this host: whatever
// the texts are, they must arrive as they are, and the input must be removed.
func FuzzScript(f *testing.F) {
	for _, s := range []string{"", "plain", "it's", "a\nb\n", `\'"$HOME` + "`id`", "-n", "%s%d", "\x80\x81\x88\xff", "fail:x", "})\n}\n"} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, arg, env, input string) {
		if strings.ContainsRune(arg+env, 0) || len(arg)+len(env) > 50<<10 || len(input) > 100<<10 {
			t.Skip() // what no command can be given
		}
		path := filepath.Join(t.TempDir(), "input")
		e := &op.Exec{
			Argv:   []string{"/bin/sh", "-c", `printf '%s|' "$1" "$E"; cat "$2"; exit 3`, "sh", arg, path},
			Env:    map[string]secret.String{"E": secret.Plain(env)},
			Inputs: []op.File{{Path: path, Mode: 0o755, Blob: op.Text(secret.Plain(input))}},
		}
		inline, err := inlines(e.Inputs[0])
		if err != nil {
			t.Fatal(err)
		}
		if !inline {
			return
		}
		text, err := script{mark: mark(), exec: e, inline: e.Inputs}.text()
		if err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		go func() { _, _ = w.WriteString(text) }()
		defer w.Close() // its end would kill the command
		cmd := exec.Command("setsid", "--wait", "/bin/sh")
		cmd.Stdin = r
		got, err := cmd.Output()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3 {
			t.Fatalf("it ended with %v", err)
		}
		if want := arg + "|" + env + "|" + input; string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Error("the input is left behind")
		}
	})
}

// FuzzUnpack unpacks what a machine may send.
func FuzzUnpack(f *testing.F) {
	for _, h := range []tar.Header{
		{Name: "./a", Typeflag: tar.TypeReg}, {Name: "../a", Typeflag: tar.TypeReg}, {Name: "/a", Typeflag: tar.TypeReg},
		{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o555}, {Name: "l", Linkname: "/", Typeflag: tar.TypeSymlink},
		{Name: "h", Linkname: "../../etc/passwd", Typeflag: tar.TypeLink}, {Name: "x", Typeflag: tar.TypeFifo},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range []tar.Header{h, {Name: h.Name + "/below", Typeflag: tar.TypeReg}, h} {
			if err := w.WriteHeader(&h); err != nil {
				f.Fatal(err)
			}
		}
		w.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		outside := t.TempDir()
		dir := filepath.Join(outside, "inside")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		_ = unpackTree(root, bytes.NewReader(stream))
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
			t.Errorf("written outside of the destination: %v, %v", entries, err)
		}
	})
}

// FuzzSaid reads what a machine may print.
func FuzzSaid(f *testing.F) {
	const mark = "ingot-X:"
	f.Add("on:\nx\nfail:y\n")
	f.Add(mark + "on:1\n" + mark + "fail:x")
	f.Fuzz(func(t *testing.T, text string) {
		var said []string
		w := &watcher{mark: mark, out: func(line string, _ bool) { said = append(said, line) }}
		w.mu.Lock()
		for _, line := range strings.Split(text, "\n") {
			w.line(line, true)
		}
		w.mu.Unlock()
		was, failure := w.end()
		if !strings.Contains(text, mark) && (was.started || failure != "" || strings.Join(said, "\n") != text) {
			t.Errorf("%q was taken for words of the script", text)
		}
		for _, line := range said {
			if strings.HasPrefix(line, mark) {
				t.Errorf("%q was shown", line)
			}
		}
	})
}
