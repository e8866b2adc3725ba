package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/sshtest"
)

const (
	fleetSize   = 200
	fleetMemory = 200e6 // bytes
)

// benchFleet measures many builds at once. They share one server, which has to
// fork and to agree on keys for each: how long that alone takes is measured
// beside it, with clients that do nothing else.
func benchFleet(ctx context.Context, s *stand) ([]row, error) {
	open, err := s.fleet(ctx, "MaxStartups 1000")
	if err != nil {
		return nil, err
	}
	rows := open.rows()
	usual, err := s.fleet(ctx)
	if err != nil {
		return rows, fmt.Errorf("default MaxStartups: %w", err)
	}
	r := newRow("default MaxStartups", usual.many, usual.openSSH, 0, fmt.Sprintf(
		"all %d builds of each round succeeded; of the OpenSSH clients the server turned away %d of %d", fleetSize, usual.refused, usual.tried))
	return append(rows, r), nil
}

// fleetResult is what was measured against one server.
type fleetResult struct {
	many, one, openSSH, xCrypto *side
	refused, tried              int // OpenSSH clients
}

func (s *stand) fleet(ctx context.Context, config ...string) (*fleetResult, error) {
	srv, err := s.startSSH(sshtest.Options{Config: config})
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	many, err1 := s.write("fleet.pkr.hcl", fleetTemplate(srv, fleetSize))
	one, err2 := s.write("one.pkr.hcl", fleetTemplate(srv, 1))
	client, err3 := srv.client("sleep 1")
	login, err4 := srv.login()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	r := &fleetResult{}
	r.many = &side{name: "ingot", turn: s.command(s.ingot, "build", "-force", many)}
	r.one = &side{name: "one build", turn: s.command(s.ingot, "build", "-force", one)}
	r.openSSH = &side{name: "OpenSSH clients", turn: func(ctx context.Context) (sample, error) {
		got, refused, err := s.clients(ctx, client)
		r.refused, r.tried = r.refused+refused, r.tried+fleetSize
		return got, err
	}}
	sides := []*side{r.many, r.one, r.openSSH}
	if len(config) > 0 { // with the default some are refused, and these do not ask again
		r.xCrypto = &side{name: "x/crypto clients", turn: func(ctx context.Context) (sample, error) { return connections(ctx, srv, login) }}
		sides = append(sides, r.xCrypto)
	}
	return r, s.compare(ctx, sides...)
}

// rows judges time by what is allowed: three times one build, or what sshd
// allows its own clients, which are what one would use instead. Beside it is the
// least that these sessions can take: one process that does nothing else, no
// plan, no keys, no log and no version.
func (r *fleetResult) rows() []row {
	limit, who := 3*r.one.median(), "3 × one build"
	if sshd := r.openSSH.median(); sshd > limit {
		limit, who = sshd, fmt.Sprintf("what sshd allows %d OpenSSH clients", fleetSize)
	}
	t := newRow("time", r.many, r.openSSH, 1, fmt.Sprintf("one build %s; the same sessions by %d OpenSSH clients %s",
		seconds(r.one.median()), fleetSize, seconds(r.openSSH.median())))
	t.Who, t.Peer = who, limit.Seconds()
	m := row{Bench: "memory", Unit: "B", Ours: float64(r.many.peak()), Peer: fleetMemory, Who: "the bar itself; peak resident", Bar: 1}
	least := newRow("least", r.many, r.xCrypto, 0, fmt.Sprintf("%d connections of golang.org/x/crypto/ssh in one process, which do the sessions and nothing else", fleetSize))
	return []row{t.judged(), least, m.judged()}
}

func fleetTemplate(srv *sshServer, n int) string {
	var b strings.Builder
	var names []string
	for i := range n {
		name := fmt.Sprintf("m%03d", i)
		b.WriteString(srv.source(name))
		names = append(names, fmt.Sprintf("%q", "source.null."+name))
	}
	fmt.Fprintf(&b, `
build {
  sources = [%s]

  provisioner "shell" { inline = ["sleep 1"] }
  provisioner "shell" { inline = ["echo done"] }
}
`, strings.Join(names, ", "))
	return b.String()
}

// clients starts the OpenSSH client many times at once. It reports how many
// the server refused.
func (s *stand) clients(ctx context.Context, argv []string) (sample, int, error) {
	begin := time.Now()
	var running []*exec.Cmd
	for range fleetSize {
		cmd := group(exec.CommandContext(ctx, argv[0], argv[1:]...))
		cmd.Env = s.env()
		if err := cmd.Start(); err != nil {
			return sample{}, 0, err
		}
		running = append(running, cmd)
	}
	refused := 0
	for _, cmd := range running {
		if cmd.Wait() != nil {
			refused++
		}
	}
	return sample{time: time.Since(begin)}, refused, ctx.Err()
}

// connections opens as many connections from this process, and on each does
// what a build does and no more: a session for each provisioner, in which a
// script is written, run and removed.
func connections(ctx context.Context, srv *sshServer, login *ssh.ClientConfig) (sample, error) {
	begin := time.Now()
	errs := make([]error, fleetSize)
	var all sync.WaitGroup
	for i := range fleetSize {
		all.Go(func() { errs[i] = sessions(ctx, srv.Addr(), login, "sleep 1", "echo done") })
	}
	all.Wait()
	return sample{time: time.Since(begin)}, errors.Join(append(errs, ctx.Err())...)
}

func sessions(ctx context.Context, address string, login *ssh.ClientConfig, commands ...string) error {
	conn, err := ssh.Dial("tcp", address, login)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for _, c := range commands {
		session, err := conn.NewSession()
		if err != nil {
			return err
		}
		session.Stdin = strings.NewReader("#!/bin/sh -e\n" + c + "\n")
		if _, err := session.Output(runScript); err != nil {
			return err
		}
	}
	return nil
}

// runScript is the least that a machine has to do for a script: it comes on
// standard input.
const runScript = `umask 077; f=/tmp/bench-$$; cat >$f && chmod 755 $f && $f; r=$?; rm -f $f; exit $r`

// login is how x/crypto/ssh logs in to the server.
func (srv *sshServer) login() (*ssh.ClientConfig, error) {
	private, err1 := os.ReadFile(srv.KeyFile)
	public, err2 := os.ReadFile(srv.hostKeyFile())
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return nil, err
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User: srv.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.FixedHostKey(host), HostKeyAlgorithms: []string{host.Type()},
	}, nil
}
