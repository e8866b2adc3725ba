package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/secret"
)

// sweep is one sweep under way.
type sweep struct {
	flags   *sweepFlags
	dead    []journal.Dead
	dir     string // of the journals
	only    string // a run: others are let alone; "" sweeps all that are dead
	now     time.Time
	secrets *secret.Set
	out     io.Writer
	paint   func(colour, text string) string

	mu      sync.Mutex
	found   []found
	errs    errorsByCloud
	expired []expired
	unsure  []journal.Resource // that were not there, and still may come to be
}

type errorsByCloud map[string]error

// note takes a resource as it was removed, or found.
func (s *sweep) note(r journal.Resource, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, found{r, err})
	if !s.flags.json {
		fmt.Fprintln(s.out, s.secrets.Redact(s.line(r, err)))
	}
}

func (s *sweep) line(r journal.Resource, err error) string {
	verb := s.paint("green", "removed")
	switch {
	case err != nil:
		verb = s.paint("red", "failed ")
	case s.flags.dryRun:
		verb = s.paint("yellow", "left   ")
	}
	text := fmt.Sprintf("%s  %s %s  %s %s", verb, r.Cloud, r.Place, r.Kind, nameOf(r))
	if r.Build != "" {
		text += "  " + s.paint("dim", "of "+r.Build)
	}
	if !r.Created.IsZero() {
		text += "  " + s.paint("dim", r.Created.Local().Format(time.DateTime))
	}
	if err != nil {
		text += ": " + err.Error()
	}
	return text
}

func nameOf(r journal.Resource) string {
	switch {
	case r.ID != "" && r.Name != "" && r.ID != r.Name:
		return r.ID + " " + r.Name
	case r.ID != "":
		return r.ID
	case r.Name != "":
		return r.Name
	}
	return r.Token
}

func (s *sweep) failed() bool {
	return len(s.errs) > 0 || slices.ContainsFunc(s.found, func(f found) bool { return f.err != nil })
}

// report ends the output.
func (s *sweep) report(stderr io.Writer) error {
	if s.flags.json {
		return s.reportJSON()
	}
	for _, h := range s.held() {
		fmt.Fprintln(s.out, s.heldLine(h))
	}
	for _, cloud := range slices.Sorted(maps.Keys(s.errs)) {
		for _, err := range s.untold(s.errs[cloud]) {
			reportError(stderr, fmt.Errorf("%s: %w", cloud, err))
		}
	}
	if len(s.unsure) > 0 {
		last := slices.MaxFunc(s.unsure, func(a, b journal.Resource) int { return a.Created.Compare(b.Created) })
		fmt.Fprintf(s.out, "%s was under way when a build died and has made nothing so far. To be sure, sweep again after %s.\n",
			calls(len(s.unsure)), last.Created.Add(settling).Local().Format(time.TimeOnly))
	}
	_, err := fmt.Fprintln(s.out, s.sum())
	return err
}

// heldJSON is a build that a later run may go on with.
type heldJSON struct {
	Run       string      `json:"run"`
	Build     string      `json:"build"`
	Until     time.Time   `json:"until"`
	Resources []sweptJSON `json:"resources"`
}

func (s *sweep) held() []heldJSON {
	out := []heldJSON{}
	for _, d := range s.dead {
		for _, h := range d.Held {
			row := heldJSON{Run: d.RunID, Build: h.Build, Until: h.Until, Resources: []sweptJSON{}}
			for _, r := range h.Resources {
				row.Resources = append(row.Resources, s.row(r))
			}
			out = append(out, row)
		}
	}
	return out
}

func (s *sweep) heldLine(h heldJSON) string {
	text := fmt.Sprintf("%s  %s of run %s, until %s", s.paint("yellow", "held   "), h.Build, h.Run, h.Until.Local().Format(time.DateTime))
	var what []string
	for _, r := range h.Resources {
		what = append(what, r.Kind+" "+cmp.Or(r.ID, r.Name))
	}
	if len(what) > 0 {
		text += ": " + strings.Join(what, ", ")
	}
	return text
}

func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("Each of %d calls", n)
}

func (s *sweep) sum() string {
	removed := 0
	for _, f := range s.found {
		if f.err == nil {
			removed++
		}
	}
	switch {
	case s.failed():
		return fmt.Sprintf("%d removed; what is left stays in the journal.", removed)
	case len(s.found) == 0:
		return "Nothing to sweep."
	case s.flags.dryRun:
		return fmt.Sprintf("%d would be removed.", removed)
	}
	return fmt.Sprintf("%d removed.", removed)
}

// untold returns the errors that no resource's line has told.
func (s *sweep) untold(err error) []error {
	list := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		list = joined.Unwrap()
	}
	return slices.DeleteFunc(slices.Clone(list), func(e error) bool {
		return slices.ContainsFunc(s.found, func(f found) bool {
			return f.err != nil && strings.Contains(e.Error(), f.err.Error())
		})
	})
}

type sweptJSON struct {
	Cloud   string     `json:"cloud"`
	Place   string     `json:"place"`
	Kind    string     `json:"kind"`
	ID      string     `json:"id,omitempty"`
	Name    string     `json:"name,omitempty"`
	Build   string     `json:"build,omitempty"`
	Created *time.Time `json:"created,omitempty"`
	Removed bool       `json:"removed"`
	Error   string     `json:"error,omitempty"`
}

// reportJSON prints {"dry_run", "resources", "unsure", "held", "errors"}.
func (s *sweep) reportJSON() error {
	doc := struct {
		DryRun    bool        `json:"dry_run"`
		Resources []sweptJSON `json:"resources"`
		Unsure    []sweptJSON `json:"unsure"`
		Held      []heldJSON  `json:"held"`
		Errors    []string    `json:"errors"`
	}{s.flags.dryRun, []sweptJSON{}, []sweptJSON{}, s.held(), []string{}}
	for _, f := range s.found {
		row := s.row(f.Resource)
		row.Removed = f.err == nil && !s.flags.dryRun
		if f.err != nil {
			row.Error = s.secrets.Redact(f.err.Error())
		}
		doc.Resources = append(doc.Resources, row)
	}
	for _, r := range s.unsure {
		doc.Unsure = append(doc.Unsure, s.row(r))
	}
	for _, cloud := range slices.Sorted(maps.Keys(s.errs)) {
		for _, err := range s.untold(s.errs[cloud]) {
			doc.Errors = append(doc.Errors, s.secrets.Redact(cloud+": "+err.Error()))
		}
	}
	enc := json.NewEncoder(s.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

func (s *sweep) row(r journal.Resource) sweptJSON {
	row := sweptJSON{Cloud: r.Cloud, Place: r.Place, Kind: r.Kind, ID: r.ID, Name: r.Name, Build: r.Build}
	if !r.Created.IsZero() {
		row.Created = &r.Created
	}
	return row
}
