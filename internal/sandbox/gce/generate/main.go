// Command generate cuts the official discovery documents, as the module
// google.golang.org/api has them, down to what the sandbox needs.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/internal/sandbox/gce/discovery"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: generate FILE")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(file string) error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	var d discovery.Document
	for _, source := range discovery.Sources() {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), source.File))
		if err != nil {
			return err
		}
		if err := d.Cut(text, source.Methods); err != nil {
			return err
		}
	}
	text, err := d.JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
