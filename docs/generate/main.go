// Command generate writes the reference pages of docs/reference from the
// config structs: their tags say what there is, their comments what it does.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := write("docs/reference"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write makes all pages anew.
func write(dir string) error {
	pages, err := generate(".")
	if err != nil {
		return err
	}
	for name, text := range pages {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
