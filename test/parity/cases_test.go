package parity

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/file"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
	"github.com/ingot-build/ingot/provisioners/shell"
)

type parityCase struct {
	name  string
	root  bool   // needs root on the machine
	want  string // a part of the tree, so that two empty trees are no success
	steps func(t *testing.T, root string) [][]op.Op
}

func cases() []parityCase {
	return []parityCase{
		{"commands", false, "made f 644", commands},
		{"exit codes", false, "three f", exitCodes},
		{"inputs", false, "saw f", inputs},
		{"secrets", false, "kept f", secrets},
		{"files", false, "a b/it's \"ü\" $x f 640", files},
		{"owners", true, "54321:54322", owners},
		{"trees", false, "tree/deep/er/file f 600", trees},
		{"tree over tree", false, "d/new f", treeOverTree},
		{"users", true, "theirs f 644 65534:", users},
		{"shell", false, "script f", shellProvisioner},
		{"file", false, "named/site/page f", fileProvisioner},
	}
}

func sh(script string, args ...string) *op.Exec {
	return &op.Exec{Argv: append([]string{"/bin/sh", "-ec", script, "sh"}, args...)}
}

func put(path string, mode os.FileMode, text string) *op.Put {
	return &op.Put{File: op.File{Path: path, Mode: mode, Blob: op.Text(secret.Plain(text))}}
}

func commands(_ *testing.T, root string) [][]op.Op {
	quoted := sh(`mkdir -p "$1"; cd "$1"; printf '%s|' "$@" "$PLAIN" "$HARD" "$EMPTY" >made; cat made; pwd; umask`,
		root, "two words", `quo'te "x" \ $HOME`, "", "li\nne", "*", "ü")
	quoted.Env = map[string]secret.String{
		"PLAIN": secret.Plain("v"), "HARD": secret.Plain("a 'b' \"c\" $d `e` \\ \n ü"), "EMPTY": secret.Plain(""),
	}
	inDir := sh(`pwd; echo here >relative`)
	inDir.Dir = root
	return [][]op.Op{
		{quoted},
		{inDir},
		{sh(`echo to stderr >&2; printf 'no newline'; printf '\n\nblank\n'; printf 'crlf\r\n'`)},
		{sh(`cat; echo "stdin is empty"; [ -t 0 ] || echo "and no terminal"`)},
	}
}

func exitCodes(_ *testing.T, root string) [][]op.Op {
	three := sh(`mkdir -p "$1"; touch "$1/three"; exit 3`, root)
	three.OK = []int{0, 3}
	none := sh(`exit 0`)
	none.OK = []int{5}
	return [][]op.Op{
		{three},
		{sh(`exit 7`)},
		{none},
		{&op.Exec{Argv: []string{"/bin/sh", "-c", "/bin/sh -c 'kill -TERM $$'; exit $?"}, OK: []int{143}}},
		{sh(`echo "goes on" >"$1/after"`, root)},
	}
}

func inputs(_ *testing.T, root string) [][]op.Op {
	script := "/tmp/parity-" + op.Token(op.Scratch) + "/script.sh"
	body := "#!/bin/sh -e\nmkdir -p \"$1\"\necho seen \"$(stat -c %a \"$0\")\" >\"$1/saw\"\necho more >>\"$0\"\n"
	run := &op.Exec{Argv: []string{script, root}, Inputs: []op.File{
		{Path: script, Mode: 0o755, Blob: op.Text(secret.Plain(body))},
		{Path: script + ".data", Mode: 0o600, Blob: op.Text(secret.Plain(strings.Repeat("data\n", 100000)))},
	}}
	kept := &op.Exec{Argv: []string{"cat", root + "/input"}, KeepInputs: true, Inputs: []op.File{
		{Path: root + "/input", Mode: 0o640, Blob: op.Text(secret.Plain("kept\n"))},
	}}
	return [][]op.Op{
		{run},
		{sh(`test ! -e "$1"; test ! -e "$1.data"; echo gone`, script)},
		{kept},
	}
}

