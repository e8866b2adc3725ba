package first

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LoopMajor is the major number of loop devices.
const LoopMajor = 7

// node is a file in /dev.
type node struct {
	name         string
	kind         uint32
	major, minor uint32
	mode         uint32
}

func (n node) make(dir string) error {
	path := filepath.Join(dir, filepath.Clean("/"+n.name))
	if err := unix.Mknod(path, n.kind|n.mode, int(unix.Mkdev(n.major, n.minor))); err != nil && !errors.Is(err, unix.EEXIST) {
		return &fs.PathError{Op: "mknod", Path: path, Err: err}
	}
	return nil
}

// devices makes the machine's /dev below the working directory.
func (m *machine) devices() error {
	old := unix.Umask(0)
	defer unix.Umask(old)
	nodes := []node{
		{"null", unix.S_IFCHR, 1, 3, 0o666},
		{"zero", unix.S_IFCHR, 1, 5, 0o666},
		{"full", unix.S_IFCHR, 1, 7, 0o666},
		{"random", unix.S_IFCHR, 1, 8, 0o666},
		{"urandom", unix.S_IFCHR, 1, 9, 0o666},
		{"tty", unix.S_IFCHR, 5, 0, 0o666},
		{"console", unix.S_IFIFO, 0, 0, 0o622},
	}
	for _, d := range m.boot.Devices {
		nodes = append(nodes, node{d.base(), unix.S_IFBLK, LoopMajor, d.Minor, 0o660})
		parts, err := d.partitions()
		if err != nil {
			return err
		}
		nodes = append(nodes, parts...)
	}
	for _, n := range nodes {
		if err := n.make("dev"); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"ptmx": "pts/ptmx", "initctl": initctl, "ttyS0": "console",
	} {
		if err := os.Symlink(to, filepath.Join("dev", name)); err != nil {
			return err
		}
	}
	return nil
}

// openConsoles copies what programs write to /dev/console and /dev/ttyS0.
func openConsoles() error {
	pipe, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(os.Stdout, pipe) }()
	return nil
}

func (d Device) base() string { return strings.TrimPrefix(d.Name, "/dev/") }

// loop is the kernel's name of the device.
func (d Device) loop() string { return "loop" + strconv.Itoa(int(d.Minor)) }

// part returns the name of a partition, by the kernel's rule: a "p" keeps the
// digits of two numbers apart.
func (d Device) part(n string) string {
	name := d.base()
	if last := name[len(name)-1]; last >= '0' && last <= '9' {
		name += "p"
	}
	return name + n
}

// partitions are those that the disk has at boot.
func (d Device) partitions() ([]node, error) {
	found, err := filepath.Glob(filepath.Join("sys/block", d.loop(), d.loop()+"p*", "dev"))
	if err != nil {
		return nil, err
	}
	var nodes []node
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		n := node{kind: unix.S_IFBLK, mode: 0o660}
		if _, err := fmt.Sscanf(string(text), "%d:%d", &n.major, &n.minor); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		n.name = d.part(strings.TrimPrefix(filepath.Base(filepath.Dir(file)), d.loop()+"p"))
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// follow makes and removes the nodes of partitions as the kernel tells of
// them, which in a machine without udev nobody else does.
func (m *machine) follow() error {
	if len(m.boot.Devices) == 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	go func() {
		buf := make([]byte, 16<<10)
		for {
			n, err := unix.Read(fd, buf)
			if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOBUFS) {
				continue
			} else if err != nil {
				return
			}
			if err := m.uevent(buf[:n]); err != nil {
				fmt.Printf("devices: %v\n", err)
			}
		}
	}()
	return nil
}

// uevent acts on what the kernel tells: "add@path" and then "KEY=value"s, each
// with a zero byte at its end.
func (m *machine) uevent(message []byte) error {
	v := map[string]string{}
	for field := range bytes.SplitSeq(message, []byte{0}) {
		if key, value, ok := strings.Cut(string(field), "="); ok {
			v[key] = value
		}
	}
	if v["DEVTYPE"] != "partition" {
		return nil
	}
	for _, d := range m.boot.Devices {
		if filepath.Base(filepath.Dir(v["DEVPATH"])) != d.loop() {
			continue
		}
		name := d.part(v["PARTN"])
		switch v["ACTION"] {
		case "add":
			major, err1 := strconv.ParseUint(v["MAJOR"], 10, 32)
			minor, err2 := strconv.ParseUint(v["MINOR"], 10, 32)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			return node{name, unix.S_IFBLK, uint32(major), uint32(minor), 0o660}.make("/dev")
		case "remove":
			return os.Remove(filepath.Join("/dev", name))
		}
	}
	return nil
}
