//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package ui

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// keyboard reads single keys from a terminal. Signals (ctrl-C) and the output
// of other parts work as before: only echo and waiting for whole lines are off,
// which is less than term.MakeRaw does.
type keyboard struct {
	in      *os.File
	before  unix.Termios
	wake    *os.File // closing it ends the reading
	reading sync.WaitGroup
}

// openKeyboard calls press for each key. It returns nil where in is not a
// terminal, or one that another job has.
func openKeyboard(in *os.File, press func(byte)) *keyboard {
	if in == nil {
		return nil
	}
	fd := int(in.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil
	}
	if job, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || job != unix.Getpgrp() {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	k := &keyboard{in: in, before: *before, wake: w}
	single := *before
	single.Lflag &^= unix.ICANON | unix.ECHO
	single.Cc[unix.VMIN], single.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, setTermios, &single); err != nil {
		r.Close()
		w.Close()
		return nil
	}
	k.reading.Add(1)
	go k.read(r, press)
	return k
}

// read waits on the keyboard and on wake, so that it never takes a key after
// close.
func (k *keyboard) read(wake *os.File, press func(byte)) {
	defer k.reading.Done()
	defer wake.Close()
	fds := []unix.PollFd{{Fd: int32(k.in.Fd()), Events: unix.POLLIN}, {Fd: int32(wake.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || fds[1].Revents != 0:
			return
		}
		var key [1]byte
		if n, err := unix.Read(int(k.in.Fd()), key[:]); n == 0 || err != nil && err != unix.EINTR {
			return
		} else if n == 1 {
			press(key[0])
		}
	}
}

// restore gives the terminal the settings it had.
func (k *keyboard) restore() {
	if k != nil {
		_ = unix.IoctlSetTermios(int(k.in.Fd()), setTermios, &k.before)
	}
}

func (k *keyboard) close() {
	if k == nil {
		return
	}
	k.restore()
	k.wake.Close()
	k.reading.Wait()
}

// onSuspend gives the terminal back while the process is stopped (ctrl-Z) and
// before it dies of SIGQUIT. The result ends it.
func onSuspend(t *terminal) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGCONT, unix.SIGQUIT)
	if !signal.Ignored(unix.SIGTSTP) { // else no shell would wake us again
		signal.Notify(signals, unix.SIGTSTP)
	}
	done := make(chan struct{})
	t.running.Add(1)
	go func() {
		defer t.running.Done()
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				suspend(t, s)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

func suspend(t *terminal, s os.Signal) {
	switch s {
	case unix.SIGTSTP:
		t.Pause()
		_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
		t.Resume()
	case unix.SIGCONT:
		t.listen() // the job may have come to the foreground
	case unix.SIGQUIT:
		t.Pause()
		signal.Reset(unix.SIGQUIT)
		_ = unix.Kill(unix.Getpid(), unix.SIGQUIT)
	}
}
