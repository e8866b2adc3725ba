package proxy

import (
	"io"
	"sync"

	gossh "golang.org/x/crypto/ssh"
)

// pass joins a session that a client asks for with one on the machine.
func (p *Proxy) pass(asked gossh.NewChannel) {
	there, theirs, err := p.open(p.ctx)
	if err != nil {
		_ = asked.Reject(gossh.ConnectionFailed, err.Error())
		return
	}
	defer there.Close()
	here, ours, err := asked.Accept()
	if err != nil {
		go gossh.DiscardRequests(theirs)
		return
	}
	defer here.Close()
	started := make(chan struct{})
	go p.requests(there, ours, sync.OnceFunc(func() { close(started) }))
	go func() {
		<-started // a server drops what comes before the command
		_, _ = io.Copy(there, here)
		_ = there.CloseWrite()
	}()
	var output sync.WaitGroup
	output.Go(func() { _, _ = io.Copy(here, there) })
	output.Go(func() { _, _ = io.Copy(here.Stderr(), there.Stderr()) })
	var last []*gossh.Request
	for r := range theirs {
		// How the command ended is told after its output.
		if r.Type == "exit-status" || r.Type == "exit-signal" {
			last = append(last, r)
			continue
		}
		answer(r, here)
	}
	output.Wait()
	_ = here.CloseWrite()
	for _, r := range last {
		answer(r, here)
	}
}

// requests passes on what the client asks of its session, until the client
// closes it.
func (p *Proxy) requests(there gossh.Channel, ours <-chan *gossh.Request, started func()) {
	defer there.Close()
	defer started()
	for r := range ours {
		switch r.Type {
		case "auth-agent-req@openssh.com", "x11-req":
			if r.WantReply {
				_ = r.Reply(false, nil) // there is no way back for their channels
			}
			continue
		case "subsystem":
			p.replaceSFTP(r)
		}
		answer(r, there)
		switch r.Type {
		case "exec", "shell", "subsystem":
			started()
		}
	}
}

// replaceSFTP makes of the request for the SFTP subsystem one to run a command.
func (p *Proxy) replaceSFTP(r *gossh.Request) {
	var name struct{ Name string }
	if p.sftp != "" && gossh.Unmarshal(r.Payload, &name) == nil && name.Name == "sftp" {
		r.Type, r.Payload = "exec", gossh.Marshal(struct{ Command string }{p.sftp})
	}
}

// answer sends a request on and its answer back.
func answer(r *gossh.Request, to gossh.Channel) {
	ok, err := to.SendRequest(r.Type, r.WantReply, r.Payload)
	if r.WantReply {
		_ = r.Reply(ok && err == nil, nil)
	}
}
