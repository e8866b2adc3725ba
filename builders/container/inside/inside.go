// Package inside is the process that a program of the host works through in a
// container: an SSH server whose one client is ingot. It is ingot itself,
// under a hidden command. BuildKit runs it as the command of a step, with
// nothing of it left in the layer, and forwards its connection.
package inside

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"sync"

	gossh "golang.org/x/crypto/ssh"
)

// Command is the name of the hidden command. Its argument says what is done:
// it makes the step another one in BuildKit's cache, and is not looked at.
const Command = "container-sessions"

// Places in the container, where no layer is.
const (
	Folder = "/dev/ingot/bin"
	Socket = "/dev/ingot/connection" // leads to the host
)

// ended is the request by which the host says how the program has ended.
const ended = "ended@ingot"

// lost is the exit code of a process that nobody speaks to any more.
const lost = 1

// Run serves sessions until the host says how its program has ended, and
// returns that exit code.
func Run(ctx context.Context) (int, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", Socket)
	if err != nil {
		return lost, fmt.Errorf("reach the host: %w", err)
	}
	defer conn.Close()
	return serve(ctx, conn)
}

func serve(ctx context.Context, conn net.Conn) (int, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return lost, err
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		return lost, err
	}
	// The connection is BuildKit's, and private: nobody else is at its end.
	config := &gossh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	server, channels, requests, err := gossh.NewServerConn(conn, config)
	if err != nil {
		return lost, fmt.Errorf("speak to the host: %w", err)
	}
	defer server.Close()
	code := make(chan int, 1)
	go func() {
		defer close(code)
		for r := range requests {
			var msg struct{ Code uint32 }
			known := r.Type == ended && gossh.Unmarshal(r.Payload, &msg) == nil
			if r.WantReply {
				_ = r.Reply(known, nil)
			}
			if known {
				code <- int(msg.Code)
				return
			}
		}
	}()
	login := newLogin()
	var sessions sync.WaitGroup
	go func() {
		for asked := range channels {
			if asked.ChannelType() != "session" {
				_ = asked.Reject(gossh.UnknownChannelType, "there are only sessions here")
				continue
			}
			sessions.Go(func() { login.session(asked) })
		}
	}()
	if c, told := <-code; told {
		return c, nil
	}
	return lost, fmt.Errorf("the host is gone")
}

// End tells the process inside how the program has ended.
func End(client *gossh.Client, code int) error {
	_, _, err := client.SendRequest(ended, true, gossh.Marshal(struct{ Code uint32 }{uint32(code)}))
	return err
}

// environ is the environment of the commands.
func environ(l *login) []string {
	env := []string{"HOME=" + l.home, "USER=" + l.user, "LOGNAME=" + l.user, "SHELL=" + shell}
	for _, v := range os.Environ() {
		if name := nameOf(v); name != "SSH_AUTH_SOCK" && name != "HOME" && name != "USER" && name != "LOGNAME" && name != "SHELL" {
			env = append(env, v)
		}
	}
	return env
}
