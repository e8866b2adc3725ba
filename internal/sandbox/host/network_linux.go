package host

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"github.com/containers/gvisor-tap-vsock/pkg/virtualnetwork"
)

// The machines of a host share a network that exists in this process only. It
// is taken from the range for benchmarks (RFC 2544), which no real network of
// the user's has.
const (
	subnet     = "198.18.0.0/16"
	gateway    = "198.18.0.1"
	gatewayMAC = "02:00:c6:12:00:01"
	hostAlias  = "198.18.0.2" // is 127.0.0.1 of the host
	firstPeer  = "198.18.1.0"
	mtu        = 1500
)

// loopback is the part of the loopback network that a machine keeps for itself.
// The rest has the addresses of machines, see firstBlock.
const loopback = "127.0.0.1/12"

// metadataAddress is where clouds answer questions about an instance.
const metadataAddress = "169.254.169.254"

// network connects machines to the outside and to their metadata, without a
// change to the host's interfaces, routes or firewall.
type network struct {
	start func() (*virtualnetwork.VirtualNetwork, error)

	mu       sync.Mutex
	last     uint32
	metadata map[netip.Addr]http.Handler // by the machine's address
	server   *http.Server
}

func newNetwork() *network {
	n := &network{metadata: map[netip.Addr]http.Handler{}}
	n.server = &http.Server{Handler: n, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	n.start = sync.OnceValues(func() (*virtualnetwork.VirtualNetwork, error) {
		v, err := virtualnetwork.New(&types.Configuration{
			MTU: mtu, Subnet: subnet, GatewayIP: gateway, GatewayMacAddress: gatewayMAC,
			GatewayVirtualIPs: []string{hostAlias}, NAT: map[string]string{hostAlias: "127.0.0.1"},
		})
		if err != nil {
			return nil, err
		}
		ln, err := v.Listen("tcp", net.JoinHostPort(metadataAddress, "80"))
		if err != nil {
			return nil, err
		}
		go func() { _ = n.server.Serve(ln) }()
		return v, nil
	})
	return n
}

// ServeHTTP answers a machine about itself: it is known by its address.
func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	n.mu.Lock()
	h := n.metadata[from.Addr()]
	n.mu.Unlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

// serve gives a machine its metadata, nil to end that.
func (n *network) serve(addr netip.Addr, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h == nil {
		delete(n.metadata, addr)
	} else {
		n.metadata[addr] = h
	}
}

// peer returns an address for one more machine. They come around again after
// some 60000.
func (n *network) peer() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	base := netip.MustParseAddr(firstPeer).As4()
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+n.last%(0xfe00))
	return netip.AddrFrom4(a)
}
