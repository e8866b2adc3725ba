package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func resourceOf(build, kind string) Resource {
	r := resource(kind, kind)
	r.Build = build
	return r
}

// What is held is not swept before its time, and is afterwards, with what was
// kept to go on with it.
func TestHeld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run")
	intend(t, j, resourceOf("a", "instance"))
	intend(t, j, resourceOf("b", "disk"))
	until := created.Add(4 * time.Hour)
	check(t, j.Hold("a", until), os.MkdirAll(HeldDir(dir, "run", "a"), 0o700))
	if d := cmp.Diff([]Resource{resourceOf("b", "disk")}, j.Left()); d != "" {
		t.Error("left", d)
	}
	check(t, j.Close())

	want := []Held{{Build: "a", Until: until, Resources: []Resource{resourceOf("a", "instance")}}}
	d := dead(t, dir)[0]
	if diff := cmp.Diff(want, d.Held); diff != "" || len(d.Resources) != 1 {
		t.Fatalf("%+v: %s", d, diff)
	}
	check(t, d.Forget(nil))
	d = dead(t, dir)[0]
	if diff := cmp.Diff(want, d.Held); diff != "" || len(d.Resources) != 0 {
		t.Fatalf("after the rest was swept: %+v: %s", d, diff)
	}
	list, err := ReadDead(dir, until)
	check(t, err)
	if len(list) != 1 || len(list[0].Held) != 0 || len(list[0].Resources) != 1 || !list[0].Released() {
		t.Fatalf("after its time: %+v", list)
	}
	check(t, list[0].Forget(nil))
	empty(t, dir)
}

// A machine that was there before leaves nothing but what is kept of the build.
func TestHeldWithoutResources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run")
	check(t, j.Hold("a/b", created.Add(2*time.Hour)), os.MkdirAll(HeldDir(dir, "run", "a/b"), 0o700), j.Close())
	if list := dead(t, dir); len(list) != 1 || len(list[0].Held) != 1 {
		t.Fatalf("%+v", list)
	}
	if list, err := ReadDead(dir, created.Add(3*time.Hour)); len(list) != 0 || err != nil {
		t.Fatalf("after its time: %+v, %v", list, err)
	}
	empty(t, dir)
}

// A run is gone on with where it ended, also where it was killed as it wrote.
func TestResume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run")
	gone := intend(t, j, resourceOf("a", "key-pair"))
	instance := intend(t, j, resourceOf("a", "instance"))
	intend(t, j, resourceOf("b", "instance"))
	check(t, gone.Gone(), instance.Made("i-1"), j.Hold("a", created.Add(2*time.Hour)))
	if _, err := Resume(dir, "run"); !errors.Is(err, ErrLive) {
		t.Errorf("while it runs: %v", err)
	}
	_, err := j.file.WriteString(`{"n":9,"sta`)
	check(t, err)
	die(t, j)

	j, err = Resume(dir, "run")
	check(t, err)
	if _, err := Resume(dir, "run"); !errors.Is(err, ErrLive) {
		t.Errorf("a second time: %v", err)
	}
	entries := j.Entries("a")
	if len(entries) != 1 || entries[0].Resource().ID != "i-1" {
		t.Fatalf("entries: %v", entries)
	}
	check(t, os.MkdirAll(HeldDir(dir, "run", "a"), 0o700), entries[0].Gone())
	more := intend(t, j, resourceOf("a", "image"))
	check(t, more.Made("ami-1"), j.Keep("ami-1"), j.Free("a"), j.Free("a"), j.Free("unknown"), j.Close())
	if _, err := os.Stat(filepath.Dir(HeldDir(dir, "run", "a"))); !os.IsNotExist(err) {
		t.Error("what was kept to go on is still there")
	}
	d := dead(t, dir)[0]
	if diff := cmp.Diff([]Resource{resourceOf("b", "instance")}, d.Resources); diff != "" || len(d.Held) != 0 {
		t.Errorf("%+v: %s", d, diff)
	}
	for _, id := range []string{"other", "", "../run", "."} {
		if _, err := Resume(dir, id); !errors.Is(err, ErrNotThere) {
			t.Errorf("run %q: %v", id, err)
		}
	}
}

// Without a journal nothing would be swept in the end.
func TestHoldNeedsJournal(t *testing.T) {
	t.Parallel()
	var j *Journal
	if err := j.Hold("a", created); err == nil {
		t.Error("held without a journal")
	}
	check(t, j.Free("a"))
	if len(j.Entries("a")) > 0 {
		t.Error("entries without a journal")
	}
}

// A run is gone on with, or swept: never both.
func TestTakenDead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run")
	intend(t, j, resourceOf("a", "instance"))
	intend(t, j, resourceOf("b", "disk"))
	check(t, j.Hold("a", created.Add(4*time.Hour)), j.Close())

	taken, err := TakeDead(dir, created)
	check(t, err)
	if len(taken) != 1 || len(taken[0].Held) != 1 || len(taken[0].Resources) != 1 {
		t.Fatalf("%+v", taken)
	}
	if _, err := Resume(dir, "run"); !errors.Is(err, ErrLive) {
		t.Errorf("a run that is being swept can be gone on with: %v", err)
	}
	if again, err := TakeDead(dir, created); err != nil || len(again) != 0 {
		t.Errorf("it can be swept twice: %v %v", again, err)
	}
	check(t, taken[0].LetGo(), taken[0].LetGo())

	j, err = Resume(dir, "run")
	check(t, err)
	if taken, err = TakeDead(dir, created); err != nil || len(taken) != 0 {
		t.Errorf("a run that is gone on with can be swept: %v %v", taken, err)
	}
	check(t, j.Close())
}

// What was left for somebody to look at is known as that, also after the rest
// of the run was swept.
func TestSpared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run")
	intend(t, j, resourceOf("a", "instance"))
	intend(t, j, resourceOf("b", "disk"))
	intend(t, j, resourceOf("c", "instance"))
	check(t, j.Spare("a"), j.Spare("a"), j.Spare("none"), j.Hold("c", created.Add(4*time.Hour)), j.Spare("c"), j.Close())
	d := dead(t, dir)[0]
	if !d.Spared("a") || d.Spared("b") || d.Spared("c") || len(d.Held) != 1 {
		t.Fatalf("%+v", d)
	}
	check(t, d.Forget(d.Resources[:1]))
	if d = dead(t, dir)[0]; !d.Spared("a") || len(d.Resources) != 1 || len(d.Held) != 1 {
		t.Fatalf("after the rest was swept: %+v", d)
	}
}
