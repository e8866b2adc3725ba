package ssh

import (
	"context"
	"errors"
	"fmt"

	gossh "golang.org/x/crypto/ssh"
)

// runPty runs the script on a pseudo terminal. A shell on a terminal would
// prompt and echo what it reads, so that the script goes ahead to a file,
// which it removes before all else.
func (c *Conn) runPty(ctx context.Context, sc script, lim limits, out func(line string, stderr bool)) (Exit, began, error) {
	file := "/tmp/." + mark()
	file = file[:len(file)-1]
	sc.first = "rm -f -- " + file + "\n"
	text, err := sc.text()
	if err != nil {
		return Exit{}, began{}, err
	}
	if err := c.send(ctx, lim, "umask 077; set -C; cat >"+file, text); err != nil {
		return Exit{}, began{}, err
	}
	s, err := c.open(ctx, lim)
	if err == nil {
		err = s.startPty("exec /bin/sh " + file)
	}
	if err != nil {
		return Exit{}, began{}, errors.Join(err, c.send(context.WithoutCancel(ctx), lim, "rm -f -- "+file, ""))
	}
	return c.follow(ctx, s, sc.mark, "", out)
}

// startPty asks for a command to be run on a pseudo terminal that does not
// change what it prints.
func (s *session) startPty(command string) error {
	modes := []byte{}
	for _, m := range []struct {
		code  uint8
		value uint32
	}{{gossh.ECHO, 0}, {gossh.OPOST, 0}, {gossh.ICANON, 1}} {
		modes = append(modes, m.code, 0, 0, 0, byte(m.value))
	}
	ok, err := s.ch.SendRequest("pty-req", true, gossh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{"xterm", 80, 40, 640, 480, string(append(modes, 0))}))
	if err == nil && !ok {
		err = fmt.Errorf("the server gives no pseudo terminal (ssh_pty)")
	}
	if err != nil {
		s.ch.Close()
		return err
	}
	return s.start(command)
}
