package main

import (
	"embed"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// inventory is what Packer has.
//
//go:embed packer
var inventory embed.FS

// Status says what becomes of something that a user of Packer writes.
type Status string

// The states of a row.
const (
	Supported Status = "supported"
	Refused   Status = "refused" // by name, before anything is launched
	Missing   Status = "missing"
)

// Row is one thing that Packer has.
type Row struct {
	Section string // "options of builder amazon-ebs"
	Name    string // "ami_name"
	Status  Status
	Tested  bool   // a test uses it
	Note    string // why it is refused, or what differs
}

// state is what the table says of the row.
func (r Row) state() string {
	if r.Status == Supported && !r.Tested {
		return "supported, no test"
	}
	return string(r.Status)
}

// wanting reports whether something is to be done about the row: it must be
// supported and tested, or refused by name.
func (r Row) wanting() bool {
	return r.Status == Missing || r.Status == Supported && !r.Tested
}

// lines returns the lines of a file of the inventory that are not comments.
func lines(name string) ([]string, error) {
	raw, err := inventory.ReadFile("packer/" + name)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out, nil
}

// words returns the words of a file of the inventory.
func words(name string) ([]string, error) {
	list, err := lines(name)
	return strings.Fields(strings.Join(list, " ")), err
}

// sum is one line of the table.
type sum struct{ rows, supported, tested, refused, missing int }

func (s *sum) add(r Row) {
	s.rows++
	switch r.Status {
	case Supported:
		s.supported++
		if r.Tested {
			s.tested++
		}
	case Refused:
		s.refused++
	case Missing:
		s.missing++
	}
}

// print writes the table.
func print(w io.Writer, rows []Row, all bool) {
	var sections []string
	sums := map[string]*sum{}
	total := &sum{}
	for _, r := range rows {
		if sums[r.Section] == nil {
			sums[r.Section] = &sum{}
			sections = append(sections, r.Section)
		}
		sums[r.Section].add(r)
		total.add(r)
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "what\trows\tsupported\ttested\trefused\tmissing")
	for _, name := range append(sections, "all") {
		s := sums[name]
		if name == "all" {
			s = total
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\n", name, s.rows, s.supported, s.tested, s.refused, s.missing)
	}
	fmt.Fprintln(tw)
	for _, r := range rows {
		if !all && r.Status == Supported && r.Tested {
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", r.Section, r.Name, r.state(), r.Note)
	}
	tw.Flush()
	fmt.Fprintf(w, "\n%d rows: %d supported, %d of them tested, %d refused by name, %d missing\n",
		total.rows, total.supported, total.tested, total.refused, total.missing)
}
