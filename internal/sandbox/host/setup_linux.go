package host

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// setup does in the machine's file tree what cloud-init or a guest agent does
// at a boot.
func (m *first) setup() error {
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
	if m.boot.New {
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
func (m *first) identity() error {
	if err := os.WriteFile("/etc/hostname", []byte(m.boot.Hostname+"\n"), 0o644); err != nil {
		return err
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	if err := replace("/etc/machine-id", []byte(hex.EncodeToString(id)+"\n"), 0o444); err != nil {
		return err
	}
	return hostKeys("/etc/ssh", m.boot.Hostname)
}

// hostKeys makes new keys for sshd, in place of all it has.
func hostKeys(dir, comment string) error {
	old, err := filepath.Glob(filepath.Join(dir, "ssh_host_*_key*"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The console is where one who trusts it learns the keys from.
	fmt.Println("-----BEGIN SSH HOST KEY KEYS-----")
	for name, key := range map[string]crypto.Signer{"ed25519": ed, "ecdsa": ec} {
		if err := hostKey(filepath.Join(dir, "ssh_host_"+name+"_key"), key, "root@"+comment); err != nil {
			return err
		}
	}
	fmt.Println("-----END SSH HOST KEY KEYS-----")
	return nil
}

func hostKey(path string, key crypto.Signer, comment string) error {
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return err
	}
	line := append(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public)), " "+comment+"\n"...)
	fmt.Printf("%s", line)
	return os.WriteFile(path+".pub", line, 0o644)
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
func (m *first) hosts() error {
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
		fmt.Fprintf(&b, "%s %s%s\n", metadataAddress, strings.Join(m.boot.Names, " "), hostsMark)
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
