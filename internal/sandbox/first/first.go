// Package first is the first process of a machine of the sandbox, and what it
// and the sandbox say to each other. A sandbox has many such processes, that
// all begin with the initialization of what they import: it imports little.
package first

// User is a login.
type User struct {
	Name string
	Keys []string // lines of authorized_keys
}

// Boot is what a machine's first process is told at its start.
type Boot struct {
	Dir       string   // the host's folder; the paths below are relative to it
	Lower     []string // file trees, the topmost first
	Disk      string   // folder of the machine's own tree
	Root      string   // folder to mount it on
	ID        string   // of the instance
	Hostname  string
	BootID    string
	Resolver  string // address of the name server, "" where there is no network
	Metadata  string // address of the metadata service
	Names     []string
	Devices   []Device
	Users     []User
	FirstBoot []byte
	EveryBoot []byte
	Identity  *Identity // nil but at the first boot
}

// Identity is what an instance does not share with others of its image.
type Identity struct {
	MachineID string
	HostKeys  []HostKey
}

// HostKey is a key of a machine's sshd.
type HostKey struct {
	Name    string // "ed25519"
	Private []byte // in OpenSSH's format
	Public  []byte // a line
}

// Device is a loop device of the host under its name in the machine.
type Device struct {
	Name  string // "/dev/xvdf"
	Minor uint32
}

// Order is a message to a machine's first process.
type Order struct {
	Boot    *Boot  `json:",omitempty"`
	Network bool   `json:",omitempty"` // the network is there
	Stop    bool   `json:",omitempty"`
	Pause   bool   `json:",omitempty"`
	Resume  bool   `json:",omitempty"`
	Users   []User `json:",omitempty"`
}

// Report is a message from it.
type Report struct {
	Error     string // of the order it answers, or why the machine can't boot
	Running   bool   // its file tree is there, and set up
	Listening bool   // sshd is
	Done      bool   // the order for users, Pause or Resume
}
