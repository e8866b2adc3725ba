package lang

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/secret"
)

// A template that can't be read has one clear error, in little memory.
func TestBadInput(t *testing.T) {
	line := "  l = \"" + strings.Repeat("x", 90) + "\" # a comment\n"
	for name, tc := range map[string]struct {
		file, src, want string
	}{
		"too large":         {"a.pkr.hcl", strings.Repeat("#", largest+1), "It is not a file of at most"},
		"too large as JSON": {"a.pkr.json", `{"a": "` + strings.Repeat("x", largest) + `"}`, "It is not a file of at most"},
		"large":             {"a.pkr.hcl", "locals {\n" + strings.Repeat(line, (largest-20)/len(line)) + "}\n", "Attribute redefined"},
		"large lists":       {"a.pkr.hcl", "locals {\n l = [" + strings.Repeat("1,", (largest-40)/2) + "]\n}\n", "Too much for a template"},
		"fewer in lists":    {"a.pkr.hcl", "locals {\n l = [" + strings.Repeat("1,", mostMade-10) + "]\n}\n", "has more than 262144 elements"},
		"large text":        {"a.pkr.hcl", "locals {\n l = \"" + strings.Repeat("x", largest-40) + "\"\n x = nothing.y\n}\n", "There is no variable named"},
		"nested blocks":     {"a.pkr.hcl", strings.Repeat("locals {\n", 10_000) + strings.Repeat("}\n", 10_000), "Nested too deep"},
		"nested lists":      {"a.pkr.hcl", "locals {\n l = " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "\n}", "Nested too deep"},
		"nested templates":  {"a.pkr.hcl", "locals {\n l = " + strings.Repeat(`"${`, 10_000) + strings.Repeat(`}"`, 10_000) + "\n}", "Nested too deep"},
		"nested, unclosed":  {"a.pkr.hcl", "locals {\n l = " + strings.Repeat("(", 100_000), "Nested too deep"},
		"nested JSON":       {"a.pkr.json", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), "Nested too deep"},
		"nested in JSON":    {"a.pkr.json", `{"locals": {"a": "${` + strings.Repeat("(", 10_000) + strings.Repeat(")", 10_000) + `}"}}`, "Nested too deep"},
		"not UTF-8":         {"a.pkr.hcl", "locals {\n a = \"\xff\"\n}", "Byte 15 of the file, in line 2, is not UTF-8 text."},
		"a binary":          {"a.pkr.hcl", "\x7fELF\x02\x01\x01\x00\x00\xfe", "is not UTF-8"},
		"null bytes":        {"a.pkr.hcl", "locals {\n a = \x00\n}", "Invalid"},
		"an empty folder":   {"README.md", "x", "The folder has no file whose name ends in .pkr.hcl, .pkr.json or .ingot.hcl."},
		"a name to draw":    {"a.pkr.hcl", "source \"null\" \"a\" {}\nbuild {\n name = \"a\\u001b[2J\"\n sources = [\"null.a\"]\n}", "Wrong name of a build"},
		"broken JSON":       {"a.pkr.json", `{"locals": {"a": }`, "Missing JSON value"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, tc.file, tc.src)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			tpl, diags := Load(Options{Path: dir, Now: now, Version: "1.16.0", Secrets: &secret.Set{}})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%v, %d MB", took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20)
			got := shown(tpl, diags)
			if len(got) > 1000 {
				got = got[:1000] + "…"
			}
			if !diags.HasErrors() || !strings.Contains(got, tc.want) || len(diags) > 2 {
				t.Errorf("%d diagnostics: %s", len(diags), got)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<30 {
				t.Errorf("it took %d MB", used>>20)
			}
		})
	}
}

// A folder that may not be read, and files that are none.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "x.pkr.hcl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "y.pkr.hcl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "z.pkr.hcl")); err != nil {
		t.Fatal(err)
	}
	tpl, diags := Load(Options{Path: dir, Now: now, Secrets: &secret.Set{}})
	got := shown(tpl, diags)
	for _, want := range []string{"y.pkr.hcl\n\nNo such file or directory.", "z.pkr.hcl\n\nIt is not a file of at most"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if os.Geteuid() == 0 {
		return // root may read what it likes: the script lang-files tries it as another user
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	if _, diags := Load(Options{Path: closed, Now: now, Secrets: &secret.Set{}}); !strings.Contains(shown(nil, diags), "Permission denied.") {
		t.Error(shown(nil, diags))
	}
}
