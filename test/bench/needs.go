package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// need is what a bench cannot run without.
type need struct {
	program string // in $PATH or where Debian has the programs of administrators
	install string // how to get it
}

var (
	packer        = need{"packer", "apt-get install packer (1.6.6 in Debian 12)"}
	iproute       = need{"ip", "apt-get install iproute2"}
	openSSHServer = need{"sshd", "apt-get install openssh-server"}
	openSSHClient = need{"ssh", "apt-get install openssh-client"}
	tarProgram    = need{"tar", "apt-get install tar"}
	mmdebstrap    = need{"mmdebstrap", "apt-get install mmdebstrap"}
	runc          = need{"runc", "apt-get install runc"}
	goTool        = need{"go", "see https://go.dev/dl"}
	root          = need{"", "run it as root"}
)

// missing says what is not there, and how to get it; "" is nothing.
func missing(needs []need) string {
	var list []string
	for _, n := range needs {
		switch {
		case n == root && os.Geteuid() != 0:
			list = append(list, "it needs root for network namespaces or containers: "+n.install)
		case n != root && find(n.program) == "":
			list = append(list, n.program+" is not installed: "+n.install)
		}
	}
	return strings.Join(list, "; ")
}

// find returns the path of a program, "" where there is none.
func find(program string) string {
	for _, name := range []string{program, filepath.Join("/usr/sbin", program), filepath.Join("/sbin", program)} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
