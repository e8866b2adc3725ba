package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// packetSize is more than any packet of a device with the usual MTU of 1500.
const packetSize = 2048

// queued is how many packets may be on their way. TCP sends no more than its
// window, which is far less.
const queued = 1 << 16

type packet struct {
	due  time.Time
	data []byte
}

// openTUN makes a network device whose packets are read from and written to
// the file. It is gone when the file is closed.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "make the TUN device", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// forward writes each packet that it reads from one end to the other, so much
// later. It ends when the devices are closed.
func forward(from, to *os.File, later time.Duration) {
	way := make(chan packet, queued)
	go deliver(way, to)
	defer close(way)
	buf := make([]byte, packetSize)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		way <- packet{due: time.Now().Add(later), data: append([]byte(nil), buf[:n]...)}
	}
}

func deliver(way <-chan packet, to *os.File) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for p := range way {
		if wait := time.Until(p.due); wait > 0 {
			timer.Reset(wait)
			<-timer.C
		}
		// A packet that is refused is lost, as on any line.
		_, _ = to.Write(p.data)
	}
}
