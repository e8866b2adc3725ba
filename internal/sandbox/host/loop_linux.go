package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// attach makes loop devices of the machine's disks. Each is detached by the
// kernel when nobody has it open any more.
func (m *machine) attach(disks []Disk) ([]first.Device, error) {
	var all []first.Device
	for _, d := range disks {
		file, minor, err := attach(d)
		if err != nil {
			return nil, fmt.Errorf("disk %s: %w", d.Device, err)
		}
		m.closers = append(m.closers, func() { _ = file.Close() })
		all = append(all, first.Device{Name: d.Device, Minor: minor})
	}
	return all, nil
}

func attach(d Disk) (*os.File, uint32, error) {
	file, err := os.OpenFile(d.File, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil {
		return nil, 0, err
	} else if info.Size() < d.Size {
		if err := file.Truncate(d.Size); err != nil {
			return nil, 0, err
		}
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, 0, err
	}
	defer control.Close()
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, 0, os.NewSyscallError("find a free loop device", err)
		}
		loop, err := openLoop(n)
		if err != nil {
			return nil, 0, err
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd())}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_PARTSCAN
		copy(config.Info.File_name[:len(config.Info.File_name)-1], d.File)
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, uint32(n), nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) { // another process was faster
			return nil, 0, os.NewSyscallError("set up the loop device", err)
		}
	}
}

// openLoop opens a loop device, also where nobody makes nodes for new ones.
func openLoop(n int) (*os.File, error) {
	path := "/dev/loop" + strconv.Itoa(n)
	loop, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, os.ErrNotExist) {
		return loop, err
	}
	if err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(first.LoopMajor, uint32(n)))); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}
