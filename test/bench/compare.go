package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// turn does the work once. What it prepares before is not measured.
type turn func(context.Context) (sample, error)

// side is one of those who are compared.
type side struct {
	name    string
	turn    turn
	samples []sample
}

// compare lets the sides do their work by turns, after one turn each to warm
// up: what the machine does beside meets all of them alike.
func (s *stand) compare(ctx context.Context, sides ...*side) error {
	for round := 0; round <= s.rounds; round++ {
		line := fmt.Sprintf("round %d/%d:", round, s.rounds)
		if round == 0 {
			line = "warm-up:"
		}
		for _, sd := range sides {
			got, err := sd.turn(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", sd.name, err)
			}
			line += fmt.Sprintf("  %s %s", sd.name, seconds(got.time))
			if round > 0 {
				sd.samples = append(sd.samples, got)
			}
		}
		s.say("%s", line)
	}
	return nil
}

func (sd *side) median() time.Duration { return time.Duration(median(sd.times())) }

func (sd *side) times() []int64 {
	var list []int64
	for _, got := range sd.samples {
		list = append(list, int64(got.time))
	}
	return list
}

// peak is the most that any turn had resident, in bytes.
func (sd *side) peak() int64 {
	var most int64
	for _, got := range sd.samples {
		most = max(most, got.peak)
	}
	return most
}

func median(list []int64) int64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2fs", d.Seconds())
}
