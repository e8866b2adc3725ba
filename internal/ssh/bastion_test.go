package ssh_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// TestBastionPassword logs in to a bastion with a password of its own.
func TestBastionPassword(t *testing.T) {
	t.Parallel()
	bastion := sshtest.Run(t, sshtest.Options{User: "ingot-test", Password: "open sesame"})
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.BastionHost, c.BastionPort, c.BastionUsername = bastion.Host, bastion.Port, bastion.User
	c.BastionPassword = secret.Sensitive("open sesame")
	sh(t, connect(t, c), "true")
	c.BastionPassword = secret.Sensitive("wrong")
	wantError(t, fails(t, c, nil), "through the bastion", "refused the password")
}

// TestBastionCertificate logs in to a bastion that knows only who signs.
func TestBastionCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, key := keygen(t, dir, "ca", "-t", "ed25519"), keygen(t, dir, "key", "-t", "ecdsa")
	bastion := sshtest.Run(t, sshtest.Options{Config: []string{"TrustedUserCAKeys " + ca + ".pub"}})
	s := sshtest.Run(t, sshtest.Options{})
	if out, err := exec.Command("ssh-keygen", "-q", "-s", ca, "-I", "id", "-n", bastion.User, key+".pub").CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	c := config(s)
	c.BastionHost, c.BastionPort, c.BastionUsername, c.BastionPrivateKeyFile = bastion.Host, bastion.Port, bastion.User, key
	wantError(t, fails(t, c, nil), "through the bastion", "refused the key")
	c.BastionCertificateFile = key + "-cert.pub"
	sh(t, connect(t, c), "true")
}

// TestBastionAgent logs in to a bastion with a key that only the agent has.
func TestBastionAgent(t *testing.T) {
	bastion := sshtest.Run(t, sshtest.Options{})
	s := sshtest.Run(t, sshtest.Options{})
	startAgent(t, bastion.KeyFile)
	c := config(s)
	c.BastionHost, c.BastionPort, c.BastionUsername, c.BastionAgentAuth = bastion.Host, bastion.Port, bastion.User, true
	sh(t, connect(t, c), "true")
}

// TestWaitTimeout checks that the other name of ssh_timeout acts as that.
func TestWaitTimeout(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.Port, c.WaitTimeout = closedPort(t), time.Millisecond
	wantError(t, fails(t, c, nil), "can't connect within")
}
