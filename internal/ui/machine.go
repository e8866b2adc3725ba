package ui

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/event"
)

// Machine is the view in Packer's machine-readable format: lines of
// "unixtime,target,type,data…".
type Machine struct {
	steady
	narrator *narrator
	buf      bytes.Buffer
}

// MachineReadable returns the view in Packer's machine-readable format.
func MachineReadable(o Options) *Machine {
	o.Color = false
	m := &Machine{}
	m.out.w = o.Out
	m.narrator = newNarrator(o, m)
	return m
}

// Emit writes the lines of an event.
func (m *Machine) Emit(e event.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buf.Reset()
	m.narrator.tell(e)
	m.out.write(m.buf.Bytes())
}

// Record writes a line that is not about an event, e.g. "version". Target may
// be "".
func (m *Machine) Record(at time.Time, target, name string, data ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buf.Reset()
	m.narrator.now = at
	m.narrator.record(target, name, append([]string(nil), data...)...)
	m.out.write(m.buf.Bytes())
}

func (m *Machine) line(at time.Time, k kind, _, text string) {
	m.record(at, "", "ui", string(k), text)
}

func (m *Machine) record(at time.Time, target, name string, data ...string) {
	escape := strings.NewReplacer(",", "%!(PACKER_COMMA)", "\r", `\r`, "\n", `\n`)
	fmt.Fprintf(&m.buf, "%d,%s,%s", at.Unix(), escape.Replace(target), name)
	for _, d := range data {
		m.buf.WriteString("," + escape.Replace(d))
	}
	m.buf.WriteByte('\n')
}
