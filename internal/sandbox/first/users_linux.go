package first

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstUID is where Debian begins to number users.
const firstUID = 1000

// account is a user as the machine knows it.
type account struct {
	uid, gid int
	home     string
}

// addUsers gives logins to users. Those that exist are kept as they are, and
// get the keys that they lack.
func addUsers(users []User) error {
	for _, u := range users {
		if err := addUser(u); err != nil {
			return fmt.Errorf("user %s: %w", u.Name, err)
		}
	}
	return nil
}

func addUser(u User) error {
	if strings.ContainsAny(u.Name, ":/\n ") || u.Name == "" || u.Name[0] == '-' || u.Name == "." || u.Name == ".." {
		return errors.New("it is no name of a user")
	}
	a, err := lookUp(u.Name)
	if errors.Is(err, fs.ErrNotExist) {
		a, err = makeUser(u.Name)
	}
	if err != nil {
		return err
	}
	if err := a.makeHome(); err != nil {
		return err
	}
	if u.Name != "root" {
		if err := maySudo(u.Name); err != nil {
			return err
		}
	}
	return a.authorize(u.Keys)
}

// lookUp finds a user in /etc/passwd.
func lookUp(name string) (account, error) {
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return account{}, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 7 || f[0] != name {
			continue
		}
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		return account{uid, gid, f[5]}, errors.Join(err1, err2)
	}
	return account{}, fs.ErrNotExist
}

// makeUser adds a user with a group of its own and no password.
func makeUser(name string) (account, error) {
	id, err := freeID()
	if err != nil {
		return account{}, err
	}
	shell := "/bin/bash"
	if _, err := os.Stat(shell); err != nil {
		shell = "/bin/sh"
	}
	a := account{id, id, "/home/" + name}
	for _, l := range []struct {
		path, line string
		mode       fs.FileMode
	}{
		{"/etc/group", fmt.Sprintf("%s:x:%d:", name, id), 0o644},
		{"/etc/passwd", fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", name, id, id, name, a.home, shell), 0o644},
		{"/etc/shadow", name + ":*:19000:0:99999:7:::", 0o640},
		{"/etc/gshadow", name + ":!::", 0o640},
	} {
		if err := addLine(l.path, l.line, l.mode); err != nil {
			return account{}, err
		}
	}
	return a, nil
}

// freeID returns a number that no user and no group has.
func freeID() (int, error) {
	taken := map[int]bool{}
	for _, path := range []string{"/etc/passwd", "/etc/group"} {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Split(line, ":"); len(f) > 2 {
				if id, err := strconv.Atoi(f[2]); err == nil {
					taken[id] = true
				}
			}
		}
	}
	for id := firstUID; ; id++ {
		if !taken[id] {
			return id, nil
		}
	}
}

// addLine adds a line at the end of a file.
func addLine(path, line string, mode fs.FileMode) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		line = "\n" + line
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// sudoers has the users of cloud images that may do all, under the name that
// cloud-init gives it.
const sudoers = "/etc/sudoers.d/90-cloud-init-users"

// maySudo lets a user be root without a password, as on cloud images. Where
// the image has no sudo there is nothing to say.
func maySudo(name string) error {
	if _, err := os.Stat(filepath.Dir(sudoers)); err != nil {
		return nil
	}
	line := name + " ALL=(ALL) NOPASSWD:ALL"
	text, err := os.ReadFile(sudoers)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if slices.Contains(strings.Split(string(text), "\n"), line) {
		return nil
	}
	return addLine(sudoers, line, 0o440)
}

// makeHome makes the user's home from the skeleton.
func (a account) makeHome() error {
	if _, err := os.Stat(a.home); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(a.home), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(a.home, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat("/etc/skel"); err == nil {
		if err := os.CopyFS(a.home, os.DirFS("/etc/skel")); err != nil {
			return err
		}
	}
	return filepath.WalkDir(a.home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, a.uid, a.gid)
	})
}

// authorize adds the keys that the user does not have.
func (a account) authorize(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	dir := filepath.Join(a.home, ".ssh")
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = os.Chown(dir, a.uid, a.gid)
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	path := filepath.Join(dir, "authorized_keys")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	have := strings.Split(string(text), "\n")
	for _, k := range keys {
		k = strings.TrimSpace(k)
		if k == "" || slices.Contains(have, k) {
			continue
		}
		have = append(have, k)
		if err := addLine(path, k, 0o600); err != nil {
			return err
		}
	}
	if err := os.Chown(path, a.uid, a.gid); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}
