package ssh_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/sshtest"
	"github.com/ingot-build/ingot/internal/transport"
)

const firstBoot, secondBoot = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"

// TestReboot runs a command that makes the machine go down and come back.
func TestReboot(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"while it runs": true, "after it has ended": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sshtest.Run(t, sshtest.Options{BootID: firstBoot})
			conn := connect(t, config(s))
			e := script("touch /run/nologin; echo ready")
			if lost {
				e = script("echo ready; sleep 1000")
			}
			e.Disconnect = true
			restarted := make(chan error, 1)
			_, err := conn.RunDisconnect(t.Context(), e, func(string, bool) {
				go func() {
					if !lost { // it is seen going down for a while
						time.Sleep(700 * time.Millisecond)
					}
					restarted <- s.Restart(secondBoot)
				}()
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-restarted; err != nil {
				t.Fatal(err)
			}
			if got := sh(t, conn, "cat /proc/sys/kernel/random/boot_id"); got[0] != secondBoot {
				t.Errorf("the boot id is %q", got)
			}
		})
	}
}

// TestRestartOfServer loses the connection on a machine that does not go down.
func TestRestartOfServer(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{BootID: firstBoot})
	conn := connect(t, config(s))
	e := script("echo ready; sleep 1000")
	e.Disconnect = true
	if _, err := conn.RunDisconnect(t.Context(), e, func(string, bool) {
		go func() {
			if err := s.Restart(firstBoot); err != nil {
				t.Error(err)
			}
		}()
	}); err != nil {
		t.Fatal(err)
	}
	sh(t, conn, "true")
}

// TestNotBack waits for a machine that does not come back.
func TestNotBack(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.Timeout = 500 * time.Millisecond
	conn := connect(t, c)
	e := script("echo ready; sleep 1000")
	e.Disconnect = true
	_, err := conn.RunDisconnect(t.Context(), e, func(string, bool) { go s.Stop() })
	wantError(t, err, "wait for the machine to be back", "can't connect within")
}

// TestDisconnectFails reports the exit code of a command that did not
// disconnect at all.
func TestDisconnectFails(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	e := script("exit 6")
	e.Disconnect = true
	if exit, err := conn.RunDisconnect(t.Context(), e, nil); err != nil || exit.Code != 6 {
		t.Errorf("%v, %v", exit, err)
	}
}

// TestLost reports a connection that was lost in the middle of a command, and
// makes a new one for the next.
func TestLost(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	conn := connect(t, config(s))
	_, err := conn.Run(t.Context(), script("echo ready; sleep 1000"), func(string, bool) {
		go func() {
			if err := s.Restart(""); err != nil {
				t.Error(err)
			}
		}()
	})
	if !errors.Is(err, transport.ErrLost) {
		t.Errorf("error %v", err)
	}
	sh(t, conn, "true")
	conn.Close()
	if _, err := conn.Run(t.Context(), script("true"), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// TestStartRetry limits how long the machine is waited for.
func TestStartRetry(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	conn := connect(t, config(s))
	s.Stop()
	e := script("true")
	e.StartRetry = 200 * time.Millisecond
	_, err := conn.Run(t.Context(), e, nil)
	wantError(t, err, "can't connect within")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := conn.Run(ctx, &op.Exec{Argv: []string{"true"}}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestLostAtStart loses the connection before the command has said a word:
// another boot tells that it has run, the same one that it has not.
func TestLostAtStart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		boot string
		ran  bool
	}{"restarted": {secondBoot, true}, "connection lost": {firstBoot, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := filepath.Join(t.TempDir(), "begun")
			if err := syscall.Mkfifo(begun, 0o600); err != nil {
				t.Fatal(err)
			}
			// The shell of commands, not that of questions, begins and stands still.
			sh := filepath.Join(t.TempDir(), "shell")
			text := "#!/bin/sh\ncase $2 in *leads*) echo >" + begun + "; exec sleep 1000;; esac\nexec /bin/sh \"$@\"\n"
			if err := os.WriteFile(sh, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			s := sshtest.Run(t, sshtest.Options{BootID: firstBoot, Shell: sh})
			conn := connect(t, config(s))
			restarted := make(chan error, 1)
			go func() {
				_, err := os.ReadFile(begun)
				restarted <- errors.Join(err, s.Restart(tt.boot))
			}()
			e := script("true")
			e.Disconnect = true
			_, err := conn.RunDisconnect(t.Context(), e, nil)
			if ran := !errors.Is(err, transport.ErrLost); ran != tt.ran || ran && err != nil {
				t.Errorf("error %v", err)
			}
			if err := <-restarted; err != nil {
				t.Fatal(err)
			}
		})
	}
}
