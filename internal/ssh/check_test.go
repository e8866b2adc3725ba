package ssh_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
)

// keygen makes a key pair in dir and returns its file.
func keygen(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	args = append([]string{"-q", "-N", "", "-f", file}, args...)
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return file
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestClientChecks(t *testing.T) {
	if err := exec.Command("ssh-keygen", "-?").Run(); errors.Is(err, exec.ErrNotFound) {
		t.Skip("cannot run here: ssh-keygen is not installed")
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	dir := t.TempDir()
	key := keygen(t, dir, "key", "-t", "ed25519")
	other := keygen(t, dir, "other", "-t", "ed25519")
	encrypted := keygen(t, dir, "encrypted", "-t", "ed25519", "-N", "pass phrase")
	keygen(t, dir, "ca", "-t", "ed25519")
	if out, err := exec.Command("ssh-keygen", "-q", "-s", filepath.Join(dir, "ca"), "-I", "id", "-n", "root", other+".pub").CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	write(t, dir, "nonsense", "nonsense")
	for name, test := range map[string]struct {
		change func(*ssh.Config)
		option string // "" for no error
		want   string
	}{
		"key":               {func(c *ssh.Config) {}, "", ""},
		"relative key":      {func(c *ssh.Config) { c.PrivateKeyFile = "key" }, "", ""},
		"password":          {func(c *ssh.Config) { c.PrivateKeyFile, c.Password = "", secret.Sensitive("x") }, "", ""},
		"no user":           {func(c *ssh.Config) { c.Username = "" }, "ssh_username", "missing"},
		"nothing":           {func(c *ssh.Config) { c.PrivateKeyFile = "" }, "", "nothing to log in with"},
		"missing key":       {func(c *ssh.Config) { c.PrivateKeyFile = "nowhere" }, "ssh_private_key_file", "no such file"},
		"folder for key":    {func(c *ssh.Config) { c.PrivateKeyFile = dir }, "ssh_private_key_file", "is a directory"},
		"no key":            {func(c *ssh.Config) { c.PrivateKeyFile = "nonsense" }, "ssh_private_key_file", "not a private key"},
		"public key":        {func(c *ssh.Config) { c.PrivateKeyFile = key + ".pub" }, "ssh_private_key_file", "not a private key"},
		"encrypted key":     {func(c *ssh.Config) { c.PrivateKeyFile = encrypted }, "ssh_private_key_file", "is encrypted"},
		"no agent":          {func(c *ssh.Config) { c.PrivateKeyFile, c.AgentAuth = "", true }, "", ""},
		"no certificate":    {func(c *ssh.Config) { c.CertificateFile = key + ".pub" }, "ssh_certificate_file", "not a certificate"},
		"wrong certificate": {func(c *ssh.Config) { c.CertificateFile = other + "-cert.pub" }, "ssh_certificate_file", "of another key"},
		"lone certificate": {func(c *ssh.Config) {
			c.PrivateKeyFile, c.CertificateFile = "", other+"-cert.pub"
		}, "ssh_certificate_file", "needs the private key"},
		"port":           {func(c *ssh.Config) { c.Port = 0 }, "ssh_port", "0 is not a port"},
		"large port":     {func(c *ssh.Config) { c.BastionPort = 65536 }, "ssh_bastion_port", "65536"},
		"cipher":         {func(c *ssh.Config) { c.Ciphers = []string{"aes128-gcm@openssh.com", "rot13"} }, "ssh_ciphers", `"rot13"`},
		"key exchange":   {func(c *ssh.Config) { c.KeyExchangeAlgorithms = []string{"x"} }, "ssh_key_exchange_algorithms", `"x"`},
		"two ways":       {func(c *ssh.Config) { c.BastionHost, c.ProxyHost = "a", "b" }, "ssh_proxy_host", "ssh_bastion_host"},
		"bastion's key":  {func(c *ssh.Config) { c.BastionHost, c.BastionPrivateKeyFile = "a", "nowhere" }, "ssh_bastion_private_key_file", "no such file"},
		"transfer":       {func(c *ssh.Config) { c.FileTransferMethod = "ftp" }, "ssh_file_transfer_method", `"ftp"`},
		"sftp":           {func(c *ssh.Config) { c.FileTransferMethod = "sftp" }, "", ""},
		"both timeouts":  {func(c *ssh.Config) { c.Timeout, c.WaitTimeout = 1, 2 }, "ssh_wait_timeout", "another name"},
		"attempts":       {func(c *ssh.Config) { c.HandshakeAttempts = -1 }, "ssh_handshake_attempts", "negative"},
		"timeout":        {func(c *ssh.Config) { c.WaitTimeout = -1 }, "ssh_timeout", "negative"},
		"host key":       {func(c *ssh.Config) { c.HostKey = "x" }, "ssh_host_key", "neither"},
		"short print":    {func(c *ssh.Config) { c.HostKey = "SHA256:abc" }, "ssh_host_key", "neither"},
		"print":          {func(c *ssh.Config) { c.HostKey = "SHA256:" + strings.Repeat("a", 43) }, "", ""},
		"forward or not": {func(c *ssh.Config) { c.AgentForwarding, c.DisableAgentForwarding = true, true }, "ssh_agent_forwarding", "together"},
		"tunnel":         {func(c *ssh.Config) { c.LocalTunnels = []string{"80:web"} }, "ssh_local_tunnels", "port:host:port"},
		"tunnel's port":  {func(c *ssh.Config) { c.RemoteTunnels = []string{"80:web:x"} }, "ssh_remote_tunnels", "port:host:port"},
		"tunnels":        {func(c *ssh.Config) { c.LocalTunnels = []string{"80:web:80", "81:[::1]:80"} }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := ssh.Defaults()
			c.Host, c.Username, c.PrivateKeyFile = "localhost", "root", key
			test.change(&c)
			_, err := c.Client(dir)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var option *component.OptionError
			if !errors.As(err, &option) || option.Option != test.option || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %s with %q", err, test.option, test.want)
			}
		})
	}
}

func TestCommunicator(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{"ssh": true, "none": true, "winrm": true, "telnet": false} {
		if err := (ssh.Config{Communicator: name}).CheckCommunicator(); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
