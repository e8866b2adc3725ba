// Package ssh is the connection to a machine: it dials (directly, through a
// bastion or a proxy), pins the host key, runs commands, moves files and trees
// as streams, and connects again after a reboot.
package ssh

import (
	"time"

	"github.com/ingot-build/ingot/internal/secret"
)

// Config is how a machine is reached. Builders embed it.
type Config struct {
	// Communicator is how ingot talks to the machine: "ssh", "winrm" for
	// Windows, or "none" where only steps that run on this host are wanted.
	// Default "ssh".
	Communicator string `hcl:"communicator,optional"`
	// PauseBeforeConnecting waits this long after the machine was first
	// reached, then connects again. For machines that restart soon after
	// their first boot. Default 0.
	PauseBeforeConnecting time.Duration `hcl:"pause_before_connecting,optional"`

	// Host is the name or address of the machine.
	Host string `hcl:"ssh_host,optional"`
	// Port is the port that the machine's SSH server listens on. Default 22.
	Port int `hcl:"ssh_port,optional"`
	// Username is who logs in.
	Username string `hcl:"ssh_username,optional"`
	// Password is the password to log in with. It also answers questions of
	// keyboard-interactive logins.
	Password secret.String `hcl:"ssh_password,optional"`
	// PrivateKeyFile is a file with the private key to log in with (RSA,
	// ECDSA or Ed25519, not encrypted). "~" is the home folder.
	PrivateKeyFile string `hcl:"ssh_private_key_file,optional"`
	// CertificateFile is a file with the certificate of the private key.
	CertificateFile string `hcl:"ssh_certificate_file,optional"`
	// AgentAuth logs in with the keys of the SSH agent at SSH_AUTH_SOCK.
	// Default false.
	AgentAuth bool `hcl:"ssh_agent_auth,optional"`
	// AgentForwarding lets commands on the machine use the SSH agent of this
	// host. Default false; Packer forwards the agent unless told not to.
	AgentForwarding bool `hcl:"ssh_agent_forwarding,optional"`
	// DisableAgentForwarding is Packer's option not to forward the agent,
	// which ingot does only where ssh_agent_forwarding is set. Default false.
	DisableAgentForwarding bool `hcl:"ssh_disable_agent_forwarding,optional"`
	// HostKey is the machine's host key: a line as in known_hosts or a public
	// key file ("ssh-ed25519 AAAA…"), or a fingerprint ("SHA256:…"). Default:
	// the key seen first is trusted, and must not change until the build ends.
	HostKey string `hcl:"ssh_host_key,optional"`

	// Pty runs commands on a pseudo terminal, e.g. for a sudo that insists on
	// one. Standard error then arrives as standard output. Default false.
	Pty bool `hcl:"ssh_pty,optional"`
	// Timeout is how long to try to connect. Default 5m; where the machine is
	// known to be there already, a closed port is final after 5s unless this
	// is set.
	Timeout time.Duration `hcl:"ssh_timeout,optional"`
	// WaitTimeout is another name for ssh_timeout.
	WaitTimeout time.Duration `hcl:"ssh_wait_timeout,optional"`
	// HandshakeAttempts is how many refused logins to take before giving up.
	// Default 10; 1 where the machine is known to be there already.
	HandshakeAttempts int `hcl:"ssh_handshake_attempts,optional"`
	// Ciphers are the ciphers to offer, best first. Default: AES-GCM, then
	// ChaCha20-Poly1305, then AES-CTR.
	Ciphers []string `hcl:"ssh_ciphers,optional"`
	// KeyExchangeAlgorithms are the key exchanges to offer, best first.
	KeyExchangeAlgorithms []string `hcl:"ssh_key_exchange_algorithms,optional"`
	// ClearAuthorizedKeys removes the temporary key from the machine's
	// authorized_keys before the image is made. Default false.
	ClearAuthorizedKeys bool `hcl:"ssh_clear_authorized_keys,optional"`
	// FileTransferMethod is "scp" or "sftp". Both are accepted and neither is
	// used: files go as one stream to cat, trees as one stream to tar, which
	// is faster and needs nothing installed on the machine. Default "scp".
	FileTransferMethod string `hcl:"ssh_file_transfer_method,optional"`
	// KeepAliveInterval is how often to ask an idle machine whether it is
	// still there; after three intervals (but at least 15s) without an answer
	// the connection counts as lost. Negative turns it off. Default 5s.
	KeepAliveInterval time.Duration `hcl:"ssh_keep_alive_interval,optional"`
	// ReadWriteTimeout ends a connection on which nothing could be read or
	// written for so long. Default 0: never.
	ReadWriteTimeout time.Duration `hcl:"ssh_read_write_timeout,optional"`
	// RemoteTunnels make ports of the machine lead to this host's side:
	// "port:host:port", the first port is the machine's.
	RemoteTunnels []string `hcl:"ssh_remote_tunnels,optional"`
	// LocalTunnels make ports of this host lead to the machine's side:
	// "port:host:port", the first port is this host's.
	LocalTunnels []string `hcl:"ssh_local_tunnels,optional"`

	// BastionHost is a machine to go through, as with ProxyJump.
	BastionHost string `hcl:"ssh_bastion_host,optional"`
	// BastionPort is the port of the bastion. Default 22.
	BastionPort int `hcl:"ssh_bastion_port,optional"`
	// BastionUsername is who logs in to the bastion. Default: ssh_username.
	BastionUsername string `hcl:"ssh_bastion_username,optional"`
	// BastionPassword is the password for the bastion.
	BastionPassword secret.String `hcl:"ssh_bastion_password,optional"`
	// BastionInteractive asks the user on the terminal for what the bastion
	// wants to know. Default false.
	BastionInteractive bool `hcl:"ssh_bastion_interactive,optional"`
	// BastionAgentAuth logs in to the bastion with the keys of the SSH agent.
	// Default false.
	BastionAgentAuth bool `hcl:"ssh_bastion_agent_auth,optional"`
	// BastionPrivateKeyFile is a file with the private key for the bastion.
	// Default: ssh_private_key_file, where the bastion has no login of its own.
	BastionPrivateKeyFile string `hcl:"ssh_bastion_private_key_file,optional"`
	// BastionCertificateFile is a file with the certificate of that key.
	BastionCertificateFile string `hcl:"ssh_bastion_certificate_file,optional"`

	// ProxyHost is a SOCKS5 proxy to go through. Not together with a bastion.
	ProxyHost string `hcl:"ssh_proxy_host,optional"`
	// ProxyPort is the port of the proxy. Default 1080.
	ProxyPort int `hcl:"ssh_proxy_port,optional"`
	// ProxyUsername is the user name for the proxy.
	ProxyUsername string `hcl:"ssh_proxy_username,optional"`
	// ProxyPassword is the password for the proxy.
	ProxyPassword secret.String `hcl:"ssh_proxy_password,optional"`
}

