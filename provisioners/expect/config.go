// Package expect is the provisioner "expect": it looks at the machine, and
// fails where something is not as expected. All expectations are looked at,
// also after one that is not met. It changes nothing.
//
// In a test of a build it is written as a block of its own: expect { … }.
package expect

import (
	"time"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner.
type Config struct {
	// Within is how long to wait for what comes up by itself after the start of
	// a machine: ports, services, processes, mounts and the exit status of
	// commands. Default "10s"; in a container where nothing is started "0s".
	Within time.Duration `hcl:"within,optional"`
	// RunAs is who looks. A login that is not root becomes root by sudo. Default
	// "root".
	RunAs string `hcl:"run_as,optional"`
	// Start are commands for /bin/sh that run while is looked, such as the
	// server of a container, where nothing runs by itself. They are ended after
	// that. A container has a network of its own then, of loopback alone. Default
	// none.
	Start []secret.String `hcl:"start,optional" template:"off"`

	// Port is a port that something listens at. A container has a network of its
	// own then, of loopback alone.
	Port []Port `hcl:"port,block"`
	// Package is a package of the system: of dpkg, rpm, apk or pacman.
	Package []Package `hcl:"package,block"`
	// Service is a service of systemd, OpenRC or the folder /etc/init.d.
	// Without enabled and running it must be both.
	Service []Service `hcl:"service,block"`
	// File is a file, a folder or whatever else has a path.
	File []File `hcl:"file,block"`
	// Command is a command that is run.
	Command []Command `hcl:"command,block"`
	// Account is an account.
	Account []Account `hcl:"user,block"`
	// Group is a group of accounts.
	Group []Group `hcl:"group,block"`
	// KernelParam is a parameter of the kernel, as sysctl shows it.
	KernelParam []KernelParam `hcl:"kernel_param,block"`
	// Process is a process.
	Process []Process `hcl:"process,block"`
	// Mount is a mounted file system.
	Mount []Mount `hcl:"mount,block"`
}

// Port is a port that something listens at.
type Port struct {
	// Port is the port, with "tcp:" or "udp:" in front, which stand for both
	// IPv4 and IPv6, or "tcp4:", "tcp6:", "udp4:", "udp6:": port "tcp:22" { … }.
	// Without one it is TCP.
	Port string `hcl:"port,label"`
	// Listening says whether something listens there. Default true.
	Listening *bool `hcl:"listening,optional"`
	// Addresses must all be listened at, e.g. ["127.0.0.1"]. "0.0.0.0" and "::"
	// are those of all. Default any.
	Addresses []string `hcl:"addresses,optional"`
}

// Package is a package of the system.
type Package struct {
	// Package is its name.
	Package string `hcl:"name,label"`
	// Installed says whether it is installed. Default true.
	Installed *bool `hcl:"installed,optional"`
	// Versions has one that must be installed: the whole version, its beginning
	// ("1.22" is met by 1.22.1-9, not by 1.220), or a /regular expression/.
	// Default any.
	Versions []secret.String `hcl:"versions,optional" template:"off"`
}

// Service is a service.
type Service struct {
	// Service is its name, as systemctl or rc-service takes it.
	Service string `hcl:"name,label"`
	// Enabled says whether it is started when the machine boots.
	Enabled *bool `hcl:"enabled,optional"`
	// Running says whether it runs.
	Running *bool `hcl:"running,optional"`
}

// File is whatever has a path.
type File struct {
	// File is its absolute path.
	File string `hcl:"path,label"`
	// Exists says whether it is there. Default true.
	Exists *bool `hcl:"exists,optional"`
	// Filetype is what it is: "file", "directory", "symlink", "socket", "pipe",
	// "block-device" or "character-device".
	Filetype string `hcl:"filetype,optional"`
	// Mode is its permissions, e.g. "0644"; of a symlink those of what it leads to.
	Mode string `hcl:"mode,optional"`
	// Owner is whom it belongs to: a name or a number.
	Owner string `hcl:"owner,optional"`
	// Group is the group it belongs to: a name or a number.
	Group string `hcl:"group,optional"`
	// LinkedTo is what a symlink leads to.
	LinkedTo string `hcl:"linked_to,optional"`
	// Contains are texts or /regular expressions/, each of which some line has.
	Contains []secret.String `hcl:"contains,optional" template:"off"`
	// Sha256 is the digest of the content, in hex.
	Sha256 string `hcl:"sha256,optional"`
}

// Command is a command that is run.
type Command struct {
	// Command is what /bin/sh runs, or, where exec is set, what people call it.
	Command string `hcl:"command,label"`
	// Exec is what /bin/sh runs, in place of the label.
	Exec secret.String `hcl:"exec,optional" template:"off"`
	// RunAs is who runs it. Default: who looks.
	RunAs string `hcl:"run_as,optional"`
	// ExitStatus is the exit status. Where it is another one the command is
	// repeated for the time of within. Default 0.
	ExitStatus int `hcl:"exit_status,optional"`
	// Stdout are texts or /regular expressions/, each of which is in what the
	// command prints.
	Stdout []secret.String `hcl:"stdout,optional" template:"off"`
	// Stderr are those that are in its error output.
	Stderr []secret.String `hcl:"stderr,optional" template:"off"`
	// Timeout is how long it may take. Default "30s".
	Timeout time.Duration `hcl:"timeout,optional"`
}

// Account is an account.
type Account struct {
	// Name is its name.
	Name string `hcl:"name,label"`
	// Exists says whether it is there. Default true.
	Exists *bool `hcl:"exists,optional"`
	// UID is its number.
	UID *int `hcl:"uid,optional"`
	// GID is the number of its main group.
	GID *int `hcl:"gid,optional"`
	// Groups are groups that it is in.
	Groups []string `hcl:"groups,optional"`
	// Home is its home folder.
	Home string `hcl:"home,optional"`
	// Shell is its shell.
	Shell string `hcl:"shell,optional"`
}

// Group is a group of accounts.
type Group struct {
	// Group is its name.
	Group string `hcl:"name,label"`
	// Exists says whether it is there. Default true.
	Exists *bool `hcl:"exists,optional"`
	// GID is its number.
	GID *int `hcl:"gid,optional"`
}

// KernelParam is a parameter of the kernel.
type KernelParam struct {
	// KernelParam is its name, e.g. "net.ipv4.ip_forward".
	KernelParam string `hcl:"name,label"`
	// Value is its value. Several numbers are set apart by single spaces.
	Value string `hcl:"value"`
}

// Process is a process.
type Process struct {
	// Process is its name, as /proc/PID/comm has it: the program's, up to 15
	// letters.
	Process string `hcl:"name,label"`
	// Running says whether there is one. Default true.
	Running *bool `hcl:"running,optional"`
}

// Mount is a mounted file system.
type Mount struct {
	// Mount is the absolute path where it is mounted.
	Mount string `hcl:"path,label"`
	// Exists says whether something is mounted there. Default true.
	Exists *bool `hcl:"exists,optional"`
	// Source is what is mounted, e.g. "/dev/xvda1".
	Source string `hcl:"source,optional"`
	// Filesystem is its type, e.g. "ext4".
	Filesystem string `hcl:"filesystem,optional"`
	// Options are options that it is mounted with, e.g. ["ro", "nosuid"].
	Options []string `hcl:"options,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "expect", New: func() provisioners.Provisioner {
		return &Config{Within: 10 * time.Second, RunAs: "root"}
	}}
}
