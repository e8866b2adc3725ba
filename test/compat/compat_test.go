package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNothingMissing holds what is said of templates that people have: each
// row is supported, or refused by name.
func TestNothingMissing(t *testing.T) {
	if _, err := binary("../.."); err != nil { // make builds it before tests
		bin := filepath.Join(t.TempDir(), "ingot")
		if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/ingot").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Setenv("INGOT_BIN", bin)
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
