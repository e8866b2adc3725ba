package first

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// setup does in the machine's file tree what cloud-init or a guest agent does
// at a boot.
func (m *machine) setup() error {
	// What ps shows: programs look there for the kind of init.
	if err := os.WriteFile("/proc/1/comm", []byte("init"), 0); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(m.boot.Hostname)); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	if err := cleanTemp(); err != nil {
		return err
	}
	if err := m.beginBoot(); err != nil {
		return err
	}
	if m.boot.Identity != nil {
		if err := m.identity(); err != nil {
			return err
		}
	}
	if err := m.hosts(); err != nil {
		return err
	}
	if err := os.WriteFile("/run/utmp", utmp(), 0o664); err != nil {
		return err
	}
	return addUsers(m.boot.Users)
}

// cleanTemp empties /tmp, as systemd does at each boot.
func cleanTemp() error {
	entries, err := os.ReadDir("/tmp")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join("/tmp", e.Name())))
	}
	return err
}

// identity replaces what the image's maker left of its own: an instance must
// not share keys with others.
func (m *machine) identity() error {
	if err := os.WriteFile("/etc/hostname", []byte(m.boot.Hostname+"\n"), 0o644); err != nil {
		return err
	}
	if err := replace("/etc/machine-id", []byte(m.boot.Identity.MachineID+"\n"), 0o444); err != nil {
		return err
	}
	return hostKeys("/etc/ssh", m.boot.Identity.HostKeys)
}

// hostKeys gives sshd its keys, in place of all it has.
func hostKeys(dir string, keys []HostKey) error {
	old, err := filepath.Glob(filepath.Join(dir, "ssh_host_*_key*"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The console is where one who trusts it learns the keys from.
	fmt.Println("-----BEGIN SSH HOST KEY KEYS-----")
	for _, k := range keys {
		path := filepath.Join(dir, "ssh_host_"+k.Name+"_key")
		if err := os.WriteFile(path, k.Private, 0o600); err != nil {
			return err
		}
		fmt.Printf("%s", k.Public)
		if err := os.WriteFile(path+".pub", k.Public, 0o644); err != nil {
			return err
		}
	}
	fmt.Println("-----END SSH HOST KEY KEYS-----")
	return nil
}

// utmp says that the machine is in runlevel 2, as Debian's scripts that start
// the services of a package want to know. See utmp(5); the record of 64-bit
// ARM has longer times.
func utmp() []byte {
	size := 384
	if runtime.GOARCH == "arm64" {
		size = 400
	}
	record := make([]byte, size)
	binary.NativeEndian.PutUint16(record, 1)              // RUN_LVL
	binary.NativeEndian.PutUint32(record[4:], 'N'<<8|'2') // the last one and this
	copy(record[8:], "~")
	copy(record[40:], "~~")
	copy(record[44:], "runlevel")
	return record
}

// hostsMark is at the end of the lines of /etc/hosts that are ours.
const hostsMark = " # of this instance"

// hosts gives the machine's name and those of the metadata service addresses.
func (m *machine) hosts() error {
	const path = "/etc/hosts"
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text = []byte("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	} else if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(strings.TrimSpace(line), hostsMark) {
			b.WriteString(line)
		}
	}
	name, _, _ := strings.Cut(m.boot.Hostname, ".")
	names := m.boot.Hostname
	if name != names {
		names += " " + name
	}
	fmt.Fprintf(&b, "127.0.1.1 %s%s\n", names, hostsMark)
	if len(m.boot.Names) > 0 {
		fmt.Fprintf(&b, "%s %s%s\n", m.boot.Metadata, strings.Join(m.boot.Names, " "), hostsMark)
	}
	if b.String() == string(text) {
		return nil
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// replace writes a file in place of what has its name, a link too.
func replace(path string, text []byte, mode os.FileMode) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, text, mode)
}
