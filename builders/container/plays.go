package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session/sshforward"
	gossh "golang.org/x/crypto/ssh"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/inside"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/localexec"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh/proxy"
)

// A program of this host that works on a container, as ansible-playbook, is a
// step of BuildKit's: its command, in the container, is the process inside.
// When BuildKit runs it, it connects to this host, which then runs the program,
// lets it in by a proxy, and at the end tells the process what to exit with. So
// what the program did is a layer, and is taken from the cache the next time.

// connected adds a program that works on the container to the state.
func (s *buildSession) connected(step builders.Step, o *op.Local) error {
	exe, err := s.executable()
	if err != nil {
		return err
	}
	key := step.Key
	if key == "" {
		key = op.Hash([]op.Op{o})
	}
	// Where the program gets secrets, the key of the step has constants.
	id := fmt.Sprintf("%s-%d", key, s.ran.connected)
	s.ran.connected++
	user := s.opts.user(s.config.Config.User)
	s.plays.add(id, &play{local: o, user: loginName(user), log: s.env.Log})
	name := inside.Folder + "/ingot"
	r := &run{session: s, argv: []string{name, inside.Command, id}}
	r.add(llb.AddMount(inside.Folder, s.files.add(fileFS{"ingot", exe}, exe.Blob.Name, "the sessions of "+step.Name), llb.Readonly))
	r.add(llb.AddSSHSocket(llb.SSHID(id), llb.SSHSocketOpt(inside.Socket, 0, 0, 0o666)))
	r.add(s.common()...)
	r.add(llb.User(user), s.workDir(""))
	s.run(step, localexec.Name(o), r)
	return nil
}

// loginName is the user of a container as Ansible is told it.
func loginName(user string) string {
	name, _, _ := strings.Cut(user, ":")
	return cmp.Or(name, "root")
}

// executable is the file of this program, which is the process inside too.
func (s *buildSession) executable() (op.File, error) {
	if s.exe.Path != "" {
		return s.exe, nil
	}
	path, err := os.Executable()
	if err != nil {
		return op.File{}, err
	}
	blob, err := op.FileBlob(path)
	if err != nil {
		return op.File{}, err
	}
	s.exe = op.File{Path: path, Mode: 0o755, Blob: blob}
	return s.exe, nil
}

// canConnect refuses a program of this host where the process inside could not
// be run.
func (o *options) canConnect() error {
	if runtime.GOOS == "linux" && o.platform.Architecture == runtime.GOARCH {
		return nil
	}
	return builders.WithHint(
		fmt.Errorf("from a host of %s/%s it can't work in a container of %s", runtime.GOOS, runtime.GOARCH, platforms.Format(o.platform)),
		"use ansible-local, which runs in the container, or build on a host of that architecture")
}

// plays are the programs that wait for their containers, by id. It answers
// BuildKit.
type plays struct {
	mu   sync.Mutex
	list map[string]*play
	work sync.WaitGroup // those that run
}

func (p *plays) add(id string, one *play) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.list == nil {
		p.list = map[string]*play{}
	}
	p.list[id] = one
}

func (p *plays) find(id string) (*play, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one := p.list[id]; one != nil {
		return one, nil
	}
	return nil, status.Errorf(codes.NotFound, "nothing waits for %s", id)
}

// failure is why one has failed, nil where none has. It is told once.
func (p *plays) failure() error {
	p.work.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		if err := one.err; err != nil {
			one.err = nil
			return err
		}
	}
	return nil
}

// Register offers BuildKit the connections.
func (p *plays) Register(server *grpc.Server) { sshforward.RegisterSSHServer(server, p) }

// CheckAgent reports whether something waits for a connection of this id.
func (p *plays) CheckAgent(_ context.Context, r *sshforward.CheckAgentRequest) (*sshforward.CheckAgentResponse, error) {
	_, err := p.find(r.ID)
	return &sshforward.CheckAgentResponse{}, err
}

// ForwardAgent takes a connection that the process inside has made.
func (p *plays) ForwardAgent(stream sshforward.SSH_ForwardAgentServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	id := md.Get(sshforward.KeySSHID)
	if len(id) == 0 {
		return status.Error(codes.InvalidArgument, "no id")
	}
	one, err := p.find(id[0])
	if err != nil {
		return err
	}
	if !one.mu.TryLock() {
		return status.Error(codes.ResourceExhausted, "somebody is connected already")
	}
	defer one.mu.Unlock()
	p.work.Add(1)
	defer p.work.Done()
	ours, theirs := net.Pipe()
	go func() { _ = sshforward.Copy(stream.Context(), theirs, stream, nil) }()
	defer ours.Close()
	one.run(stream.Context(), ours)
	return nil
}

// play is a program that works on a container.
type play struct {
	local *op.Local
	user  string
	log   event.Log

	mu  sync.Mutex // held while it runs
	err error      // why it failed
}

// run runs the program, and tells the process inside how it ended.
func (p *play) run(ctx context.Context, conn net.Conn) {
	// The connection is BuildKit's and private, so that there is no key to
	// know the other side by.
	c, channels, requests, err := gossh.NewClientConn(conn, "", &gossh.ClientConfig{
		User: p.user, HostKeyCallback: gossh.InsecureIgnoreHostKey(), ClientVersion: "SSH-2.0-ingot",
	})
	if err != nil {
		p.err = fmt.Errorf("speak to the container: %w", err)
		return
	}
	client := gossh.NewClient(c, channels, requests)
	defer client.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_ = client.Wait() // the process inside was ended
		cancel()
	}()
	p.err = p.work(ctx, client)
	code := 0
	var exit *builders.ExitError
	switch {
	case errors.As(p.err, &exit):
		code = max(exit.Code, 1)
	case p.err != nil:
		code = 1
	}
	_ = inside.End(client, code) // where it is not told, it sees the end of the connection
}

func (p *play) work(ctx context.Context, client *gossh.Client) error {
	server, err := proxy.Start(p.local.Connection.Proxy, func(context.Context) (gossh.Channel, <-chan *gossh.Request, error) {
		return client.OpenChannel("session", nil)
	})
	if err != nil {
		return err
	}
	defer server.Close()
	way := server.Way()
	way.User = p.user
	return localexec.Run(ctx, way.Bind(p.local), p.log.Output)
}
