package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestLine sends a stream over a line and back: it arrives whole, no sooner
// than it should, and nothing is left of the line.
func TestLine(t *testing.T) {
	t.Parallel()
	if why := missing([]need{root, iproute}); why != "" {
		t.Skip("cannot run here: " + why)
	}
	s := &stand{dir: t.TempDir(), progress: io.Discard}
	l, err := s.openLine(context.Background())
	if err != nil {
		t.Skip("cannot run here: " + err.Error())
	}
	defer l.close()
	var server net.Listener
	err = l.atFarEnd(func() (err error) { server, err = net.Listen("tcp", farAddress+":0"); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go echo(server)
	trip, err := l.roundTrip(context.Background(), server.Addr().String())
	if err != nil || trip < 2*delay {
		t.Errorf("a connect takes %s: %v", trip, err)
	}
	var conn net.Conn
	err = in(l.spaces[0], func() (err error) { conn, err = net.Dial("tcp", server.Addr().String()); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 4 << 20
	go func() { _, _ = conn.Write(make([]byte, size)) }()
	if _, err := io.CopyN(io.Discard, conn, size); err != nil {
		t.Error(err)
	}
	l.close()
	links := linkNames()
	for _, name := range append(l.spaces, links[:]...) {
		for _, dir := range []string{"/run/netns", "/sys/class/net"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Errorf("%s is left", name)
			}
		}
	}
}

// echo sends back what each client sends.
func echo(server net.Listener) {
	for {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}
