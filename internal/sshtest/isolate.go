package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/bcrypt"
)

// userID is the number of the throw-away user.
const userID = 54321

// command returns the command that runs sshd: in namespaces of its own where
// that can be done, so that nothing outlives it and nothing of the host changes.
func (s *Server) command(conf string) (*exec.Cmd, error) {
	err := Isolated()
	special := s.options.User != "" || s.options.PAM || s.options.BootID != "" || s.options.Tmpfs != ""
	if err != nil && special {
		return nil, err
	}
	if err != nil {
		if os.Getuid() == 0 {
			if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
				return nil, err
			}
		}
		cmd := exec.Command(daemon, "-D", "-e", "-f", conf)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.WaitDelay = outputDelay
		return cmd, nil
	}
	script := []string{
		"set -e", "mount --make-rprivate /", "mount -t proc proc /proc",
		"mount -t tmpfs -o mode=755 tmpfs /run", "mkdir -m 755 /run/sshd",
	}
	if s.options.BootID != "" {
		file := filepath.Join(s.Dir, "boot_id")
		if err := os.WriteFile(file, []byte(s.options.BootID+"\n"), 0o644); err != nil {
			return nil, err
		}
		script = append(script, "mount --bind "+file+" /proc/sys/kernel/random/boot_id")
	}
	if s.options.Tmpfs != "" {
		script = append(script, "mount -t tmpfs -o mode=1777,size="+s.options.Tmpfs+" tmpfs /mnt")
	}
	if err := s.writeUsers(); err != nil {
		return nil, err
	}
	for _, name := range []string{"passwd", "shadow", "group", "pam.d/sshd"} {
		script = append(script, "mount --bind "+filepath.Join(s.Dir, filepath.Base(name))+" /etc/"+name)
	}
	script = append(script, "exec "+daemon+" -D -e -f "+conf)
	cmd := exec.Command("/bin/sh", "-c", strings.Join(script, "\n"))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig: syscall.SIGKILL,
	}
	cmd.WaitDelay = outputDelay
	return cmd, nil
}

// writeUsers writes the files of /etc that the server sees. The user who logs
// in has a home and a shell without anybody's settings.
func (s *Server) writeUsers() error {
	home, id := filepath.Join(s.Dir, "home"), os.Getuid()
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	if s.options.User != "" {
		id = userID
		if err := os.Chown(home, id, id); err != nil {
			return err
		}
	}
	hash := []byte("*")
	if s.options.Password != "" {
		var err error
		if hash, err = bcrypt.GenerateFromPassword([]byte(s.options.Password), bcrypt.MinCost); err != nil {
			return err
		}
	}
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("%s:x:%d:%d::%s:%s\n", s.User, id, id, home, s.options.Shell),
		"shadow": fmt.Sprintf("%s:%s:19000:0:99999:7:::\n", s.User, hash),
		"group":  fmt.Sprintf("%s:x:%d:\n", s.User, id),
	} {
		text, err := os.ReadFile("/etc/" + name)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if name == "shadow" {
			mode = 0o600
		}
		// The first line of a name counts.
		if err := os.WriteFile(filepath.Join(s.Dir, name), append([]byte(line), text...), mode); err != nil {
			return err
		}
	}
	pam := "auth required pam_unix.so\naccount required pam_nologin.so\naccount required pam_unix.so\nsession required pam_permit.so\n"
	return os.WriteFile(filepath.Join(s.Dir, "sshd"), []byte(pam), 0o644)
}

// descendants returns the processes below pid.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], child)
	}
	var all []int
	for next := children[pid]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, children[next[0]]...)
	}
	return all
}
