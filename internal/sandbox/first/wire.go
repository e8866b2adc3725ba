package first

import (
	"encoding/json"
	"net"
	"sync"
)

// Wire carries orders one way and reports the other, as JSON.
type Wire struct {
	net.Conn
	in  *json.Decoder
	mu  sync.Mutex
	out *json.Encoder
}

// NewWire is one end of a connection.
func NewWire(c net.Conn) *Wire {
	return &Wire{Conn: c, in: json.NewDecoder(c), out: json.NewEncoder(c)}
}

// Send sends a message. It may be called by several goroutines.
func (w *Wire) Send(v any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Encode(v)
}

// Receive waits for the next message.
func (w *Wire) Receive(v any) error { return w.in.Decode(v) }
