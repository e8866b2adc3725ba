package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// behaviours are what a user of Packer counts on beside names: each with the
// test that shows it, as "what | file of the test | text in it".
func behaviours(t *Tests) ([]Row, error) {
	list, err := lines("behaviours.txt")
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, line := range list {
		parts := strings.Split(line, " | ")
		if len(parts) != 3 {
			return nil, fmt.Errorf("behaviours.txt: %q is not written as WHAT | FILE | TEXT", line)
		}
		r := Row{Section: "behaviour", Name: parts[0], Status: Supported}
		if parts[1] == "refused" {
			r.Status, r.Note = Refused, parts[2]
			rows = append(rows, r)
			continue
		}
		raw, err := os.ReadFile(filepath.Join(t.root, parts[1]))
		if err != nil || !strings.Contains(string(raw), parts[2]) {
			r.Status, r.Note = Missing, fmt.Sprintf("%s does not have %q", parts[1], parts[2])
		}
		r.Tested = r.Status == Supported
		rows = append(rows, r)
	}
	return rows, nil
}
