package first

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mount makes the machine's file tree, in the mount namespace of this process
// alone, and enters it.
func (m *machine) mount() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("make mounts private", err)
	}
	if err := os.Chdir(m.boot.Dir); err != nil {
		return err
	}
	if err := m.overlay(); err != nil {
		return err
	}
	if err := os.Chdir(m.boot.Root); err != nil {
		return err
	}
	if err := m.kernel(); err != nil {
		return err
	}
	if err := m.devices(); err != nil {
		return err
	}
	// The old root ends up on top of the new one, from where it is taken off.
	if err := unix.PivotRoot(".", "."); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("leave the host's files", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return m.covers()
}

// overlay mounts the machine's disk. Its paths are relative, so that there is
// room for many layers: the kernel takes one page of options.
func (m *machine) overlay() error {
	upper, work := filepath.Join(m.boot.Disk, "upper"), filepath.Join(m.boot.Disk, "work")
	// A machine that was killed leaves a mark that its disk was not synced. The
	// host did not crash, so that nothing is lost.
	if err := os.RemoveAll(filepath.Join(work, "work", "incompat")); err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=on,metacopy=off,index=off,volatile",
		strings.Join(m.boot.Lower, ":"), upper, work)
	if len(options) >= os.Getpagesize() {
		return fmt.Errorf("an image of %d layers is too deep", len(m.boot.Lower))
	}
	return os.NewSyscallError("mount overlay", unix.Mount("overlay", m.boot.Root, "overlay", 0, options))
}

// kernel mounts the file systems of the kernel below the working directory.
func (m *machine) kernel() error {
	const safe = unix.MS_NOSUID | unix.MS_NODEV
	mounts := []struct {
		kind, path string
		flags      uintptr
		options    string
	}{
		{"proc", "proc", safe | unix.MS_NOEXEC, ""},
		{"sysfs", "sys", safe | unix.MS_NOEXEC | unix.MS_RDONLY, ""},
		{"tmpfs", "run", safe, "mode=755,size=25%"},
		{"tmpfs", "dev", unix.MS_NOSUID, "mode=755,size=64k"},
		{"devpts", "dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"},
		{"tmpfs", "dev/shm", safe, "mode=1777"},
		{"mqueue", "dev/mqueue", safe | unix.MS_NOEXEC, ""},
	}
	for _, f := range mounts {
		if err := os.Mkdir(f.path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := unix.Mount(f.kind, f.path, f.kind, f.flags, f.options); err != nil {
			return fmt.Errorf("mount %s on /%s: %w", f.kind, f.path, err)
		}
	}
	for _, dir := range []string{"run/lock", "run/sshd", "run/user"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return os.Chmod("run/lock", 0o1777|os.ModeSticky)
}

// covers lays files of this boot over those that the kernel or the image has.
func (m *machine) covers() error {
	if err := protect(); err != nil {
		return err
	}
	const dir = "/run/ingot-boot"
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := cover(dir+"/boot_id", "/proc/sys/kernel/random/boot_id", m.boot.BootID+"\n"); err != nil {
		return err
	}
	return m.resolver(dir + "/resolv.conf")
}

// protect makes the kernel's settings read-only, for they are the host's. The
// machine has only those of the network for itself.
func protect() error {
	for _, path := range []string{"/proc/sys", "/proc/sys/net", "/proc/sysrq-trigger"} {
		err := unix.Mount(path, path, "", unix.MS_BIND, "")
		if errors.Is(err, unix.ENOENT) {
			continue
		} else if err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
	}
	const readOnly = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, path := range []string{"/proc/sys", "/proc/sysrq-trigger"} {
		if err := unix.Mount("", path, "", readOnly, ""); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("make %s read-only: %w", path, err)
		}
	}
	return nil
}

// cover binds a new file over another one.
func cover(file, path, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind over %s: %w", path, err)
	}
	return nil
}

// resolver says where the name server is. The image's own file stays as it is;
// where it is a link to a file in /run, that file is made.
func (m *machine) resolver(file string) error {
	if m.boot.Resolver == "" {
		return nil
	}
	const path = "/etc/resolv.conf"
	text := "nameserver " + m.boot.Resolver + "\n"
	target, err := os.Readlink(path)
	switch {
	case err == nil:
		if !filepath.IsAbs(target) {
			target = filepath.Join("/etc", target)
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, []byte(text), 0o644)
	case errors.Is(err, os.ErrNotExist):
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return err
		}
	}
	return cover(file, path, text)
}

// dropCapabilities keeps the machine's programs from what would change the
// kernel of the host.
func dropCapabilities() error {
	for _, c := range []uintptr{unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_TIME, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_WAKE_ALARM} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return os.NewSyscallError("drop capability", err)
		}
	}
	return nil
}
