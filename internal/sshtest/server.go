// Package sshtest runs a real OpenSSH server for tests and benchmarks: on a
// loopback port, with keys and a configuration of its own.
package sshtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const daemon = "/usr/sbin/sshd"

// Options say what is special about a server. With the zero Options, the user
// who runs the test logs in with a key.
type Options struct {
	Config   []string // further lines of sshd_config; the first of a kind counts, they go ahead of ours
	HostKeys []string // kinds of the host keys: "ed25519" (where none is given), "rsa", "ecdsa"
	Port     int      // 0 takes a free one

	Shell string // the login's shell; "" is /bin/sh. Without namespaces it is the user's own

	// The following need root, and namespaces: see Isolated.

	User     string // a user that exists only in the server's sight; "" is who runs the test
	Password string // of User
	PAM      bool   // logins go through PAM, which asks for the password (keyboard-interactive)
	BootID   string // the boot id that commands see; "" is the host's
	Tmpfs    string // size of a file system at /mnt, e.g. "1m"; "" is none
}

// Server is a running sshd.
type Server struct {
	Host    string // "127.0.0.1"
	Port    int
	User    string
	KeyFile string // the private key that may log in, Ed25519
	HostKey string // fingerprint of the first host key
	Dir     string // configuration, keys and home of the server

	mu      sync.Mutex // serialises starting and stopping
	options Options
	cmd     *exec.Cmd
	waited  chan struct{}
	log     *logBuffer
}

// Addr returns "host:port".
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Log returns what the server has logged so far.
func (s *Server) Log() string { return s.log.String() }

// Available says why no server can be run here, nil where one can.
func Available() error {
	if _, err := os.Stat(daemon); err != nil {
		return fmt.Errorf("%s is not installed (Debian: openssh-server)", daemon)
	}
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		return errors.New("ssh-keygen is not installed (Debian: openssh-client)")
	}
	return nil
}

// Isolated says why servers can't have namespaces of their own here, nil where
// they can. Users, passwords, boot ids and file systems need them.
func Isolated() error {
	if os.Getuid() != 0 {
		return errors.New("this needs root")
	}
	probe := exec.Command("mount", "-t", "tmpfs", "tmpfs", "/mnt")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS}
	if out, err := probe.CombinedOutput(); err != nil {
		return fmt.Errorf("this needs mount namespaces: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// Start starts a server. The caller stops it, and removes all of it, by Close.
func Start(o Options) (*Server, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ingot-sshd-")
	if err != nil {
		return nil, err
	}
	if o.Shell == "" {
		o.Shell = "/bin/sh"
	}
	s := &Server{Host: "127.0.0.1", Port: o.Port, User: o.User, Dir: dir, options: o, log: &logBuffer{}}
	if err := s.prepare(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := s.start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// prepare writes keys and users.
func (s *Server) prepare() error {
	if s.User == "" {
		me, err := user.Current()
		if err != nil {
			return err
		}
		s.User = me.Username
	}
	// The server reads authorized_keys as the user who logs in.
	if err := os.Chmod(s.Dir, 0o755); err != nil {
		return err
	}
	kinds := s.options.HostKeys
	if len(kinds) == 0 {
		kinds = []string{"ed25519"}
	}
	for i, kind := range kinds {
		print, err := s.keygen("host_"+kind, kind)
		if err != nil {
			return err
		}
		if i == 0 {
			s.HostKey = print
		}
	}
	if _, err := s.keygen("id", "ed25519"); err != nil {
		return err
	}
	s.KeyFile = filepath.Join(s.Dir, "id")
	if err := s.Authorize(s.KeyFile + ".pub"); err != nil {
		return err
	}
	return nil
}

// keygen makes a key pair and returns its fingerprint.
func (s *Server) keygen(name, kind string) (string, error) {
	file := filepath.Join(s.Dir, name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file).CombinedOutput(); err != nil {
		return "", fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	out, err := exec.Command("ssh-keygen", "-l", "-f", file).Output()
	if err != nil {
		return "", fmt.Errorf("ssh-keygen: %w", err)
	}
	return strings.Fields(string(out))[1], nil
}

// Authorize lets one log in with the public key in a file.
func (s *Server) Authorize(publicKeyFile string) error {
	line, err := os.ReadFile(publicKeyFile)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.Dir, "authorized_keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Close())
}

// start runs sshd and waits until it listens.
func (s *Server) start() error {
	const tries = 10 // a free port may be taken by another before sshd has it
	var err error
	for range tries {
		port := s.Port
		if port == 0 {
			if port, err = freePort(); err != nil {
				return err
			}
		}
		if err = s.run(port); err == nil {
			s.Port = port
			return nil
		}
		if s.Port != 0 || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) config(port int) string {
	lines := append([]string{}, s.options.Config...)
	lines = append(lines,
		"ListenAddress "+net.JoinHostPort(s.Host, strconv.Itoa(port)),
		"AuthorizedKeysFile "+filepath.Join(s.Dir, "authorized_keys"),
		"PidFile none", "StrictModes no", "UseDNS no", "PrintMotd no", "PrintLastLog no",
		"PermitRootLogin yes", "LogLevel VERBOSE", "Subsystem sftp internal-sftp")
	if s.options.PAM {
		lines = append(lines, "UsePAM yes", "KbdInteractiveAuthentication yes", "PasswordAuthentication no")
	} else {
		lines = append(lines, "UsePAM no", "KbdInteractiveAuthentication no")
	}
	kinds := s.options.HostKeys
	if len(kinds) == 0 {
		kinds = []string{"ed25519"}
	}
	for _, kind := range kinds {
		lines = append(lines, "HostKey "+filepath.Join(s.Dir, "host_"+kind))
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *Server) run(port int) error {
	conf := filepath.Join(s.Dir, "sshd_config")
	if err := os.WriteFile(conf, []byte(s.config(port)), 0o600); err != nil {
		return err
	}
	cmd, err := s.command(conf)
	if err != nil {
		return err
	}
	stderr, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start sshd: %w", err)
	}
	s.cmd, s.waited = cmd, make(chan struct{})
	go func() {
		_ = cmd.Wait()
		w.Close()
		close(s.waited)
	}()
	up := make(chan struct{})
	go s.read(stderr, sync.OnceFunc(func() { close(up) }))
	select {
	case <-up:
		return nil
	case <-s.waited:
		return fmt.Errorf("sshd has ended: %s", s.Log())
	}
}

// read keeps the log, and says when the server listens.
func (s *Server) read(r io.Reader, up func()) {
	scan := bufio.NewScanner(r)
	for scan.Scan() {
		s.log.add(scan.Text())
		if strings.Contains(scan.Text(), "Server listening on") {
			up()
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

// Stop ends the server and all that runs in it at once, as a power failure
// does. Start it again with Restart.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *Server) stop() {
	if s.cmd == nil {
		return
	}
	for _, pid := range descendants(s.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = s.cmd.Process.Kill()
	<-s.waited
	s.cmd = nil
}

// Restart starts a stopped server at the same port, with another boot id.
func (s *Server) Restart(bootID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.options.BootID = bootID
	return s.start()
}

// Close stops the server and removes its files.
func (s *Server) Close() error {
	s.Stop()
	return os.RemoveAll(s.Dir)
}

// logBuffer is the log of a server.
type logBuffer struct {
	mu    sync.Mutex
	lines []string
}

func (l *logBuffer) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// outputDelay is how long the log of a server that was killed may take to end.
const outputDelay = time.Second
