package main

import (
	"os"
	"testing"
)

// TestNothingMissing holds what is said of templates that people have: each
// row is supported, or refused by name.
func TestNothingMissing(t *testing.T) {
	t.Parallel()
	if _, err := binary("../.."); err != nil {
		t.Skip("cannot run here: " + err.Error())
	}
	rows, err := collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Status == Missing {
			t.Errorf("%s: %s is missing: %s", r.Section, r.Name, r.Note)
		}
	}
	if t.Failed() {
		print(os.Stdout, rows, false)
	}
}
