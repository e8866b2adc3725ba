package winrm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/transport"
	"github.com/ingot-build/ingot/internal/winrmtest"
)

// TestCancel checks that a command ends on the machine when nobody wants it
// any more, and that its input goes.
func TestCancel(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	out := newOutput()
	go func() {
		<-out.first
		cancel()
	}()
	_, err := conn.Run(ctx, &op.Exec{
		Cmd: "echo begun && ping -n 100 127.0.0.1 && echo too far", Inputs: []op.File{{Path: "c:/in.bat", Blob: text("x")}},
	}, out.line)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if s.Requests("Signal") == 0 || s.Shells() != 0 {
		t.Errorf("%d signals, %d shells are left", s.Requests("Signal"), s.Shells())
	}
	if missing(s, "c:/in.bat") != nil {
		t.Error("the input is left behind")
	}
}

// TestCut checks that a command goes on when only its connections break.
func TestCut(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	out := newOutput()
	go func() {
		<-out.first
		s.Cut()
	}()
	exit, err := conn.Run(t.Context(), &op.Exec{
		Cmd:    "echo begun && powershell -executionpolicy bypass -file c:/wait.ps1",
		Inputs: []op.File{{Path: "c:/wait.ps1", Blob: text("Start-Sleep 1\nWrite-Output \"ended\"\nexit 4\n")}},
	}, out.line)
	if got, _ := out.text(); err != nil || exit.Code != 4 || got != "begun|ended" {
		t.Errorf("exit %+v, %v, printed %q", exit, err, got)
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	run := func(f func(context.Context, *op.Exec, func(string, bool)) (op.Exit, error)) error {
		out := newOutput()
		go func() {
			<-out.first
			s.Down()
			if err := s.Up(); err != nil {
				t.Error(err)
			}
		}()
		_, err := f(t.Context(), &op.Exec{Cmd: "echo begun && ping -n 100 127.0.0.1"}, out.line)
		return err
	}
	if err := run(conn.Run); !errors.Is(err, transport.ErrLost) {
		t.Errorf("error %v", err)
	}
	if err := run(conn.RunDisconnect); err != nil {
		t.Errorf("a command that may disconnect: %v", err)
	}
	if _, err := conn.Run(t.Context(), &op.Exec{Cmd: "echo"}, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestReboot(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{Downtime: 300 * time.Millisecond})
	out := newOutput()
	exit, err := conn.Reboot(t.Context(), &op.Reboot{Cmd: `shutdown /r /f /t 0`, Checks: []string{"echo up"}, Within: time.Minute}, out.line)
	if err != nil || exit.Code != 0 || s.Boots() != 2 {
		t.Fatalf("exit %+v, %v, %d boots", exit, err, s.Boots())
	}
	if got, _ := out.text(); got != "up" {
		t.Errorf("printed %q", got)
	}
	exit, err = conn.Reboot(t.Context(), &op.Reboot{Cmd: "exit 5", Within: time.Minute}, nil)
	if err != nil || exit.Code != 5 {
		t.Errorf("a command that fails: %+v, %v", exit, err)
	}
}

// TestNoReboot checks that a machine that does not restart is not waited for
// longer than told.
func TestNoReboot(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	for name, r := range map[string]*op.Reboot{
		"stays up":     {Cmd: "echo", Within: 300 * time.Millisecond},
		"check fails":  {Cmd: "shutdown /r", Checks: []string{"exit 1"}, Within: 2 * time.Second},
		"fails at all": {Cmd: "shutdown /r", Checks: []string{"none"}, Within: 2 * time.Second},
	} {
		_, err := conn.Reboot(t.Context(), r, nil)
		if err == nil || !strings.Contains(err.Error(), "has not restarted within") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Shells() != 0 {
		t.Errorf("%d shells are left", s.Shells())
	}
}

// TestBoot checks that a machine that begins to answer late is waited for.
func TestBoot(t *testing.T) {
	t.Parallel()
	s := serve(t, winrmtest.Options{})
	s.Down()
	c := client(t, options(s, winrmtest.Options{}))
	target := c.Target()
	target.Present = false
	up := make(chan error, 1)
	go func() {
		time.Sleep(300 * time.Millisecond)
		up <- s.Up()
	}()
	if _, err := c.Connect(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if err := <-up; err != nil {
		t.Fatal(err)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	s := serve(t, winrmtest.Options{})
	s.Down()
	o := options(s, winrmtest.Options{})
	o.WinRMTimeout = 300 * time.Millisecond
	c := client(t, o)
	target := c.Target()
	target.Present = false
	if _, err := c.Connect(t.Context(), target); err == nil || !strings.Contains(err.Error(), "can't connect within") {
		t.Errorf("error %v", err)
	}
}

// TestPause checks that a machine is connected to again after the pause.
func TestPause(t *testing.T) {
	t.Parallel()
	s := serve(t, winrmtest.Options{})
	for pause, want := range map[time.Duration]int{0: 1, time.Millisecond: 2} {
		before := s.Requests("Create")
		c, err := options(s, winrmtest.Options{}).WinRMClient(pause)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Connect(t.Context(), c.Target()); err != nil {
			t.Fatal(err)
		}
		if got := s.Requests("Create") - before; got != want {
			t.Errorf("pause %s: %d logins", pause, got)
		}
	}
}
