package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// serve starts a program that runs until stop is called, and returns when a
// line that it prints contains ready.
func (s *stand) serve(ctx context.Context, ready string, argv ...string) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	r, w, err := os.Pipe()
	if err != nil {
		cancel()
		return nil, err
	}
	cmd := group(exec.CommandContext(ctx, argv[0], argv[1:]...))
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM // should this process be killed
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env(), w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		cancel()
		return nil, errors.Join(err, r.Close())
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	stop = func() { cancel(); <-done; r.Close() }
	if text, err := waitLine(r, ready); err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w%s", strings.Join(argv, " "), err, lastLines([]byte(text)))
	}
	go func() { _, _ = io.Copy(io.Discard, r) }() // it must never wait for a reader
	return stop, nil
}

// waitLine reads until a line contains ready. It returns what it read.
func waitLine(r io.Reader, ready string) (string, error) {
	var text strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), ready) {
			return text.String(), nil
		}
	}
	return text.String(), errors.New("it ended before it was ready")
}
