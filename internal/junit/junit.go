// Package junit writes what tests of images came to as JUnit XML, as the
// services that run builds read it.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
)

// Report collects the tests of a run: it is a sink of its events.
type Report struct {
	mu     sync.Mutex
	suites []suite
}

// Emit takes the tests that have ended.
func (r *Report) Emit(e event.Event) {
	done, ok := e.Body.(event.TestDone)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suites = append(r.suites, suiteOf(e, done))
}

// WriteFile writes the report to a file of this host, whose folder is made
// where it is missing.
func (r *Report) WriteFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.Write(f); err != nil {
		return err
	}
	return f.Close()
}

// Write writes the report, the tests in the order of their names.
func (r *Report) Write(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	doc := suites{Name: "ingot", Suites: slices.Clone(r.suites)}
	slices.SortStableFunc(doc.Suites, func(a, b suite) int { return strings.Compare(a.Name, b.Name) })
	var took time.Duration
	for _, s := range doc.Suites {
		doc.Tests, doc.Failures, doc.Errors = doc.Tests+s.Tests, doc.Failures+s.Failures, doc.Errors+s.Errors
		took += s.took
	}
	doc.Time = seconds(took)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// The elements and attributes are those that Jenkins and GitLab read.
type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Time     string   `xml:"time,attr"` // seconds
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name      string     `xml:"name,attr"`
	Tests     int        `xml:"tests,attr"`
	Failures  int        `xml:"failures,attr"`
	Errors    int        `xml:"errors,attr"`
	Skipped   int        `xml:"skipped,attr"`
	Time      string     `xml:"time,attr"`
	Timestamp string     `xml:"timestamp,attr"` // when it began, in UTC
	Cases     []testcase `xml:"testcase"`

	took time.Duration
}

type testcase struct {
	Class   string  `xml:"classname,attr"`
	Name    string  `xml:"name,attr"`
	Time    string  `xml:"time,attr"`
	Failure *defect `xml:"failure"`
	Error   *defect `xml:"error"`
}

type defect struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// suiteOf is one test. What it looked at are its cases; a test that could not
// look is a case of its own.
func suiteOf(e event.Event, done event.TestDone) suite {
	t := done.Test
	s := suite{Name: e.Build + ": " + t.Name, took: t.Took, Time: seconds(t.Took),
		Timestamp: e.Time.Add(-t.Took).UTC().Format("2006-01-02T15:04:05")}
	if done.Known {
		s.took, s.Time, s.Timestamp = 0, seconds(0), e.Time.UTC().Format("2006-01-02T15:04:05")
	}
	class := e.Build + "." + t.Name
	for _, c := range t.Cases {
		one := testcase{Class: class, Name: c.Name, Time: seconds(0)}
		if !c.Passed {
			one.Failure = &defect{Message: c.Detail, Type: "expectation", Text: c.Name + ": " + c.Detail}
			s.Failures++
		}
		s.Cases = append(s.Cases, one)
	}
	if !t.Passed && s.Failures == 0 || len(t.Cases) == 0 {
		s.Cases = append(s.Cases, whole(class, t))
		if !t.Passed {
			s.Errors++
		}
	}
	s.Tests = len(s.Cases)
	return s
}

// whole is the test as a case.
func whole(class string, t artifact.Test) testcase {
	c := testcase{Class: class, Name: t.Name, Time: seconds(t.Took)}
	if !t.Passed {
		c.Error = &defect{Message: t.Error, Type: "error", Text: t.Error}
	}
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