func secrets(_ *testing.T, root string) [][]op.Op {
	e := sh(`mkdir -p "$1"; printf %s "$TOKEN" | sha256sum; printf %s "$TOKEN" >"$1/kept"; chmod 600 "$1/kept"`, root)
	e.Env = map[string]secret.String{"TOKEN": secret.Sensitive("a 'secret'\nof two lines $x")}
	script := &op.Exec{Argv: []string{"/bin/sh", "/tmp/secret.sh", root}, Inputs: []op.File{
		{Path: "/tmp/secret.sh", Mode: 0o700, Blob: op.Text(secret.Sensitive("echo from a file >\"$1/file\"; stat -L -c %a \"$0\""))},
	}}
	return [][]op.Op{{e}, {script}, {&op.Put{File: op.File{Path: root + "/put", Mode: 0o600, Blob: op.Text(secret.Sensitive("put"))}}}}
}

func files(t *testing.T, root string) [][]op.Op {
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, bytes.Repeat([]byte("0123456789abcdef"), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	blob, err := op.FileBlob(large)
	if err != nil {
		t.Fatal(err)
	}
	return [][]op.Op{
		{put(root+"/made/by/put", 0, "text\n")},
		{put(root+`/a b/it's "ü" $x`, 0o640, "odd name")},
		{put(root+"/empty", 0o755, "")},
		{&op.Put{File: op.File{Path: root + "/large", Mode: 0o444, Blob: blob}}},
		// Over what is there: a file, a link to a file, a link to nowhere.
		{sh(`cd "$1"; echo old >file; chmod 700 file; echo target >target; ln -s target link; ln -s nowhere dangling`, root)},
		{put(root+"/file", 0o600, "new")},
		{put(root+"/link", 0o644, "through")},
		{sh(`cd "$1"; cat file link target`, root)},
		{put(root+"/large", 0o600, "small now")},
	}
}

func owners(_ *testing.T, root string) [][]op.Op {
	numbers := put(root+"/numbers", 0o600, "x")
	numbers.File.Owner = "54321:54322"
	names := put(root+"/names", 0o640, "x")
	names.File.Owner = "nobody:mail"
	taken := put(root+"/names", 0o644, "now another's")
	taken.File.Owner = "daemon:daemon"
	return [][]op.Op{{sh(`mkdir -p "$1"`, root)}, {numbers}, {names}, {sh(`stat -c %U:%G "$1/names"`, root)}, {taken}}
}

// makeTree makes a folder with all that a tree can hold.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"page": 0o644, "run.sh": 0o755, "deep/er/file": 0o600, "read only": 0o444, "ü ' \"": 0o664} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "empty"), 0o755), os.Mkdir(filepath.Join(dir, "private"), 0o700),
		os.Chmod(filepath.Join(dir, "deep"), 0o750), os.Chmod(filepath.Join(dir, "run.sh"), 0o755|os.ModeSetuid),
		os.Symlink("page", filepath.Join(dir, "link")), os.Symlink("../nowhere", filepath.Join(dir, "deep", "dangling")),
		os.Symlink("deep/er", filepath.Join(dir, "linkdir")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tree(t *testing.T, dir, source string) *op.Tree {
	t.Helper()
	o, err := op.DirTree(dir, source)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func trees(t *testing.T, root string) [][]op.Op {
	return [][]op.Op{
		{tree(t, root+"/tree", makeTree(t))},
		{sh(`cat "$1/tree/link" "$1/tree/linkdir/file"`, root)},
		{tree(t, root+"/none/there", t.TempDir())},
	}
}

func treeOverTree(t *testing.T, root string) [][]op.Op {
	over := t.TempDir()
	for name, text := range map[string]string{"d/new": "new", "d/both": "theirs", "link": "a file now"} {
		path := filepath.Join(over, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("d/new", filepath.Join(over, "was-file")); err != nil {
		t.Fatal(err)
	}
	return [][]op.Op{
		{sh(`mkdir -p "$1/d/mine"; cd "$1"; echo mine >d/both; chmod 600 d/both; echo old >d/only; echo old >target; ln -s target link; echo old >was-file; chmod 711 d`, root)},
		{tree(t, root, over)},
		{sh(`cat "$1/target" "$1/was-file"`, root)},
	}
}

func users(_ *testing.T, root string) [][]op.Op {
	as := &op.Exec{Argv: []string{"/bin/sh", "-ec", `id -un; echo x >"$1/theirs"; echo "$NAME"`, "sh", root}, User: "nobody",
		Env: map[string]secret.String{"NAME": secret.Plain("value")}}
	return [][]op.Op{{sh(`mkdir -p "$1"; chmod 777 "$1"; d=$1; while [ "$d" != / ]; do chmod o+x "$d"; d=$(dirname "$d"); done`, root)}, {as}}
}

func lower(t *testing.T, p provisioners.Provisioner, dir string) []op.Op {
	t.Helper()
	ops, err := p.Lower(provisioners.Input{BuildName: "web", BuilderType: "parity", Dir: dir,
		Render: func(text string, data map[string]string) (string, error) {
			for name, value := range data {
				text = strings.ReplaceAll(text, "{{."+name+"}}", value)
			}
			return text, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

func newShell(change func(c *shell.Config)) *shell.Config {
	c := shell.Definition().New().(*shell.Config)
	change(c)
	return c
}

func shellProvisioner(t *testing.T, root string) [][]op.Op {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "script.sh"), []byte("#!/bin/sh\r\necho \"$NAME of $PACKER_BUILD_NAME\" >\"$ROOT/script\"\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := provisionertest.Plain("NAME=it's \"me\" $x", "ROOT="+root)
	return [][]op.Op{
		lower(t, newShell(func(c *shell.Config) {
			c.Inline, c.EnvironmentVars = provisionertest.Plain(`mkdir -p "$ROOT"`, `echo "$NAME" >"$ROOT/inline"`, `echo "$NAME"`), env
		}), dir),
		lower(t, newShell(func(c *shell.Config) { c.Script, c.EnvironmentVars = "script.sh", env }), dir),
		lower(t, newShell(func(c *shell.Config) {
			c.Script, c.EnvironmentVars, c.UseEnvVarFile = "script.sh", provisionertest.Plain("NAME=in a file", "ROOT="+root), true
		}), dir),
		lower(t, newShell(func(c *shell.Config) {
			c.Inline, c.EnvironmentVars = provisionertest.Plain(`echo "$NAME" >>"$ROOT/inline"`), env
			c.ExecuteCommand = secret.Plain("echo before; env {{.Vars}} /bin/sh -x {{.Path}}; echo after")
		}), dir),
		lower(t, newShell(func(c *shell.Config) {
			c.Inline, c.RemotePath, c.SkipClean = provisionertest.Plain("echo kept"), root+"/kept.sh", true
		}), dir),
		lower(t, newShell(func(c *shell.Config) { c.Inline, c.ValidExitCodes = provisionertest.Plain("exit 9"), []int{9} }), dir),
		lower(t, newShell(func(c *shell.Config) { c.Inline = provisionertest.Plain("false", "echo not reached") }), dir),
		{sh(`ls -d "$1"* 2>/dev/null || echo no script is left`, "/tmp/script_"+op.Token(op.Scratch))},
	}
}

func newFile(source, destination string) *file.Config {
	c := file.Definition().New().(*file.Config)
	c.Source, c.Destination = source, destination
	return c
}

func fileProvisioner(t *testing.T, root string) [][]op.Op {
	dir := t.TempDir()
	for _, err := range []error{
		os.CopyFS(filepath.Join(dir, "site"), os.DirFS(makeTree(t))),
		os.WriteFile(filepath.Join(dir, "one"), []byte("one"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	content := newFile("", root+"/content")
	text := secret.Plain("content\n")
	content.Content = &text
	return [][]op.Op{
		lower(t, newFile("one", root+"/renamed"), dir),
		lower(t, newFile("one", root+"/folder/"), dir),
		lower(t, newFile("site", root+"/named/"), dir),
		lower(t, newFile("site/", root+"/bare"), dir),
		lower(t, newFile("site", root+"/once"), dir),
		lower(t, newFile("site", root+"/once"), dir), // it is there now
		lower(t, content, dir),
	}
}