// NoKeyPair are the options of key pairs, for builders that have none.
type NoKeyPair struct {
	// KeypairName is the name of a key pair of a cloud.
	KeypairName *string `hcl:"ssh_keypair_name,optional" refuse:"this builder has no key pairs: set ssh_private_key_file"`
	// TemporaryKeyPairName is the name of the key pair made for one build.
	TemporaryKeyPairName *string `hcl:"temporary_key_pair_name,optional" refuse:"this builder makes no temporary key pair"`
	// TemporaryKeyPairType is the kind of the key pair made for one build.
	TemporaryKeyPairType *string `hcl:"temporary_key_pair_type,optional" refuse:"this builder makes no temporary key pair"`
	// TemporaryKeyPairBits is the size of the key pair made for one build.
	TemporaryKeyPairBits *int `hcl:"temporary_key_pair_bits,optional" refuse:"this builder makes no temporary key pair"`
}

// KeyPair are the options of key pairs, for builders of clouds: without a key
// file, a password or an agent, a key is made for the one build.
type KeyPair struct {
	// KeypairName is the name of a key pair that the cloud has. Its private key
	// is given by ssh_private_key_file or an agent.
	KeypairName string `hcl:"ssh_keypair_name,optional"`
	// TemporaryKeyPairName is the name of the key pair made for the build.
	// Default: made of the run's id.
	TemporaryKeyPairName string `hcl:"temporary_key_pair_name,optional"`
	// TemporaryKeyPairType is the kind of the key made for the build:
	// "ed25519", "ecdsa" or "rsa". Default "ed25519".
	TemporaryKeyPairType string `hcl:"temporary_key_pair_type,optional"`
	// TemporaryKeyPairBits is its size: 2048 to 16384 for RSA (default 4096),
	// 256, 384 or 521 for ECDSA (default 521). Ed25519 has one size.
	TemporaryKeyPairBits int `hcl:"temporary_key_pair_bits,optional"`
}

// Defaults returns a Config with the defaults of its options.
func Defaults() Config {
	return Config{
		Communicator: "ssh", Port: 22, BastionPort: 22, ProxyPort: 1080,
		FileTransferMethod: "scp", KeepAliveInterval: 5 * time.Second,
	}
}
