//go:build linux

package host

import (
	"context"
	"testing"
)

func TestPower(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for command, want := range map[string]Exit{
		"reboot": Rebooted, "reboot -f": Rebooted, "shutdown -r now": Rebooted, "kill -INT 1": Rebooted,
		"poweroff": Halted, "poweroff -f": Halted, "halt": Halted, "shutdown -h now": Halted, "shutdown now": Halted,
	} {
		t.Run(command, func(t *testing.T) {
			s := b.spec("i-1")
			m := b.start(s)
			session, err := b.ssh(m, s, "admin").NewSession()
			if err != nil {
				t.Fatal(err)
			}
			_ = session.Run("sudo " + command) // the connection is cut
			<-m.Done()
			if m.Exit() != want {
				t.Errorf("%s: %s, want %s", command, m.Exit(), want)
			}
		})
	}
}

func TestRebootKeepsTheDisk(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	m := b.start(s)
	const facts = "cat /etc/machine-id /etc/ssh/ssh_host_*.pub"
	boot, keys := b.run(m, s, "cat /proc/sys/kernel/random/boot_id"), b.run(m, s, facts)
	b.run(m, s, "echo kept > here; echo lost > /tmp/gone; echo lost > /run/user/gone || sudo touch /run/gone; (setsid sleep 1000 >/dev/null 2>&1 &)")
	stop(t, m)
	b.want(string(m.Exit()), string(Halted))
	m = b.start(s)
	b.want(b.run(m, s, "cat here; ls /run/user /run/gone /tmp/gone 2>/dev/null; pgrep -c sleep || true"), "kept\n/run/user:\n0")
	b.want(b.run(m, s, facts), keys)
	if b.run(m, s, "cat /proc/sys/kernel/random/boot_id") == boot {
		t.Error("the boot id has not changed")
	}
}

// TestGoingDown lets a process that is not ended at once see that the machine
// goes down, as a login that was late would; the next boot is up again.
func TestGoingDown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	m := b.start(s)
	b.run(m, s, `(setsid sh -c 'trap "" TERM HUP; touch up; until test -e /run/nologin; do sleep 0.01; done; touch seen' >/dev/null 2>&1 &); until test -e up; do sleep 0.01; done`)
	stop(t, m)
	m = b.start(s)
	b.want(b.run(m, s, "ls seen /run/nologin 2>/dev/null || true"), "seen")
}

func TestStopIsInTime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	m := b.start(s)
	b.run(m, s, `sudo sh -c 'trap "" TERM HUP; touch /run/up; while :; do sleep 1; done' >/dev/null 2>&1 </dev/null & while ! test -e /run/up; do sleep 0.01; done`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	b.want(string(m.Exit()), string(Killed))
	if err := m.SetUsers([]User{{Name: "x"}}); err == nil {
		t.Error("a machine that has ended gets users")
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := b.Start(ctx, s); err == nil {
		t.Error("a cancelled start works")
	}
}
