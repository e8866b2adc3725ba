// Package winrmtest is a server for tests that speaks WinRM (WS-Management,
// MS-WSMV) over HTTP and HTTPS with basic authentication and NTLM: shells,
// commands, their streams, signals, limits and faults are as those of Windows.
// What stands behind it is no Windows: it knows a handful of commands of cmd, a
// few statements of PowerShell and the scripts of internal/winrm, over a folder
// of this host as its drive.
package winrmtest

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options say what the server is like. The zero value speaks HTTP and takes
// basic authentication.
type Options struct {
	TLS         bool
	NTLM        bool   // takes only NTLM
	Password    string // of User; "" makes one up
	MaxEnvelope int    // largest request in bytes; 0 is 500 KiB
	Downtime    time.Duration
}

// User is the account that may log in.
const User = "Administrator"

// Server is a running server.
type Server struct {
	Host     string
	Port     int
	Password string
	Dir      string // the folder that is drive C:
	CertPEM  []byte // with TLS

	options Options
	cert    tls.Certificate

	mu       sync.Mutex
	up       bool
	listener net.Listener
	http     *http.Server
	shells   map[string]*shell
	boots    int
	requests map[string]int // by action
	logins   map[string]*handshake
	closed   chan struct{}
	restarts sync.WaitGroup
}

// Start starts a server on a free port of this host.
func Start(o Options) (*Server, error) {
	dir, err := os.MkdirTemp("", "ingot-winrmtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{
		Host: "127.0.0.1", Password: o.Password, Dir: dir, options: o,
		requests: map[string]int{}, logins: map[string]*handshake{}, closed: make(chan struct{}),
	}
	if s.Password == "" {
		s.Password = "Pa'ss\"w0rd&" + uuid.NewString()[:8]
	}
	if s.options.MaxEnvelope == 0 {
		s.options.MaxEnvelope = 500 << 10
	}
	if o.TLS {
		if err := s.Recertify(); err != nil {
			return nil, err
		}
	}
	if err := s.boot("127.0.0.1:0"); err != nil {
		return nil, err
	}
	return s, nil
}

// boot begins to listen.
func (s *Server) boot(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	if s.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	s.listener, s.up, s.shells = l, true, map[string]*shell{}
	s.boots++
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ConnState: s.forget, ErrorLog: log.New(io.Discard, "", 0)}
	if s.options.TLS {
		l = tls.NewListener(l, &tls.Config{GetCertificate: s.certificate})
	}
	go func(h *http.Server) { _ = h.Serve(l) }(s.http)
	return nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Boots returns how often the machine has started.
func (s *Server) Boots() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boots
}

// Requests returns how many requests there were for an action: "Create",
// "Command", "Send", "Receive", "Signal", "Delete".
func (s *Server) Requests(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[action]
}

// Shells returns how many shells there are.
func (s *Server) Shells() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.shells)
}

// Down takes the machine off the network at once, as when it restarts.
func (s *Server) Down() {
	s.mu.Lock()
	h, shells := s.http, s.shells
	up := s.up
	s.up, s.shells = false, map[string]*shell{}
	s.mu.Unlock()
	if !up {
		return
	}
	_ = h.Close()
	for _, sh := range shells {
		sh.close()
	}
}

// Up starts the machine again at the same address.
func (s *Server) Up() error { return s.boot(s.Addr()) }

// Cut ends all connections, and nothing else.
func (s *Server) Cut() {
	s.mu.Lock()
	l := s.listener
	h := s.http
	s.mu.Unlock()
	_ = h.Close()
	_ = l.Close()
	s.mu.Lock()
	shells, boots := s.shells, s.boots
	s.mu.Unlock()
	if err := s.boot(s.Addr()); err != nil {
		return
	}
	s.mu.Lock()
	s.shells, s.boots = shells, boots
	s.mu.Unlock()
}

// restart is what "shutdown /r" does: the machine goes down a moment later.
func (s *Server) restart() {
	s.restarts.Go(func() {
		s.wait(50 * time.Millisecond)
		s.Down()
		if s.wait(s.options.Downtime) {
			_ = s.Up() // a test that waits for it says so
		}
	})
}

// wait waits. It reports false when the server is closed.
func (s *Server) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.closed:
		return false
	case <-timer.C:
		return true
	}
}

// Close ends the server and removes its drive.
func (s *Server) Close() error {
	close(s.closed)
	s.restarts.Wait()
	s.Down()
	return os.RemoveAll(s.Dir)
}
