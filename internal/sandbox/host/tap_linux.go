package host

import (
	"net"
	"os"
)

// tap makes the file of a TAP device a connection that carries one packet each
// Read and Write. When the machine has ended there are no more errors: the
// network's switch would print them.
type tap struct {
	*os.File
	ended <-chan struct{}
}

// Read returns an empty Ethernet frame after the end, where the switch sees
// that its context is done.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.File.Read(p)
	if err != nil && t.isEnded() {
		return copy(p, make([]byte, 14)), nil
	}
	return n, err
}

// Write drops what comes after the end.
func (t *tap) Write(p []byte) (int, error) {
	n, err := t.File.Write(p)
	if err != nil && t.isEnded() {
		return len(p), nil
	}
	return n, err
}

func (t *tap) isEnded() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// LocalAddr has no meaning here.
func (*tap) LocalAddr() net.Addr { return &net.UnixAddr{Name: "tap", Net: "unixpacket"} }

// RemoteAddr has no meaning here.
func (*tap) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "machine", Net: "unixpacket"} }
