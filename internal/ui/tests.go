package ui

import (
	"fmt"
	"strconv"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
)

// testDone tells what a test came to: of one that failed, what was not as
// expected.
func (n *narrator) testDone(build string, d event.TestDone) {
	t := d.Test
	unmet := 0
	for _, c := range t.Cases {
		if !c.Passed {
			unmet++
		}
	}
	n.record(build, "test", t.Name, passedText(t.Passed), strconv.Itoa(len(t.Cases)), strconv.Itoa(unmet))
	switch {
	case d.Known:
		n.say(say, build, fmt.Sprintf("Test %s passed before: %s", t.Name, checks(len(t.Cases))))
		return
	case t.Passed:
		n.say(say, build, fmt.Sprintf("Test %s passed: %s, %s", t.Name, checks(len(t.Cases)), inWords(t.Took)))
	case unmet > 0:
		n.say(failure, build, fmt.Sprintf("Test %s failed: %d of %s", t.Name, unmet, checks(len(t.Cases))))
	default:
		n.say(failure, build, fmt.Sprintf("Test %s failed: %s", t.Name, t.Error))
	}
	for _, c := range t.Cases {
		n.testCase(build, t.Name, c)
	}
}

func (n *narrator) testCase(build, test string, c artifact.Case) {
	n.record(build, "test-case", test, c.Name, passedText(c.Passed), c.Detail)
	switch {
	case !c.Passed && c.Detail != "":
		n.prefixed(failure, build, "    "+build+": ✗ ", c.Name+": "+c.Detail)
	case !c.Passed:
		n.prefixed(failure, build, "    "+build+": ✗ ", c.Name)
	case n.phases:
		n.prefixed(message, build, "    "+build+": ✓ ", c.Name)
	}
}

func passedText(passed bool) string {
	if passed {
		return "passed"
	}
	return "failed"
}

func checks(n int) string {
	if n == 1 {
		return "1 check"
	}
	return fmt.Sprintf("%d checks", n)
}

// testCaseObject is what JSON says of one thing that a test looked at.
type testCaseObject struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

func (j *jsonLines) testDone(d event.TestDone) object {
	o := object{Type: "test_done", Name: j.clean(d.Test.Name), OK: &d.Test.Passed, Cached: &d.Known,
		Seconds: seconds(d.Test.Took), Error: j.clean(d.Test.Error)}
	for _, c := range d.Test.Cases {
		o.Cases = append(o.Cases, testCaseObject{j.clean(c.Name), c.Passed, j.clean(c.Detail)})
	}
	return o
}
