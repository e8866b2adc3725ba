package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/google/uuid"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// machine is one that runs.
type machine struct {
	spec    Spec
	cmd     *exec.Cmd
	wire    *first.Wire
	link    *link
	ports   *ports
	closers []func() // what ends with the machine

	asking  sync.Mutex
	answers chan first.Report

	done chan struct{}
	exit Exit
}

// boot starts a machine's first process and waits until its file tree is
// there. All that the machine is outside of its namespaces belongs to this
// process, and goes with it.
func (h *local) boot(ctx context.Context, d *disk, s Spec) (*machine, error) {
	for _, at := range wanted(s) {
		if err := h.doors.check(at); err != nil {
			return nil, err
		}
	}
	b, err := h.prepare(d, s)
	if err != nil {
		return nil, err
	}
	m := &machine{spec: s, answers: make(chan first.Report), done: make(chan struct{})}
	if err := m.up(ctx, h, d, b); err != nil {
		m.abandon()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	go m.listen()
	go m.wait()
	return m, nil
}

// up brings the machine up to where it has its files and its network.
func (m *machine) up(ctx context.Context, h *local, d *disk, b *first.Boot) error {
	var err error
	if b.Devices, err = m.attach(m.spec.Disks); err != nil {
		return err
	}
	if err := m.spawn(h.program, d.console()); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, m.Kill)
	defer stop()
	loaded := make(chan error, 1)
	go func() { loaded <- m.load(b) }()
	err = m.connect(h.network, h.doors)
	if failed := <-loaded; failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	if err := m.wire.Send(first.Order{Network: true}); err != nil {
		return err
	}
	if err := os.WriteFile(d.booted(), nil, 0o600); err != nil {
		return err
	}
	return ctx.Err()
}

// prepare makes the disk where there is none, and says how to boot from it.
func (h *local) prepare(d *disk, s Spec) (*first.Boot, error) {
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	if len(s.Layers) == 0 {
		return nil, errors.New("its image has no layers")
	}
	rel := filepath.Join("..", "machines", filepath.Base(d.dir))
	b := &first.Boot{
		Dir: filepath.Join(h.dir, "layers"), Disk: rel, Root: filepath.Join(rel, "root"),
		ID: s.ID, Hostname: s.Hostname, BootID: uuid.NewString(), Resolver: gateway,
		Metadata: metadataAddress, Names: s.MetadataNames,
		Users: s.Users, FirstBoot: s.FirstBoot, EveryBoot: s.EveryBoot,
	}
	for _, id := range slices.Backward(s.Layers) {
		if _, err := os.Stat(h.layer(id)); err != nil {
			return nil, fmt.Errorf("layer %s of its image: %w", id, err)
		}
		b.Lower = append(b.Lower, string(id))
	}
	if b.Hostname == "" {
		b.Hostname = s.ID
	}
	if _, err := os.Stat(d.booted()); err == nil {
		return b, nil
	}
	var err error
	b.Identity, err = newIdentity(b.Hostname)
	return b, err
}

func (d *disk) booted() string  { return filepath.Join(d.dir, "booted") }
func (d *disk) console() string { return filepath.Join(d.dir, "console") }

// spawn starts the first process.
func (m *machine) spawn(p program, console string) error {
	out, err := openConsole(console)
	if err != nil {
		return err
	}
	defer out.Close()
	control, theirs, err := pair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	m.wire = control
	m.cmd = &exec.Cmd{
		Path: p.path(), Args: []string{first.Name, m.spec.ID}, Dir: "/",
		Env:    []string{"GOMAXPROCS=1", "GOGC=off"}, // until it is set up
		Stdout: out, Stderr: out, ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{
			Setsid: true,
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS |
				syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
		},
	}
	if err := m.cmd.Start(); err != nil {
		m.cmd = nil
		return fmt.Errorf("make namespaces: %w", err)
	}
	return nil
}

// load tells the first process what to boot, and waits until it has.
func (m *machine) load(b *first.Boot) error {
	if err := m.wire.Send(first.Order{Boot: b}); err != nil {
		return err
	}
	var r first.Report
	if err := m.wire.Receive(&r); err != nil {
		return fmt.Errorf("its first process ended: %w", err)
	}
	if r.Error != "" {
		return errors.New(r.Error)
	}
	return nil
}

// connect puts the machine on the network and serves its metadata.
func (m *machine) connect(n *network, d *doors) error {
	var err error
	if m.link, err = n.connect(m.cmd.Process.Pid, m.spec.Addrs); err != nil {
		return err
	}
	m.closers = append(m.closers, m.link.close)
	m.ports = newPorts(m.spec, m.link, d)
	m.closers = append(m.closers, m.ports.close)
	n.serve(m.link.addr, m.spec.Metadata)
	m.closers = append(m.closers, func() { n.serve(m.link.addr, nil) })
	return nil
}

// listen takes the machine's reports.
func (m *machine) listen() {
	for {
		var r first.Report
		if err := m.wire.Receive(&r); err != nil {
			return
		}
		switch {
		case r.Listening:
			m.ports.openAt(m.spec.Reachable)
		case r.Done:
			select {
			case m.answers <- r:
			case <-m.done:
			}
		}
	}
}

// ask sends an order and waits until it was obeyed.
func (m *machine) ask(o first.Order) error {
	m.asking.Lock()
	defer m.asking.Unlock()
	if err := m.wire.Send(o); err != nil {
		return err
	}
	select {
	case r := <-m.answers:
		if r.Error != "" {
			return errors.New(r.Error)
		}
		return nil
	case <-m.done:
		return errors.New("the machine has ended")
	}
}

// wait waits for the machine's end. The kernel tells how it came to it: a
// reboot(2) in a machine ends its first process with SIGHUP or SIGINT.
func (m *machine) wait() {
	_ = m.cmd.Wait()
	m.exit = Killed
	if s, ok := m.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		switch s.Signal() {
		case syscall.SIGHUP:
			m.exit = Rebooted
		case syscall.SIGINT:
			m.exit = Halted
		}
	}
	m.close()
	close(m.done)
}

// abandon ends a machine that did not come up.
func (m *machine) abandon() {
	if m.cmd != nil {
		m.Kill()
		_ = m.cmd.Wait()
	}
	m.close()
}

func (m *machine) close() {
	for _, c := range slices.Backward(m.closers) {
		c()
	}
	if m.wire != nil {
		_ = m.wire.Close()
	}
}

func (m *machine) over() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// Done is closed at the machine's end.
func (m *machine) Done() <-chan struct{} { return m.done }

// Exit says how it ended, after Done.
func (m *machine) Exit() Exit { return m.exit }

// Stop shuts the machine down.
func (m *machine) Stop(ctx context.Context) error {
	if err := m.wire.Send(first.Order{Stop: true}); err != nil && !m.over() {
		m.Kill()
	}
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
	}
	m.Kill()
	<-m.done
	return nil
}

// Kill ends the machine: the kernel ends all processes of a namespace with its
// first one.
func (m *machine) Kill() { _ = m.cmd.Process.Kill() }

// Reopen opens and closes ports.
func (m *machine) Reopen() { m.ports.reopen() }

// SetUsers adds logins.
func (m *machine) SetUsers(users []User) error {
	if len(users) == 0 {
		return nil
	}
	return m.ask(first.Order{Users: users})
}
