package ui

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// views are the views that write to a stream.
var views = map[string]func(Options) View{
	"plain":   Plain,
	"json":    JSON,
	"machine": func(o Options) View { return MachineReadable(o) },
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, view string
		o          Options
	}{
		{"plain.txt", "plain", Options{}},
		{"colour.txt", "plain", Options{Color: true}},
		{"timestamp.txt", "plain", Options{Timestamp: true, Color: true, LogDir: "logs"}},
		{"json.txt", "json", Options{LogDir: "logs"}},
		{"machine.txt", "machine", Options{Color: true}},
	} {
		var buf bytes.Buffer
		c.o.Out = &buf
		v := views[c.view](c.o)
		for _, e := range recorded() {
			v.Emit(e)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		golden(t, c.file, buf.Bytes())
	}
}

// run returns what a view writes of some events.
func run(v func(Options) View, o Options, events ...event.Event) string {
	var buf bytes.Buffer
	o.Out = &buf
	view := v(o)
	for _, e := range events {
		view.Emit(e)
	}
	return buf.String()
}

func TestEnds(t *testing.T) {
	t.Parallel()
	start := event.Event{Body: event.RunStarted{Builds: []string{"null.a"}}}
	image := event.Event{Build: "null.a", Body: event.BuildDone{Artifacts: []artifact.Artifact{{ID: "x"}}}}
	for name, c := range map[string]struct {
		events []event.Event
		want   string
	}{
		"nothing made": {
			[]event.Event{{Build: "null.a", Body: event.BuildDone{Took: time.Second}}, {Body: event.RunDone{Took: time.Second}}},
			"Build 'null.a' finished after 1 second.\n\n==> Wait completed after 1 second\n\n==> Builds finished but no artifacts were created.\n",
		},
		"nothing changed": {
			[]event.Event{{Build: "null.a", Body: event.Skipped{Why: "unchanged"}}, {Body: event.RunDone{}}},
			"==> null.a: unchanged\n\n==> Wait completed after 0 seconds\n\n==> Builds finished: nothing had changed.\n",
		},
		"cancelled": {
			[]event.Event{{Body: event.RunDone{Cancelled: true, Took: time.Second}}},
			"\n==> Wait completed after 1 second\nCleanly cancelled builds after being interrupted.\n",
		},
		"cancelled, with an image": {
			[]event.Event{image, {Body: event.RunDone{Cancelled: true, Took: time.Second}}},
			"Build 'null.a' finished after 0 seconds.\n\n==> Wait completed after 1 second\nCleanly cancelled builds after being interrupted.\n\n==> Builds finished. The artifacts of successful builds are:\n--> null.a: x\n",
		},
	} {
		got := run(Plain, Options{}, append([]event.Event{start}, c.events...)...)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestJSONLinesAreObjects(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(run(JSON, Options{}, recorded()...)) {
		var o struct{ Time, Type string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, o.Time); err != nil || o.Type == "" {
			t.Errorf("%s: no time or type", line)
		}
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	MachineReadable(Options{Out: &buf}).Record(time.Unix(17, 0), "", "version", "1.2,3\n")
	if want := "17,,version,1.2%!(PACKER_COMMA)3\\n\n"; buf.String() != want {
		t.Errorf("got %q, want %q", buf.String(), want)
	}
}

func TestLogFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made")
	for range 2 { // the second run replaces the files of the first
		logs := Logs(Options{LogDir: dir, Color: true})
		for _, e := range recorded() {
			logs.Emit(e)
		}
		logs.Emit(event.Event{Time: recorded()[0].Time, Build: "docker.web", Body: event.Say{Text: "after its end"}})
		if err := logs.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(LogPath(dir, "docker.web"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "log.txt", got)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 4 {
		t.Errorf("%d files, want one a build (%v)", len(files), err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestLogFilesTellTheirError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	logs := Logs(Options{LogDir: file})
	for _, e := range recorded() {
		logs.Emit(e)
	}
	if err := logs.Close(); err == nil {
		t.Error("no error where the folder is a file")
	}
}

func TestLogPath(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, build := range []string{"docker.web", "rel.docker.web", "a/b.c", "a_b.c", "../x", "", ".", "ä", strings.Repeat("x", 300), strings.Repeat("x", 301)} {
		path := LogPath("dir", build)
		if filepath.Dir(path) != "dir" || len(filepath.Base(path)) > 120 || strings.HasPrefix(filepath.Base(path), ".") {
			t.Errorf("%q: %s", build, path)
		}
		if other, ok := seen[path]; ok {
			t.Errorf("%q and %q share %s", build, other, path)
		}
		seen[path] = build
	}
	if got := LogPath("dir", "docker.web"); got != filepath.Join("dir", "docker.web.log") {
		t.Error(got)
	}
	if got := LogPath("", "docker.web"); got != "" {
		t.Error(got)
	}
}
