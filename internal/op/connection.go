package op

// Route says how a program of this host gets to the machine.
type Route string

// The routes there are.
const (
	// RouteAuto is RouteDirect where plain ssh gets to the machine with the
	// login's own key, else RouteProxy.
	RouteAuto Route = "auto"
	// RouteDirect is a connection that the program makes itself.
	RouteDirect Route = "direct"
	// RouteProxy is an SSH server on this host, which passes on what the
	// program does over the connection that is there.
	RouteProxy Route = "proxy"
)

// Connection makes a Local one that works on the machine. Its command, its
// environment and the texts of its inputs may hold the tokens Conn….
type Connection struct {
	Route Route
	User  string // who the program logs in as; "" is the login
	Proxy Proxy
}

// Proxy are the options of the SSH server that a proxy route has.
type Proxy struct {
	Port              int    // the first of ten to try; 0 is any
	KeyType           string // of the keys made for it: "ecdsa", "rsa" or "ed25519"; "" is ecdsa
	HostKeyFile       string // its host key, a file of this host; "" makes one
	AuthorizedKeyFile string // the public key that may log in; "" makes one
	SFTPCommand       string // what serves SFTP on the machine; "" is the machine's own subsystem
}

// Names of the tokens that a Local with a connection may use.
const (
	ConnHost = "conn.host"
	ConnPort = "conn.port"
	ConnUser = "conn.user" // who logs in
	// ConnPassword is the password of a login by WinRM.
	ConnPassword = "conn.password"
	// ConnScheme is what WinRM is spoken over: "http" or "https".
	ConnScheme = "conn.scheme"
	// ConnAuth is how WinRM logs in: "basic" or "ntlm".
	ConnAuth = "conn.auth"
	// ConnCertificates says what becomes of the certificate of WinRM: "validate"
	// or "ignore".
	ConnCertificates = "conn.certificates"
	// ConnKey is the path of the private key, "" where there is none.
	ConnKey = "conn.key"
	// ConnKnownHosts is the path of a known_hosts file with the machine's key.
	ConnKnownHosts = "conn.knownhosts"
)
