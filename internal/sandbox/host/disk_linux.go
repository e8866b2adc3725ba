package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// WriteDisk writes the file tree of layers, lowest first, into a new sparse file:
// a disk of some bytes with an ext4 file system.
func (h *local) WriteDisk(ctx context.Context, layers []LayerID, file string, size int64) error {
	var dirs []string
	for _, id := range layers {
		dir, err := filepath.EvalSymlinks(h.layer(id))
		if err != nil {
			return err
		}
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	tree, err := openTree(dirs)
	if err != nil {
		return fmt.Errorf("write a disk: %w", err)
	}
	defer tree.Close()
	temp := file + ".new"
	// The program finds the tree by its open folder: it is mounted nowhere.
	cmd := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-d", "/proc/self/fd/3/.", temp, strconv.FormatInt(size>>10, 10)+"k")
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.ExtraFiles = []*os.File{tree}
	if cmd.Err != nil { // it is not where this process looks for programs
		cmd.Path, cmd.Err = "/usr/sbin/mkfs.ext4", nil
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("write a disk: mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out))), os.Remove(temp))
	}
	return os.Rename(temp, file)
}

// openTree opens what folders are together, the topmost first.
func openTree(dirs []string) (*os.File, error) {
	if len(dirs) == 1 {
		return os.Open(dirs[0])
	}
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fd)
	for _, set := range [][2]string{{"source", "disk"}, {"lowerdir", strings.Join(dirs, ":")}} {
		if err := unix.FsconfigSetString(fd, set[0], set[1]); err != nil {
			return nil, os.NewSyscallError("fsconfig", err)
		}
	}
	if err := unix.FsconfigSetFlag(fd, "ro"); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	mount, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	return os.NewFile(uintptr(mount), "overlay"), nil
}
