package amazon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/pause"
)

// plugin is the program that carries sessions of AWS Systems Manager.
const plugin = "session-manager-plugin"

// pluginAnswer is the environment variable that the plugin reads the session
// from, where its first argument names it: everybody on this host could read
// the session's token in an argument.
const pluginAnswer = "AWS_SSM_START_SESSION_RESPONSE"

// agentTime is how long the agent on the instance may take to connect to
// Systems Manager.
const agentTime = 10 * time.Minute

// ssmSession leads from a port of this host to the instance's SSH server.
type ssmSession struct {
	port int
	id   string
	end  context.CancelFunc
	done chan struct{} // closed when the plugin has ended
}

func (s *ssmSession) close() {
	s.end()
	<-s.done
}

func (s *ssmSession) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// checkPlugin refuses session_manager where its program is not there.
func (s *source) checkPlugin(context.Context) error {
	if s.network.SSHInterface != "session_manager" {
		return nil
	}
	if _, err := exec.LookPath(plugin); err != nil {
		return builders.WithHint(fmt.Errorf("ssh_interface \"session_manager\" needs the program %s, which is not installed", plugin),
			"see docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html")
	}
	return nil
}

// openSession starts a session to the instance, once its agent is there, unless
// one is open.
func (i *instance) openSession(ctx context.Context) error {
	i.look.Lock()
	old := i.session
	i.look.Unlock()
	if old != nil && old.alive() {
		return nil
	}
	if old == nil && i.network.PauseBeforeSSM > 0 {
		if err := pause.For(ctx, i.network.PauseBeforeSSM); err != nil {
			return err
		}
	}
	port := i.network.SessionManagerPort
	if port == 0 {
		var err error
		if port, err = freePort(ctx); err != nil {
			return err
		}
	}
	i.env.Log.Say(fmt.Sprintf("Starting a session of Systems Manager to %s at port %d", i.id, port))
	in := &ssm.StartSessionInput{Target: &i.id, DocumentName: aws.String("AWS-StartPortForwardingSession"), Parameters: map[string][]string{
		"portNumber": {strconv.Itoa(i.comm.Port)}, "localPortNumber": {strconv.Itoa(port)},
	}}
	out, err := i.startSession(ctx, in)
	if err != nil {
		return err
	}
	s, err := i.runPlugin(ctx, in, out, port)
	if err != nil {
		return err
	}
	i.look.Lock()
	i.session = s
	i.look.Unlock()
	return nil
}

// startSession asks for a session until the agent of the instance has called.
func (i *instance) startSession(ctx context.Context, in *ssm.StartSessionInput) (*ssm.StartSessionOutput, error) {
	client := ssm.NewFromConfig(i.r.Config)
	ctx, cancel := context.WithTimeoutCause(ctx, agentTime, fmt.Errorf("the agent of %s did not connect to Systems Manager within %s", i.id, agentTime))
	defer cancel()
	for attempt := 0; ; attempt++ {
		out, err := client.StartSession(ctx, in)
		switch {
		case err == nil:
			return out, nil
		case !hasCode(err, "TargetNotConnected"):
			return nil, i.r.explain(ctx, "start a session to "+i.id, err)
		}
		d, _ := backoff(attempt+3, nil)
		if err := pause.For(ctx, min(d, 5*time.Second)); err != nil {
			return nil, builders.WithHint(err, "the image needs the SSM agent, the instance a profile with AmazonSSMManagedInstanceCore and a way to the service")
		}
	}
}

// runPlugin starts the plugin, and returns when it listens.
func (i *instance) runPlugin(ctx context.Context, in *ssm.StartSessionInput, out *ssm.StartSessionOutput, port int) (*ssmSession, error) {
	answer, err := json.Marshal(map[string]*string{"SessionId": out.SessionId, "StreamUrl": out.StreamUrl, "TokenValue": out.TokenValue})
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(map[string]any{"Target": in.Target, "DocumentName": in.DocumentName, "Parameters": in.Parameters})
	if err != nil {
		return nil, err
	}
	endpoint := fmt.Sprintf("https://ssm.%s.amazonaws.com", i.r.Name)
	if e := aws.ToString(i.r.Config.BaseEndpoint); e != "" {
		endpoint = e
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(life, plugin, pluginAnswer, i.r.Name, "StartSession", i.access.config.Profile, string(request), endpoint) //nolint:gosec // AWS's own calling convention
	cmd.Env = append(os.Environ(), pluginAnswer+"="+string(answer))
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = writer, writer, time.Second
	if err := cmd.Start(); err != nil {
		end()
		return nil, err
	}
	s := &ssmSession{port: port, id: aws.ToString(out.SessionId), end: end, done: make(chan struct{})}
	var said lastLines
	ready := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		said.follow(reader, "Waiting for connections", ready)
	}()
	go func() {
		_ = cmd.Wait()
		writer.Close()
		<-read
		close(s.done)
	}()
	select {
	case <-ready:
		return s, nil
	case <-s.done:
		end()
		return nil, builders.WithHint(fmt.Errorf("%s ended: %s", plugin, said.text()), "it must be of version 1.2.536.0 or later: "+plugin+" --version")
	case <-ctx.Done():
		s.close()
		return nil, context.Cause(ctx)
	}
}

// lastLines keeps what a program printed last.
type lastLines struct {
	mu   sync.Mutex
	kept []string
}

// follow reads lines, and closes ready at the first that has the text.
func (l *lastLines) follow(r io.Reader, text string, ready chan<- struct{}) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		l.mu.Lock()
		l.kept = append(l.kept, in.Text())
		l.kept = l.kept[max(0, len(l.kept)-5):]
		l.mu.Unlock()
		if ready != nil && strings.Contains(in.Text(), text) {
			close(ready)
			ready = nil
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

func (l *lastLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.kept, "; ")
}

// freePort returns a port of this host that nobody listens at.
func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("no port")
	}
	return addr.Port, nil
}
