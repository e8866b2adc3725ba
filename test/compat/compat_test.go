package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNothingWanting holds what is said of templates that people have: each row
// is supported and a test uses it, or it is refused by name.
func TestNothingWanting(t *testing.T) {
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
		if r.wanting() {
			t.Errorf("%s: %s is %s %s", r.Section, r.Name, r.state(), r.Note)
		}
	}
	if t.Failed() {
		print(os.Stdout, rows, false)
	}
}
