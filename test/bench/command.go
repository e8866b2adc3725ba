package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a program that is told to stop has before it is killed.
const grace = 10 * time.Second

// sample is what one turn took.
type sample struct {
	time time.Duration
	peak int64 // resident memory in bytes; of the largest process
}

// command is a program to measure.
type command struct {
	argv  []string
	stdin string   // file that is read from; "" is nothing
	env   []string // beside those of the stand
	dir   string   // the stand's where empty
}

// run runs the command to its end and measures it, from before it is started
// until it is gone.
func (s *stand) run(ctx context.Context, c command) (sample, error) {
	cmd := group(exec.CommandContext(ctx, c.argv[0], c.argv[1:]...))
	cmd.Dir = s.dir
	if c.dir != "" {
		cmd.Dir = c.dir
	}
	cmd.Env = append(s.env(), c.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if c.stdin != "" {
		f, err := os.Open(c.stdin)
		if err != nil {
			return sample{}, err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if ctx.Err() != nil {
		return sample{}, ctx.Err()
	}
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w%s", strings.Join(c.argv, " "), err, lastLines(out.Bytes()))
	}
	return sample{time: took, peak: peak(cmd.ProcessState)}, nil
}

// peak is the most memory that was resident. Linux counts in KiB, and counts
// what this process had when it started the other as the other's: the value is
// never too low.
func peak(state *os.ProcessState) int64 {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		return int64(usage.Maxrss) << 10
	}
	return 0
}

// group makes a command a process group of its own, which is ended as a whole
// when the context ends.
func group(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = grace
	return cmd
}

// lastLines is the end of what a program printed, for an error.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) > 20 {
		lines = lines[len(lines)-20:]
	}
	return "\n    " + strings.Join(lines, "\n    ")
}

// output runs a program that is not measured.
func (s *stand) output(ctx context.Context, argv ...string) (string, error) {
	cmd := group(exec.CommandContext(ctx, argv[0], argv[1:]...))
	cmd.Env = s.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w%s", strings.Join(argv, " "), err, lastLines(out))
	}
	return string(out), nil
}

// command is a turn that runs one program.
func (s *stand) command(argv ...string) turn {
	return func(ctx context.Context) (sample, error) { return s.run(ctx, command{argv: argv}) }
}

// packerVersion is a note on who the peer was.
func (s *stand) packerVersion(ctx context.Context) string {
	out, err := s.output(ctx, find("packer"), "version")
	if err != nil {
		return "packer of an unknown version"
	}
	return "against " + strings.TrimSpace(out)
}

// goBuild builds commands of this module's dependencies into the stand's folder.
func (s *stand) goBuild(ctx context.Context, packages ...string) error {
	cmd := group(exec.CommandContext(ctx, "go", append([]string{"build", "-o", s.dir}, packages...)...))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w%s", err, lastLines(out))
	}
	return nil
}
