// Package timing says how long things take in the sandbox.
package timing

import (
	"fmt"
	"strings"
	"time"
)

// Timing is how long a cloud takes for what it does.
type Timing struct {
	Running     time.Duration // from the launch or start of an instance until it is running
	SSH         time.Duration // from running until its ports open
	Stopping    time.Duration // until it is stopped, from when its machine has shut down
	Terminating time.Duration // until it is terminated
	Terminated  time.Duration // how long a terminated instance is still described
	Image       time.Duration // until an image is available
	Copy        time.Duration // until a copied image or snapshot is available
	Snapshot    time.Duration // until a snapshot is complete
	Disk        time.Duration // until a GCE disk is ready
	Volume      time.Duration // until an EBS volume is available, attached or detached
	Operation   time.Duration // until a GCE operation on anything else is done
	Consistency time.Duration // how long a new thing is not yet found by those who ask; 0 is not at all
}

// Default is short, and takes time where a cloud does.
func Default() Timing {
	return Timing{
		Running:     700 * time.Millisecond,
		SSH:         300 * time.Millisecond,
		Stopping:    500 * time.Millisecond,
		Terminating: 500 * time.Millisecond,
		Terminated:  time.Minute,
		Image:       time.Second,
		Copy:        time.Second,
		Snapshot:    700 * time.Millisecond,
		Disk:        300 * time.Millisecond,
		Volume:      300 * time.Millisecond,
		Operation:   200 * time.Millisecond,
	}
}

// Zero takes no time for anything, for tests. Terminated instances are still
// described for a minute.
func Zero() Timing { return Timing{Terminated: time.Minute} }

type field struct {
	name string
	at   *time.Duration
}

func (t *Timing) fields() []field {
	return []field{
		{"running", &t.Running}, {"ssh", &t.SSH}, {"stopping", &t.Stopping},
		{"terminating", &t.Terminating}, {"terminated", &t.Terminated}, {"image", &t.Image},
		{"copy", &t.Copy}, {"snapshot", &t.Snapshot}, {"disk", &t.Disk}, {"volume", &t.Volume},
		{"operation", &t.Operation}, {"consistency", &t.Consistency},
	}
}

// Parse reads "running=3s,ssh=2s,image=8s". What is not named is as in Default.
// The empty string is Default.
func Parse(s string) (Timing, error) {
	t := Default()
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return Timing{}, fmt.Errorf("timing %q: want NAME=DURATION", part)
		}
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return Timing{}, fmt.Errorf("timing %s: %q is not a duration such as 3s", name, value)
		}
		at := t.at(name)
		if at == nil {
			return Timing{}, fmt.Errorf("timing: there is no %q (%s)", name, strings.Join(names(), ", "))
		}
		*at = d
	}
	return t, nil
}

// String writes all of it as Parse reads it.
func (t Timing) String() string {
	var parts []string
	for _, f := range t.fields() {
		parts = append(parts, f.name+"="+f.at.String())
	}
	return strings.Join(parts, ",")
}

func (t *Timing) at(name string) *time.Duration {
	for _, f := range t.fields() {
		if f.name == name {
			return f.at
		}
	}
	return nil
}

func names() []string {
	var all []string
	for _, f := range new(Timing).fields() {
		all = append(all, f.name)
	}
	return all
}
