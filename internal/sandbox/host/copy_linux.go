package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/containerd/continuity/sysx"
	"golang.org/x/sys/unix"
)

// treeCopy copies the upper folder of an overlay with all that is of meaning
// to it: device numbers (a whiteout is the device 0:0), owners, times, links
// between files, extended attributes, and the holes of files.
type treeCopy struct {
	ctx   context.Context
	links map[uint64]string // by inode, the first copy of a file with several names
}

// copyTree copies the folder from to the new folder to.
func copyTree(ctx context.Context, to, from string) error {
	c := &treeCopy{ctx: ctx, links: map[uint64]string{}}
	return c.copy(to, from)
}

func (c *treeCopy) copy(to, from string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); errors.Is(err, unix.ENOENT) {
		return nil // a process that was about to stop has removed it
	} else if err != nil {
		return &fs.PathError{Op: "lstat", Path: from, Err: err}
	}
	linked, err := c.content(to, from, &st)
	if err != nil || linked {
		return err
	}
	return c.attributes(to, from, &st)
}

// content copies what a name stands for. It says so when that is a further
// name of a file that has been copied.
func (c *treeCopy) content(to, from string, st *unix.Stat_t) (linked bool, err error) {
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		if first, ok := c.links[st.Ino]; ok {
			return true, os.Link(first, to)
		}
		c.links[st.Ino] = to
	}
	switch kind {
	case unix.S_IFDIR:
		return false, c.folder(to, from)
	case unix.S_IFREG:
		return false, c.file(to, from, st.Size)
	case unix.S_IFLNK:
		target, err := os.Readlink(from)
		if err != nil {
			return false, err
		}
		return false, os.Symlink(target, to)
	default:
		if err := unix.Mknod(to, st.Mode, int(st.Rdev)); err != nil {
			return false, &fs.PathError{Op: "mknod", Path: to, Err: err}
		}
		return false, nil
	}
}

func (c *treeCopy) folder(to, from string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.copy(filepath.Join(to, e.Name()), filepath.Join(from, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// file copies a file: as a whole where the file system can share its blocks,
// else what lies between its holes.
func (c *treeCopy) file(to, from string, size int64) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) != nil {
		err = copyData(dst, src, size)
	}
	return errors.Join(err, dst.Close())
}

func copyData(dst, src *os.File, size int64) error {
	for at := int64(0); at < size; {
		start, err := src.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		} else if err != nil {
			return err
		}
		end, err := src.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := src.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := dst.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(dst, src, end-start); err != nil {
			return err
		}
		at = end
	}
	return dst.Truncate(size)
}

// attributes copies all that is not content. The mode comes after the owner,
// whose change takes set-user-id away; so do capabilities, which are an
// extended attribute.
func (c *treeCopy) attributes(to, from string, st *unix.Stat_t) error {
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := syscall.Chmod(to, st.Mode&0o7777); err != nil {
			return &fs.PathError{Op: "chmod", Path: to, Err: err}
		}
	}
	names, err := sysx.LListxattr(from)
	if err != nil && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("attributes of %s: %w", from, err)
	}
	for _, name := range names {
		value, err := sysx.LGetxattr(from, name)
		if err == nil {
			err = sysx.LSetxattr(to, name, value, 0)
		}
		if err != nil {
			return fmt.Errorf("attribute %s of %s: %w", name, from, err)
		}
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimes", Path: to, Err: err}
	}
	return nil
}
