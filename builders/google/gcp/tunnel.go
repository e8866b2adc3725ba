package gcp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/ingot-build/ingot/internal/pause"
)

// TunnelTo is a port of an instance.
type TunnelTo struct {
	Project, Zone, Instance, Interface string
	Port                               int
}

// The relay's protocol, version 4, as gcloud's start-iap-tunnel speaks it: each
// message of the websocket is a frame that begins with a tag of two bytes. Both
// sides say how many bytes they have received, so that a connection that was
// lost is taken up again without losing or repeating any.
const (
	subprotocol = "relay.tunnel.cloudproxy.app"
	origin      = "bot:iap-tunneler"

	tagConnected   = 0x0001 // length uint32, session id
	tagReconnected = 0x0002 // uint64: bytes received by the relay
	tagData        = 0x0004 // length uint32, bytes
	tagAck         = 0x0007 // uint64: bytes received

	largestFrame = 16384
	ackAfter     = 2 * largestFrame

	reconnectFor   = 30 * time.Second
	connectTimeout = 20 * time.Second
)

// TunnelError is what the relay says when it ends or refuses a connection.
type TunnelError struct {
	Code   int // of the websocket's close message, or of HTTP
	Reason string
}

// Codes of close messages.
const (
	closeUnreachable   = 4003 // the port does not answer
	closeUnknownID     = 4004
	closeNotAuthorized = 4033
	closeNotFound      = 4047
)

func (e *TunnelError) Error() string {
	switch e.Code {
	case closeUnreachable:
		return "the Identity-Aware Proxy can't reach the port: " + e.Reason
	case closeNotAuthorized, http.StatusForbidden, http.StatusUnauthorized:
		return "the Identity-Aware Proxy does not let the account through: " + e.Reason
	case closeNotFound:
		return "the Identity-Aware Proxy does not find the instance: " + e.Reason
	}
	return fmt.Sprintf("the Identity-Aware Proxy ended the connection (%d): %s", e.Code, e.Reason)
}

// Hint says what the proxy needs.
func (e *TunnelError) Hint() string {
	switch {
	case e.Final():
		return "the account needs the role roles/iap.tunnelResourceAccessor, and the project the API iap.googleapis.com"
	case e.Code == closeUnreachable:
		return "the network needs a firewall rule that lets tcp:22 in from 35.235.240.0/20"
	}
	return ""
}

// Final reports whether another try is of no use.
func (e *TunnelError) Final() bool {
	return e.Code == closeNotAuthorized || e.Code == http.StatusForbidden || e.Code == http.StatusUnauthorized
}

// Unreachable reports whether the port does not answer, as while an instance
// boots.
func (e *TunnelError) Unreachable() bool { return e.Code == closeUnreachable }

// Tunnel connects to a port of an instance through the Identity-Aware Proxy.
func (c *Client) Tunnel(ctx context.Context, to TunnelTo) (net.Conn, error) {
	t := &tunnel{client: c, to: to}
	ws, payload, err := t.dial(ctx, "/connect", to.query(), tagConnected)
	if err != nil {
		return nil, err
	}
	t.ws, t.sid = ws, string(payload)
	t.live, t.end = context.WithCancel(context.WithoutCancel(ctx))
	here, there := net.Pipe()
	go t.up(there)
	go t.down(there)
	return here, nil
}

func (to TunnelTo) query() url.Values {
	return url.Values{
		"project": {to.Project}, "zone": {to.Zone}, "instance": {to.Instance}, "interface": {to.Interface},
		"port": {strconv.Itoa(to.Port)}, "newWebsocket": {"true"},
	}
}

// tunnel is one connection through the relay, over one websocket after another.
type tunnel struct {
	client *Client
	to     TunnelTo
	sid    string
	live   context.Context
	end    context.CancelFunc

	mu       sync.Mutex
	ws       *websocket.Conn
	turn     int    // counts the websockets
	unacked  []byte // sent, and not known to have arrived
	sent     uint64 // bytes known to have arrived: unacked begins there
	received uint64
	acked    uint64 // bytes that the relay was told were received
}

// dial opens a websocket and reads the frame that it must begin with.
func (t *tunnel) dial(ctx context.Context, path string, query url.Values, want uint16) (*websocket.Conn, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, t.client.relay+path+"?"+query.Encode(), &websocket.DialOptions{
		HTTPClient: t.client.login, Subprotocols: []string{subprotocol}, HTTPHeader: http.Header{"Origin": {origin}},
	})
	if err != nil {
		var login *LoginError
		if errors.As(err, &login) {
			return nil, nil, login
		}
		if resp != nil {
			return nil, nil, &TunnelError{Code: resp.StatusCode, Reason: resp.Status}
		}
		return nil, nil, fmt.Errorf("reach the Identity-Aware Proxy: %w", err)
	}
	ws.SetReadLimit(1 << 20)
	for {
		_, message, err := ws.Read(ctx)
		if err != nil {
			ws.CloseNow()
			return nil, nil, closed(err)
		}
		tag, payload, err := frame(message)
		if err != nil {
			ws.CloseNow()
			return nil, nil, err
		}
		if tag == want {
			return ws, payload, nil
		}
	}
}

