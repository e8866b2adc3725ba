package junit

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
)

var update = flag.Bool("update", false, "write the golden file")

func report() *Report {
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	r := &Report{}
	r.Emit(event.Event{Time: at, Build: "docker.web", Body: event.Say{Text: "not of a test"}})
	r.Emit(event.Event{Time: at, Build: "docker.web", Body: event.TestDone{Test: artifact.Test{Name: "image", Took: 2500 * time.Millisecond,
		Error: "1 of 3 checks failed", Cases: []artifact.Case{
			{Name: "package bash installed", Passed: true},
			{Name: `command echo "<a> & b" prints x`, Detail: "it printed: ]]> \x1b[31m\"red\" \xff"},
			{Name: "shell (web.pkr.hcl:12)", Passed: true},
		}}}})
	r.Emit(event.Event{Time: at, Build: "amazon-ebs.web", Body: event.TestDone{Test: artifact.Test{Name: "boots", Took: time.Minute, Error: "begin with the image: no quota"}}})
	r.Emit(event.Event{Time: at, Build: "amazon-ebs.api", Body: event.TestDone{Known: true, Test: artifact.Test{Name: "boots", Took: time.Minute, Passed: true,
		Cases: []artifact.Case{{Name: "port tcp:22 listening", Passed: true}}}}})
	return r
}

func TestGolden(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "report.xml")
	if err := report().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.xml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if err := xml.Unmarshal(got, new(suites)); err != nil {
		t.Error(err)
	}
}

// TestSchema checks a report against what Jenkins takes.
func TestSchema(t *testing.T) {
	t.Parallel()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatal("install libxml2-utils, as make test does: ", err)
	}
	var doc bytes.Buffer
	if err := report().Write(&doc); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(lint, "--noout", "--relaxng", filepath.Join("testdata", "junit.rng"), "-")
	cmd.Stdin = &doc
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNothingTested(t *testing.T) {
	t.Parallel()
	var doc bytes.Buffer
	if err := new(Report).Write(&doc); err != nil {
		t.Fatal(err)
	}
	want := xml.Header + `<testsuites name="ingot" tests="0" failures="0" errors="0" time="0.000"></testsuites>` + "\n"
	if doc.String() != want {
		t.Errorf("%s", doc.String())
	}
}
