package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
)

// sayDead says, from the journals alone, that earlier runs left something.
func (r *run) sayDead() {
	if r.Journals == "" {
		return
	}
	dead, err := journal.ReadDead(r.Journals, time.Now())
	if err != nil {
		r.warn(err)
	}
	dead = slices.DeleteFunc(dead, func(d journal.Dead) bool { return len(d.Resources) == 0 }) // all of it is held
	if len(dead) == 0 {
		return
	}
	var left []journal.Resource
	began, how := dead[0].Began, "removed when these builds begin anew, and at once by `"+r.Sweep+"`"
	for _, d := range dead {
		left = append(left, d.Resources...)
		if len(r.clearable(d)) < len(d.Resources) {
			how = "run `" + r.Sweep + "`"
		}
		if d.Began.Before(began) {
			began = d.Began
		}
	}
	who := "a run of " + began.Local().Format(time.DateTime)
	if len(dead) > 1 {
		who = fmt.Sprintf("%d runs since %s", len(dead), began.Local().Format(time.DateTime))
	}
	r.emit(event.Warning{Text: fmt.Sprintf("%s left %s: %s", who, leftText(left), how)})
}

// closeJournal says what the run itself leaves.
func (r *run) closeJournal() {
	left := r.journal.Left()
	if err := errors.Join(r.journal.Close(), r.clearing.letGo()); err != nil {
		r.warn(err)
	}
	if len(left) > 0 {
		r.emit(event.Warning{Text: fmt.Sprintf("this run leaves %s: run `%s` to remove it", leftText(left), r.Sweep)})
	}
}

func (r *run) warn(err error) { r.emit(event.Warning{Text: err.Error()}) }

// leftText is "3 resources in amazon eu-west-1 (instance, key-pair, security-group)".
func leftText(left []journal.Resource) string {
	var places, kinds []string
	for _, res := range left {
		places = append(places, res.Cloud+" "+res.Place)
		kinds = append(kinds, res.Kind)
	}
	what := "1 resource"
	if len(left) > 1 {
		what = fmt.Sprintf("%d resources", len(left))
	}
	return fmt.Sprintf("%s in %s (%s)", what, distinct(places), distinct(kinds))
}

func distinct(texts []string) string {
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}
