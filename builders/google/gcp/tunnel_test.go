package gcp

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// cutter is a relay that echoes, and cuts each websocket off after some frames.
type cutter struct {
	t     *testing.T
	after int

	mu       sync.Mutex
	received []byte
	cuts     int
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, InsecureSkipVerify: true})
	if err != nil {
		c.t.Error(err)
		return
	}
	defer ws.CloseNow()
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, had := r.Context(), 0
	hello := append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, tagConnected), 3), "sid"...)
	if r.URL.Path == "/reconnect" {
		c.cuts++
		had, _ = strconv.Atoi(r.URL.Query().Get("ack"))
		hello = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, tagReconnected), uint64(len(c.received)))
	}
	if ws.Write(ctx, websocket.MessageBinary, hello) != nil {
		return
	}
	for rest := c.received[had:]; len(rest) > 0; {
		part := rest[:min(len(rest), largestFrame)]
		if ws.Write(ctx, websocket.MessageBinary, dataFrame(part)) != nil {
			return
		}
		rest = rest[len(part):]
	}
	for range c.after {
		_, message, err := ws.Read(ctx)
		if err != nil {
			return
		}
		tag, payload, err := frame(message)
		if err != nil || tag != tagData {
			continue
		}
		c.received = append(c.received, payload...)
		_ = ws.Write(ctx, websocket.MessageBinary, ackFrame(uint64(len(c.received))))
		_ = ws.Write(ctx, websocket.MessageBinary, dataFrame(payload))
	}
}

// TestTunnelReconnects loses and repeats nothing when the relay's websockets
// are cut off.
func TestTunnelReconnects(t *testing.T) {
	t.Parallel()
	relay := &cutter{t: t, after: 7}
	server := httptest.NewServer(relay)
	t.Cleanup(server.Close)
	c := &Client{relay: server.URL, login: server.Client()}
	conn, err := c.Tunnel(t.Context(), TunnelTo{Project: "p", Zone: "z", Instance: "i", Interface: "nic0", Port: 22})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := make([]byte, 600_000)
	_, _ = rand.Read(sent)
	go func() { _, _ = conn.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("what came back is not what was sent")
	}
	if relay.cuts == 0 {
		t.Error("the websocket was never cut off")
	}
}

// TestTunnelRefused says why.
func TestTunnelRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, InsecureSkipVerify: true})
		if err == nil {
			_ = ws.Close(closeNotAuthorized, "not authorized")
		}
	}))
	t.Cleanup(server.Close)
	c := &Client{relay: server.URL, login: server.Client()}
	_, err := c.Tunnel(t.Context(), TunnelTo{})
	refused, ok := err.(*TunnelError)
	if !ok || !refused.Final() || refused.Hint() == "" {
		t.Errorf("%v", err)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(dataFrame([]byte("data")))
	f.Add(ackFrame(7))
	f.Add([]byte{0, 4, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, message []byte) {
		if tag, payload, err := frame(message); err == nil && tag == tagData && len(payload) > len(message)-6 {
			t.Errorf("%d bytes of a message of %d", len(payload), len(message))
		}
	})
}
