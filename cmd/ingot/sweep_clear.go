package main

import (
	"context"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/journal"
)

// clearer returns what removes what a dead run left, for builds that begin anew.
// It looks for nothing but that run's.
func clearer(h builders.Host, dir string) engine.Clear {
	return func(ctx context.Context, d journal.Dead, say func(string)) []journal.Resource {
		s := &sweep{
			flags: &sweepFlags{}, dead: []journal.Dead{d}, dir: dir, now: time.Now(), secrets: h.Secrets, errs: errorsByCloud{},
			out: lines(say), paint: func(_, text string) string { return text }, only: d.RunID,
		}
		s.clouds(ctx, h)
		for cloud, err := range s.errs {
			for _, err := range s.untold(err) {
				say(cloud + ": " + err.Error())
			}
		}
		return s.staying(d)
	}
}

// lines takes what is printed line by line.
type lines func(text string)

func (l lines) Write(text []byte) (int, error) {
	l(strings.TrimSuffix(string(text), "\n"))
	return len(text), nil
}