// closed is the relay's reason for the end of a websocket.
func closed(err error) error {
	var end websocket.CloseError
	if errors.As(err, &end) {
		return &TunnelError{Code: int(end.Code), Reason: end.Reason}
	}
	return fmt.Errorf("the Identity-Aware Proxy: %w", err)
}

var errFrame = errors.New("the Identity-Aware Proxy sent something that is no frame of its protocol")

// frame takes a message apart. Tags that are not known have no payload here.
func frame(message []byte) (tag uint16, payload []byte, err error) {
	if len(message) < 2 {
		return 0, nil, errFrame
	}
	tag, rest := binary.BigEndian.Uint16(message), message[2:]
	switch tag {
	case tagConnected, tagData:
		if len(rest) < 4 || uint64(len(rest)-4) < uint64(binary.BigEndian.Uint32(rest)) {
			return 0, nil, errFrame
		}
		return tag, rest[4 : 4+binary.BigEndian.Uint32(rest)], nil
	case tagReconnected, tagAck:
		if len(rest) < 8 {
			return 0, nil, errFrame
		}
		return tag, rest[:8], nil
	}
	return tag, nil, nil
}

func dataFrame(data []byte) []byte {
	f := binary.BigEndian.AppendUint16(make([]byte, 0, 6+len(data)), tagData)
	f = binary.BigEndian.AppendUint32(f, uint32(len(data)))
	return append(f, data...)
}

func ackFrame(received uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, tagAck), received)
}

// up sends what comes from here, until here is closed.
func (t *tunnel) up(there net.Conn) {
	defer there.Close()
	defer t.end()
	buf := make([]byte, largestFrame)
	for {
		n, err := there.Read(buf)
		if n > 0 {
			if t.send(buf[:n]) != nil {
				return
			}
		}
		if err != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			_ = t.ws.Close(websocket.StatusNormalClosure, "")
			return
		}
	}
}

// send sends data, over a new websocket where the old one is gone.
func (t *tunnel) send(data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unacked = append(t.unacked, data...)
	if err := t.ws.Write(t.live, websocket.MessageBinary, dataFrame(data)); err != nil {
		return t.reconnect(t.turn)
	}
	return nil
}

// down gives here what the relay sends, until the connection has ended.
func (t *tunnel) down(there net.Conn) {
	defer there.Close()
	defer t.end()
	for {
		t.mu.Lock()
		ws, turn := t.ws, t.turn
		t.mu.Unlock()
		_, message, err := ws.Read(t.live)
		if err != nil {
			if t.live.Err() != nil || ended(err) {
				return
			}
			t.mu.Lock()
			err = t.reconnect(turn)
			t.mu.Unlock()
			if err != nil {
				return
			}
			continue
		}
		tag, payload, err := frame(message)
		if err != nil {
			return
		}
		switch tag {
		case tagData:
			if !t.got(turn, len(payload)) {
				continue
			}
			if _, err := there.Write(payload); err != nil {
				return
			}
		case tagAck:
			t.mu.Lock()
			t.arrived(binary.BigEndian.Uint64(payload))
			t.mu.Unlock()
		}
	}
}

// ended reports whether the relay closed the connection for good.
func ended(err error) bool {
	code := websocket.CloseStatus(err)
	return code == websocket.StatusNormalClosure || code >= 4000
}

// got counts what was received, and tells the relay now and then. It reports
// whether that is new: what a websocket still had when another took its place
// comes again over that one.
func (t *tunnel) got(turn, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn != turn {
		return false
	}
	t.received += uint64(n)
	if t.received-t.acked > ackAfter {
		// Where this fails the next read does too, and connects again.
		_ = t.ws.Write(t.live, websocket.MessageBinary, ackFrame(t.received))
		t.acked = t.received
	}
	return true
}

// arrived drops what the relay has received.
func (t *tunnel) arrived(total uint64) {
	if total > t.sent && total-t.sent <= uint64(len(t.unacked)) {
		t.unacked = t.unacked[total-t.sent:]
		t.sent = total
	}
}

// reconnect takes the connection up over a new websocket, where no one else did
// since turn, and sends again what did not arrive. t.mu is held.
func (t *tunnel) reconnect(turn int) error {
	if t.turn != turn {
		return nil
	}
	t.ws.CloseNow()
	ctx, cancel := context.WithTimeout(t.live, reconnectFor)
	defer cancel()
	for try := 0; ; try++ {
		err := t.resume(ctx)
		var refused *TunnelError
		if err == nil || errors.As(err, &refused) && refused.Code >= 4000 {
			return err
		}
		if pause.For(ctx, backoff(try)) != nil {
			return err
		}
	}
}

func (t *tunnel) resume(ctx context.Context) error {
	query := url.Values{"sid": {t.sid}, "ack": {strconv.FormatUint(t.received, 10)}, "zone": {t.to.Zone}, "newWebsocket": {"true"}}
	ws, payload, err := t.dial(ctx, "/reconnect", query, tagReconnected)
	if err != nil {
		return err
	}
	t.ws = ws
	t.turn++
	t.acked = t.received
	t.arrived(binary.BigEndian.Uint64(payload))
	for rest := t.unacked; len(rest) > 0; {
		part := rest[:min(len(rest), largestFrame)]
		if err := ws.Write(ctx, websocket.MessageBinary, dataFrame(part)); err != nil {
			return err
		}
		rest = rest[len(part):]
	}
	return nil
}
