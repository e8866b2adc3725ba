package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// delay is what a packet takes from one end of the line to the other.
const delay = 20 * time.Millisecond

// Addresses of the two ends, each alone in a network namespace of its own.
const (
	nearAddress = "10.79.0.1"
	farAddress  = "10.79.0.2"
)

const spacePrefix = "ingot-bench-"

// line is a network of two machines that are far from each other: two network
// namespaces, and between them packets that take their time.
type line struct {
	kind   string // how the delay is made
	spaces []string
	undo   []func()
}

// openLine makes a line: with the kernel's netem where it has it, else with a
// delay of our own between two TUN devices.
func (s *stand) openLine(ctx context.Context) (l *line, err error) {
	s.removeLeftSpaces(ctx)
	l = &line{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	for _, end := range []string{"near", "far"} {
		name := fmt.Sprintf("%s%d-%s", spacePrefix, os.Getpid(), end)
		if _, err := s.output(ctx, "ip", "netns", "add", name); err != nil {
			return l, err
		}
		l.spaces = append(l.spaces, name)
		l.undo = append(l.undo, func() { s.removeSpace(name) })
		if _, err := s.output(ctx, "ip", "-n", name, "link", "set", "lo", "up"); err != nil {
			return l, err
		}
	}
	netemErr := l.netem(ctx, s)
	if netemErr == nil {
		return l, nil
	}
	s.say("no netem here (%s): delaying packets between two TUN devices instead", lastWords(netemErr))
	return l, l.tunnel(ctx, s)
}

// netem joins the ends by a pair of virtual cards that each delay what they send.
func (l *line) netem(ctx context.Context, s *stand) error {
	names := linkNames()
	near, far := []string{"ip", "-n", l.spaces[0]}, []string{"ip", "-n", l.spaces[1]}
	if _, err := s.output(ctx, append(near, "link", "add", names[0], "type", "veth", "peer", "name", names[1], "netns", l.spaces[1])...); err != nil {
		return err
	}
	for i, at := range [][]string{near, far} {
		_, err := s.output(ctx, "tc", "-n", l.spaces[i], "qdisc", "add", "dev", names[i], "root", "netem",
			"delay", strconv.Itoa(int(delay.Milliseconds()))+"ms", "limit", "100000")
		if err == nil {
			err = s.address(ctx, at, names[i], i)
		}
		if err != nil {
			_, drop := s.output(ctx, append(near, "link", "del", names[0])...)
			return errors.Join(err, drop)
		}
	}
	l.kind = fmt.Sprintf("netem with %s each way", delay)
	return nil
}

// tunnel joins the ends by two TUN devices that this process holds.
func (l *line) tunnel(ctx context.Context, s *stand) error {
	var ends []*os.File
	for i, name := range linkNames() {
		f, err := openTUN(name)
		if err != nil {
			return err
		}
		l.undo = append(l.undo, func() { f.Close() })
		ends = append(ends, f)
		if _, err := s.output(ctx, "ip", "link", "set", name, "netns", l.spaces[i]); err != nil {
			return err
		}
		at := []string{"ip", "-n", l.spaces[i]}
		if _, err := s.output(ctx, append(at, "link", "set", name, "txqueuelen", "10000")...); err != nil {
			return err
		}
		if err := s.address(ctx, at, name, i); err != nil {
			return err
		}
	}
	go forward(ends[0], ends[1], delay)
	go forward(ends[1], ends[0], delay)
	l.kind = fmt.Sprintf("a delay line of our own (TUN devices) with %s each way, as this kernel has no netem", delay)
	return nil
}

func linkNames() [2]string {
	pid := strconv.Itoa(os.Getpid())
	return [2]string{"ib" + pid + "n", "ib" + pid + "f"}
}

// address gives a device its address and turns it on.
func (s *stand) address(ctx context.Context, at []string, name string, end int) error {
	self, other := nearAddress, farAddress
	if end == 1 {
		self, other = other, self
	}
	if _, err := s.output(ctx, append(slices.Clone(at), "addr", "add", self, "peer", other, "dev", name)...); err != nil {
		return err
	}
	_, err := s.output(ctx, append(slices.Clone(at), "link", "set", name, "up")...)
	return err
}

// near is a command run at the near end.
func (l *line) near(argv ...string) []string {
	return append([]string{"ip", "netns", "exec", l.spaces[0]}, argv...)
}

// roundTrip is the median time of a TCP connect from the near end.
func (l *line) roundTrip(ctx context.Context, address string) (time.Duration, error) {
	var took []int64
	err := in(l.spaces[0], func() error {
		for range 5 {
			begin := time.Now()
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			took = append(took, int64(time.Since(begin)))
			conn.Close()
		}
		return nil
	})
	return time.Duration(median(took)), err
}

// atFarEnd calls f with the network of the far end.
func (l *line) atFarEnd(f func() error) error { return in(l.spaces[1], f) }

// in calls f on a thread that has the network of a namespace. Processes that f
// starts and sockets that it opens have it too, goroutines do not.
func in(space string, f func() error) (err error) {
	runtime.LockOSThread()
	before, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer before.Close()
	there, err := os.Open(filepath.Join("/run/netns", space))
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return os.NewSyscallError("setns", err)
	}
	defer func() {
		// A thread that can't go back stays locked, and ends with its goroutine.
		if back := unix.Setns(int(before.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, os.NewSyscallError("setns", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// close removes all of the line.
func (l *line) close() {
	for _, undo := range slices.Backward(l.undo) {
		undo()
	}
	l.undo = nil
}

// removeSpace removes a namespace, also when the run was interrupted.
func (s *stand) removeSpace(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if _, err := s.output(ctx, "ip", "netns", "del", name); err != nil {
		s.say("%v", err)
	}
}

// removeLeftSpaces removes what a bench that was killed has left.
func (s *stand) removeLeftSpaces(ctx context.Context) {
	list, _ := filepath.Glob(filepath.Join("/run/netns", spacePrefix+"*"))
	for _, path := range list {
		name := filepath.Base(path)
		digits, _, _ := strings.Cut(strings.TrimPrefix(name, spacePrefix), "-")
		pid, err := strconv.Atoi(digits)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && ctx.Err() == nil {
			s.removeSpace(name)
		}
	}
}

// lastWords is the last line of an error.
func lastWords(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
