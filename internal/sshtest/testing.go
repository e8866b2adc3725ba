package sshtest

import (
	"strings"
	"testing"
)

// Run starts a server that lives as long as the test. Where none can be run,
// the test is skipped, by name.
func Run(t testing.TB, o Options) *Server {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip("cannot run here: " + err.Error())
	}
	if o.User != "" || o.PAM || o.BootID != "" || o.Tmpfs != "" {
		if err := Isolated(); err != nil {
			t.Skip("cannot run here: " + err.Error())
		}
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log := strings.Split(s.Log(), "\n")
			t.Logf("the last lines of sshd: %s", strings.Join(log[max(0, len(log)-20):], "\n"))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
