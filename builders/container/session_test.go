package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

func script(text string) op.File {
	return op.File{Path: "/tmp/script.sh", Mode: 0o755, Blob: op.Text(secret.Plain(text))}
}

// The whole way: a base, a script that is mounted, an image in the layout.
func TestBuild(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	b.apply(s, &op.Exec{
		Argv:   []string{"/bin/sh", "-ec", "chmod +x /tmp/script.sh; /tmp/script.sh argument"},
		Env:    map[string]secret.String{"NAME": secret.Plain("ingot")},
		Inputs: []op.File{script("#!/bin/sh -e\necho hello $NAME $1\necho made > /made\n")},
	})
	if !b.has("hello ingot argument") {
		t.Errorf("output: %q", b.output())
	}
	b.apply(s, sh("test -f /made && ! test -e /tmp/script.sh"))
	if s.(builders.CacheReporter).LastStep().Cached {
		t.Error("a step that was run is reported as cached")
	}
	a, err := s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.Image == nil || a.ID != a.Image.Digest || a.Image.Layout != b.host.Layout {
		t.Errorf("artifact: %+v, %+v", a, a.Image)
	}
	if ok, err := b.builder.Exists(t.Context(), a); !ok || err != nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
	if entries, _ := os.ReadDir(b.host.Layout); len(entries) != 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if entries, _ = os.ReadDir(b.host.Layout); len(entries) != 2 {
			t.Errorf("in the layout: %v", entries)
		}
	}
}

// Building again runs nothing and makes the same image.
func TestRebuild(t *testing.T) {
	t.Parallel()
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "file"), []byte("rebuild"), 0o644); err != nil {
		t.Fatal(err)
	}
	build := func(force bool) (string, []bool, *bench) {
		b := newBench(t, nil)
		s := b.begin()
		if force {
			s.(builders.Forcer).Force()
		}
		dir, err := op.DirTree("/srv/rebuild", tree)
		if err != nil {
			t.Fatal(err)
		}
		var cached []bool
		for _, o := range []op.Op{
			&op.Exec{Argv: []string{"/tmp/script.sh"}, Inputs: []op.File{script("#!/bin/sh\necho rebuilding > /rebuilt\ndate +%N > /when")}},
			&op.Put{File: op.File{Path: "/etc/rebuild", Blob: op.Text(secret.Plain("rebuild"))}},
			dir,
			sh("echo last"),
		} {
			b.apply(s, o)
			cached = append(cached, s.(builders.CacheReporter).LastStep().Cached)
		}
		a, err := s.Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return a.ID, cached, b
	}
	first, cached, _ := build(false)
	if slices.Contains(cached, true) {
		t.Errorf("the first build was cached: %v", cached)
	}
	second, cached, b := build(false)
	if slices.Contains(cached, false) || b.has("last") {
		t.Errorf("the second build was not cached: %v", cached)
	}
	if first != second {
		t.Errorf("built again: %s, then %s", first, second)
	}
	third, cached, b := build(true)
	if slices.Contains(cached, true) || !b.has("last") {
		t.Errorf("the forced build was cached: %v", cached)
	}
	if third == first {
		t.Error("a forced build made the old image")
	}
}

// A step that always runs does so, and what follows it too.
func TestFresh(t *testing.T) {
	t.Parallel()
	run := func(fresh bool) (cached []bool) {
		b := newBench(t, nil)
		s := b.begin()
		for i, script := range []string{"echo fresh > /a", "cat /proc/uptime > /b", "cp /b /c"} {
			err := s.Apply(t.Context(), builders.Step{Name: "shell", Ops: []op.Op{sh(script)}, Fresh: fresh && i == 1})
			if err != nil {
				t.Fatal(err)
			}
			cached = append(cached, s.(builders.CacheReporter).LastStep().Cached)
		}
		b.apply(s, sh("cmp /b /c"))
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return cached
	}
	run(false)
	if got := run(true); !slices.Equal(got, []bool{true, false, false}) {
		t.Errorf("cached: %v", got)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	err := try(t, s, sh("echo before; exit 3"))
	var exit *builders.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || exit.Error() != "/bin/sh -c echo before; exit 3: exit code 3" {
		t.Fatalf("got %v", err)
	}
	if !b.has("before") {
		t.Errorf("output: %q", b.output())
	}
	b.apply(s, &op.Exec{Argv: []string{"/bin/sh", "-c", "exit 3"}, OK: []int{0, 3}})
	b.apply(s, sh("echo after; printf 'no newline'"))
	if !b.has("after") || !b.has("no newline") {
		t.Errorf("output: %q", b.output())
	}
	if err := try(t, s, &op.Exec{Argv: []string{"/no/such/program"}}); err == nil || strings.Contains(err.Error(), "failed to") {
		t.Errorf("a missing program: %v", err)
	}
	if err := try(t, s, &op.Exec{Argv: []string{"true"}, User: "nobody-here"}); err == nil || strings.Contains(err.Error(), "failed to") {
		t.Errorf("a missing user: %v", err)
	}
}

// A step that failed can be tried again: it runs again.
func TestRetry(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	b.apply(s, sh("echo ready > /ready"))
	flag := filepath.Join(t.TempDir(), "flag")
	step := sh("echo trying; date +%N; test -e /proc/1/root; exit 4")
	for range 2 {
		if err := try(t, s, step); err == nil {
			t.Fatal("it did not fail")
		}
	}
	n := 0
	for _, l := range b.output() {
		if l == "trying" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("it ran %d times (%s)", n, flag)
	}
	b.apply(s, sh("cat /ready"))
}

// A cancelled step ends its command, and the session can be closed.
func TestCancel(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel)
	err := s.Apply(ctx, builders.Step{Name: "shell", Ops: []op.Op{sh("echo started; sleep 987654")}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(20 * time.Second); running("987654"); {
		select {
		case <-deadline:
			t.Fatal("the command is still running")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// running reports whether a process has the word among its arguments.
func running(word string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil && slices.Contains(strings.Split(string(text), "\x00"), word) {
			return true
		}
	}
	return false
}

// Sessions side by side do not get each other's files.
func TestTogether(t *testing.T) {
	t.Parallel()
	needDebian(t)
	for _, name := range []string{"one", "two", "three"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			s := b.begin()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "who"), []byte(name+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			tree, err := op.DirTree("/srv", dir)
			if err != nil {
				t.Fatal(err)
			}
			b.apply(s, tree, sh("cat /srv/who"))
			if got := b.output(); !slices.Equal(got, []string{name}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestHostOps(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	out := filepath.Join(t.TempDir(), "out")
	b.apply(s,
		sh("mkdir -p /data/sub; echo one > /data/one; echo two > /data/sub/two; chmod 600 /data/one; ln -s one /data/link"),
		&op.Get{Path: "/data/one", Local: filepath.Join(out, "single")},
		&op.Get{Path: "/data/", Local: filepath.Join(out, "folder")},
		&op.Local{Argv: []string{"cat", filepath.Join(out, "folder/sub/two")}},
		&op.Pause{For: time.Millisecond},
	)
	text, err := os.ReadFile(filepath.Join(out, "single"))
	if err != nil || string(text) != "one\n" {
		t.Errorf("%q, %v", text, err)
	}
	st, err := os.Stat(filepath.Join(out, "folder/one"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	if to, err := os.Readlink(filepath.Join(out, "folder/link")); err != nil || to != "one" {
		t.Errorf("%q, %v", to, err)
	}
	if !b.has("two") {
		t.Errorf("output: %q", b.output())
	}
	if err := try(t, s, &op.Get{Path: "/no/such", Local: out}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}
