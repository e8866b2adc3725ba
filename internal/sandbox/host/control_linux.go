package host

import (
	"encoding/json"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// boot is what the first process of a machine is told at its start.
type boot struct {
	Dir       string   // the host's folder; the paths below are relative to it
	Lower     []string // file trees, the topmost first
	Disk      string   // folder of the machine's own tree
	Root      string   // folder to mount it on
	ID        string   // of the instance
	Hostname  string
	BootID    string
	Resolver  string // address of the name server, "" where there is no network
	Names     []string
	Devices   []device
	New       bool // this is the first boot
	Users     []User
	FirstBoot []byte
	EveryBoot []byte
}

// device is a loop device of the host under its name in the machine.
type device struct {
	Name  string // "/dev/xvdf"
	Minor uint32
}

// order is a message to a machine's first process.
type order struct {
	Boot    *boot  `json:",omitempty"`
	Network bool   `json:",omitempty"` // the network is there
	Stop    bool   `json:",omitempty"`
	Pause   bool   `json:",omitempty"`
	Resume  bool   `json:",omitempty"`
	Users   []User `json:",omitempty"`
}

// report is a message from it.
type report struct {
	Error     string // of the order it answers, or why the machine can't boot
	Running   bool   // its file tree is there, and set up
	Listening bool   // sshd is
	Done      bool   // the order for users, Pause or Resume
}

// wire carries orders one way and reports the other, as JSON.
type wire struct {
	net.Conn
	in  *json.Decoder
	mu  sync.Mutex
	out *json.Encoder
}

func newWire(c net.Conn) *wire {
	return &wire{Conn: c, in: json.NewDecoder(c), out: json.NewEncoder(c)}
}

func (w *wire) send(v any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Encode(v)
}

// pair returns both ends of a connection: this process's and a file for the
// machine's first one.
func pair() (*wire, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer ours.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return newWire(c), theirs, nil
}
