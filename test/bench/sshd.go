package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ingot-build/ingot/internal/sshtest"
)

// sshServer is an OpenSSH server of a bench's own.
type sshServer struct {
	*sshtest.Server
	known string // file that tells the client its host key
}

// startSSH starts a server. The caller closes it.
func (s *stand) startSSH(o sshtest.Options) (*sshServer, error) {
	srv, err := sshtest.Start(o)
	if err != nil {
		return nil, err
	}
	return &sshServer{Server: srv, known: filepath.Join(srv.Dir, "known_hosts")}, nil
}

// hostKeyFile holds the public key of the server.
func (srv *sshServer) hostKeyFile() string { return filepath.Join(srv.Dir, "host_ed25519.pub") }

// client is the OpenSSH client's command line for this server.
func (srv *sshServer) client(command string) ([]string, error) {
	key, err := os.ReadFile(srv.hostKeyFile())
	if err != nil {
		return nil, err
	}
	line := fmt.Sprintf("[%s]:%d %s", srv.Host, srv.Port, key)
	if err := os.WriteFile(srv.known, []byte(line), 0o600); err != nil {
		return nil, err
	}
	return []string{
		find("ssh"), "-F", "/dev/null", "-i", srv.KeyFile, "-p", strconv.Itoa(srv.Port),
		"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + srv.known,
		srv.User + "@" + srv.Host, command,
	}, nil
}

// source is a null source of a template for this server.
func (srv *sshServer) source(name string) string {
	return fmt.Sprintf(`
source "null" %q {
  ssh_host             = %q
  ssh_port             = %d
  ssh_username         = %q
  ssh_private_key_file = %q
}
`, name, srv.Host, srv.Port, srv.User, srv.KeyFile)
}
