package journal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func intend(t testing.TB, j *Journal, r Resource) *Entry {
	t.Helper()
	e, err := j.Intend(r)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func check(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// die ends a run as SIGKILL does: nothing is written, the lock is free.
func die(t testing.TB, j *Journal) {
	t.Helper()
	check(t, j.file.Close(), j.lock.Unlock())
}

func dead(t testing.TB, dir string) []Dead {
	t.Helper()
	list, err := ReadDead(dir, created.Add(time.Hour))
	check(t, err)
	return list
}

var created = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)

func resource(kind, name string) Resource {
	return Resource{Cloud: "amazon", Place: "eu-west-1", Kind: kind, Name: name, Created: created}
}

// A run that died left what was neither deleted nor recorded, and what was
// about to be created.
func TestDead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	j := Open(dir, "run-1")
	instance := intend(t, j, resource("instance", ""))
	key := intend(t, j, resource("key-pair", "k"))
	image := intend(t, j, resource("image", "web"))
	intend(t, j, resource("volume", "v"))
	check(t, instance.Made("i-1"), key.Made("key-1"), key.Gone(), key.Gone(), image.Made("ami-1"), j.Keep("ami-1"))

	if !Live(dir, "run-1") || len(dead(t, dir)) > 0 {
		t.Error("a run under way counts as dead")
	}
	want := []Resource{resource("instance", ""), resource("volume", "v")}
	want[0].ID = "i-1"
	if d := cmp.Diff(want, j.Left()); d != "" {
		t.Error("left", d)
	}
	die(t, j)
	if Live(dir, "run-1") {
		t.Error("a dead run counts as live")
	}
	list := dead(t, dir)
	if len(list) != 1 || list[0].RunID != "run-1" || !list[0].Began.Equal(created) {
		t.Fatalf("dead: %+v", list)
	}
	if d := cmp.Diff(want, list[0].Resources); d != "" {
		t.Error("dead", d)
	}

	check(t, list[0].Forget(want[1:]))
	if d := cmp.Diff(want[1:], dead(t, dir)[0].Resources); d != "" {
		t.Error("after a part is forgotten", d)
	}
	check(t, list[0].Forget(nil), list[0].Forget(nil))
	empty(t, dir)
}

func empty(t testing.TB, dir string) {
	t.Helper()
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}

// A run that ends well leaves no file, one that can't clean up leaves its.
func TestClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run-1")
	e := intend(t, j, resource("instance", ""))
	check(t, e.Made("i-1"), e.Gone(), j.Close(), j.Close())
	empty(t, dir)

	j = Open(dir, "run-2")
	intend(t, j, resource("instance", ""))
	check(t, j.Close())
	if list := dead(t, dir); len(list) != 1 || len(list[0].Resources) != 1 {
		t.Errorf("dead: %+v", list)
	}
}

// A run that was killed after its last resource was gone leaves nothing to say.
func TestDeadWithoutResources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run-1")
	check(t, intend(t, j, resource("instance", "")).Gone())
	die(t, j)
	if list := dead(t, dir); len(list) > 0 {
		t.Errorf("dead: %+v", list)
	}
	empty(t, dir)
}

// What a run was writing as it was killed was not done yet.
func TestCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run-1")
	e := intend(t, j, resource("instance", "a"))
	check(t, e.Made("i-1"))
	die(t, j)
	whole, err := os.ReadFile(path(dir, "run-1"))
	check(t, err)
	for n := range whole {
		check(t, os.WriteFile(path(dir, "run-1"), whole[:n], 0o600))
		s, err := parse(whole[:n])
		check(t, err)
		left := s.left()
		lines := bytes.Count(whole[:n], []byte("\n"))
		if want := min(lines, 1); len(left) != want {
			t.Fatalf("%q leaves %d resources, want %d", whole[:n], len(left), want)
		}
	}
}

// A journal that was damaged is an error, and does not hide the others.
func TestDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "good")
	intend(t, j, resource("instance", ""))
	die(t, j)
	check(t, os.WriteFile(path(dir, "bad"), []byte("{}\n\x00\x00\n"), 0o600))
	list, err := ReadDead(dir, created.Add(time.Hour))
	if err == nil || !strings.Contains(err.Error(), "bad.jsonl: line 2") {
		t.Errorf("error %v", err)
	}
	if len(list) != 1 || list[0].RunID != "good" {
		t.Errorf("dead: %+v", list)
	}
}

// Ids of runs come from tags, which anybody can write.
func TestLiveRefusesPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, id := range []string{"", ".", "..", "../" + filepath.Base(dir) + "/x", "a/b", "unknown"} {
		if Live(dir, id) {
			t.Errorf("%q is live", id)
		}
	}
	if list, err := ReadDead(filepath.Join(dir, "missing"), created); err != nil || list != nil {
		t.Errorf("a missing folder: %v, %v", list, err)
	}
}

// Two runs can't share a journal.
func TestTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := Open(dir, "run")
	defer first.Close()
	intend(t, first, resource("instance", ""))
	if _, err := Open(dir, "run").Intend(resource("instance", "")); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
}

// Many builds write at the same time; each finds its intent on disk.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := Open(dir, "run")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			e, err := j.Intend(resource("instance", ""))
			if err != nil {
				t.Error(err)
				return
			}
			text, err := os.ReadFile(path(dir, "run"))
			if err != nil || len(text) == 0 {
				t.Errorf("not written: %v", err)
			}
			if err := e.Made("i"); err != nil {
				t.Error(err)
			}
			if err := e.Gone(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	check(t, j.Close())
	empty(t, dir)
}

// Without a journal nothing is kept, and nothing fails.
func TestNone(t *testing.T) {
	t.Parallel()
	for _, j := range []*Journal{nil, {}} {
		e := intend(t, j, resource("instance", ""))
		check(t, e.Made("i-1"), j.Keep("i-1"), e.Keep(), e.Gone(), j.Close())
		if len(j.Left()) > 0 || e.Resource().ID != "i-1" {
			t.Errorf("left %v, id %q", j.Left(), e.Resource().ID)
		}
	}
}

// FuzzParse reads what no run has written.
func FuzzParse(f *testing.F) {
	r := resource("instance", "a")
	for _, l := range []line{{N: 1, State: Intended, Resource: &r}, {N: 1, State: Made, ID: "i-1"}, {N: 1, State: Gone}, {N: 2, State: Intended}, {State: Holding, Build: "a.b", Until: created}, {State: Freed, Build: "a.b"}} {
		text, err := json.Marshal(l)
		check(f, err)
		f.Add(append(text, '\n'))
	}
	f.Add([]byte("{\"n\":1,\"state\":\"intended\",\"resource\":{}}\n{\"n\":1,\"state\":\"intended\",\"resource\":{}}\n{\"n\":1,\"sta"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parse(text)
		if err != nil {
			return
		}
		left := s.left()
		dir := t.TempDir()
		d := Dead{RunID: "run", dir: dir}
		if len(left) == 0 {
			return
		}
		check(t, d.Forget(left))
		text, err = os.ReadFile(path(dir, "run"))
		check(t, err)
		again, err := parse(text)
		check(t, err)
		if d := cmp.Diff(left, again.left()); d != "" {
			t.Error(d)
		}
	})
}
