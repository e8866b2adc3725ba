// Package host runs the sandbox's machines on this host: each is an overlay of
// its image's file tree in namespaces of its own, with real OpenSSH.
package host

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// LayerID names a frozen file tree that images are made of.
type LayerID string

// Base is a file tree to start from.
type Base struct {
	// Either Suite, a Debian release that mmdebstrap makes a tree of, with
	// these packages beside those that a machine needs, …
	Suite    string
	Mirror   string
	Packages []string
	// … or OCI, an image with sshd: a reference in a registry, or
	// "oci-layout:DIR[:TAG]".
	OCI string
}

// Spec is a machine.
type Spec struct {
	ID       string    // of the instance; its disk is kept under it
	Layers   []LayerID // the image, lowest first
	Hostname string
	// Addrs are loopback addresses of the machine. Ports of the machine are
	// open on them as OpenPorts says.
	Addrs []netip.Addr
	// OpenPorts says which TCP ports of the machine are reached at Addrs. It
	// is asked when the machine starts and by Machine.Reopen.
	OpenPorts func() []int
	// Reachable is when its ports open, at the earliest.
	Reachable time.Time
	// Users get a login with these keys, sudo without a password, and a home.
	Users []User
	// FirstBoot is a script (it begins with "#!") to run as root when a machine
	// of a new ID boots; EveryBoot one to run at each boot. Both write to the console.
	FirstBoot, EveryBoot []byte
	// Metadata answers http://169.254.169.254 in the machine; nil is nobody.
	Metadata http.Handler
	// MetadataNames resolve to 169.254.169.254 in the machine, e.g.
	// "metadata.google.internal".
	MetadataNames []string
	// Disks are further block devices.
	Disks []Disk
}

// User is a login.
type User = first.User

// Disk is a block device of a machine, kept as a sparse file.
type Disk struct {
	Device string // "/dev/xvdf"
	File   string
	Size   int64 // bytes
}

// Exit says how a machine came to its end.
type Exit string

// The ends there are.
const (
	Halted   Exit = "halted"   // it shut itself down, or was told to
	Rebooted Exit = "rebooted" // it restarted itself: Start it again
	Killed   Exit = "killed"   // it was ended from outside, or crashed
)

// Host keeps the disks and runs the machines of one sandbox, below one folder.
type Host interface {
	// Base returns the layer of a base, which is made once and cached. Progress
	// is written to w.
	Base(ctx context.Context, b Base, w io.Writer) (LayerID, error)
	// Address returns a loopback address that no machine of any sandbox on this
	// host uses.
	Address() (netip.Addr, error)
	// Start boots a machine. It returns when its first process runs; sshd
	// follows within a fraction of a second. The disk of the ID is made when it
	// is not there.
	Start(ctx context.Context, s Spec) (Machine, error)
	// Freeze makes a layer of what the machine's disk has above its image, the
	// machine running or not.
	Freeze(ctx context.Context, id string) (LayerID, error)
	// WriteDisk writes the file tree of layers, lowest first, into a new sparse
	// file: a disk of some bytes with an ext4 file system.
	WriteDisk(ctx context.Context, layers []LayerID, file string, size int64) error
	// Console returns what the machine has printed since it was made, the last
	// 64 KiB.
	Console(id string) ([]byte, error)
	// Remove removes a machine's disk, and ends it first when it runs.
	Remove(id string) error
	// RemoveLayer removes a layer that nothing uses any more.
	RemoveLayer(LayerID) error
	// Close ends all machines at once. Their disks stay.
	Close() error
}

// Machine is a machine that runs.
type Machine interface {
	// Done is closed when it has ended; Exit then says how.
	Done() <-chan struct{}
	Exit() Exit
	// Stop shuts it down as its power button would, and kills it when ctx ends.
	Stop(ctx context.Context) error
	// Kill ends it at once.
	Kill()
	// Reopen opens and closes ports as OpenPorts now says.
	Reopen()
	// SetUsers adds logins, as an agent in the machine does when its metadata
	// changes.
	SetUsers([]User) error
}
