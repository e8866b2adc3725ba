package op

import (
	"time"

	"github.com/ingot-build/ingot/internal/key"
)

// Exit is how a command ended.
type Exit struct {
	Code   int
	Signal string // e.g. "KILL"; "" where it exited by itself
}

// Reboot restarts a Windows machine. It is done when the machine has started
// anew, which its count of boots tells, and the checks end well.
type Reboot struct {
	Cmd    string        // the command line that restarts it
	OK     []int         // exit codes of it that count as success; nil is {0}
	Checks []string      // command lines that are tried again until they end well
	Within time.Duration // how long all of it may take; 0 is 5m
}

// Kind is KindReboot.
func (*Reboot) Kind() Kind { return KindReboot }

// Hash adds the commands and accepted exit codes.
func (o *Reboot) Hash(h *key.Hasher) {
	h.String(string(KindReboot)).String(o.Cmd).Strings(o.Checks)
	hashCodes(h, o.OK)
}

func (v Values) reboot(o *Reboot) *Reboot {
	c := *o
	c.Cmd, c.Checks = v.Text(o.Cmd), v.argv(o.Checks)
	return &c
}
