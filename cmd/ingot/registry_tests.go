package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/registry"
)

// testRows says what the tests of an artifact came to: those of the run that
// made the version last, later ones, newest first, before.
func testRows(rec artifact.Record, later []registry.TestRun) [][]string {
	var rows [][]string
	for _, run := range later {
		if t, ok := run.Builds[rec.Build]; ok {
			rows = append(rows, testedRows(t, run.By)...)
		}
	}
	if rec.Tested != nil {
		rows = append(rows, testedRows(*rec.Tested, "")...)
	}
	if len(rows) == 0 {
		return [][]string{{"  Tested", "never"}}
	}
	return rows
}

// testedRows is one run: a row of its own, and one for each test that failed.
func testedRows(t artifact.Tested, by string) [][]string {
	var names []string
	var failed [][]string
	checks := 0
	for _, one := range t.Tests {
		names = append(names, one.Name)
		checks += len(one.Cases)
		if !one.Passed {
			failed = append(failed, []string{"  Failed", one.Name + ": " + cmp.Or(one.Error, "it failed")})
		}
	}
	text := fmt.Sprintf("%s  passed  %s (%s)", timeText(t.Time), strings.Join(names, ", "), quantity(checks, "check"))
	if !t.Passed() {
		text = fmt.Sprintf("%s  failed  %d of %s", timeText(t.Time), len(failed), quantity(len(t.Tests), "test"))
	}
	if by != "" {
		text += "  by " + by
	}
	return append([][]string{{"  Tested", text}}, failed...)
}
