package gce

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// IAP's TCP relay, version 4: a connection to a port of an instance inside a
// websocket. Each message is a tag of two bytes and what belongs to it. Both
// ends say how many bytes they have had, so that a client that lost its
// websocket goes on in a new one.
const (
	relayProtocol = "relay.tunnel.cloudproxy.app"

	tagConnected   = 1 // length (4 bytes) and the session's id
	tagReconnected = 2 // bytes received (8 bytes)
	tagData        = 4 // length (4 bytes) and data
	tagAck         = 7 // bytes received (8 bytes)

	maxRelayData = 16 << 10
	maxUnacked   = 2 << 20 // bytes that are kept for a client that may reconnect
	relayGrace   = time.Minute
)

// Codes that websockets are closed with.
const (
	closeUnknownSession websocket.StatusCode = 4001
	closeBackend        websocket.StatusCode = 4003
	closeBadAck         websocket.StatusCode = 4005
	closeBadTag         websocket.StatusCode = 4008
	closeBadData        websocket.StatusCode = 4013
	closeUnauthorized   websocket.StatusCode = 4033
	closeNotFound       websocket.StatusCode = 4047
)

// relays are the sessions that are open, by id.
type relays struct {
	mu  sync.Mutex
	all map[string]*relay
}

func (r *relays) get(id string) *relay {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[id]
}

func (r *relays) add(id string, to *relay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]*relay{}
	}
	r.all[id] = to
}

func (r *relays) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, id)
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{relayProtocol}, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != relayProtocol {
		return nil, errors.Join(errors.New("no protocol in common"), ws.Close(websocket.StatusPolicyViolation, "the subprotocol is "+relayProtocol))
	}
	ws.SetReadLimit(maxRelayData + 64)
	if _, err := caller(r); err != nil {
		return nil, errors.Join(err, ws.Close(closeUnauthorized, "not authorized"))
	}
	return ws, nil
}

// connect opens a relay to a port of an instance.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	ws, err := s.accept(w, r)
	if err != nil {
		return
	}
	q := r.URL.Query()
	address, found := s.inside(q.Get("project"), q.Get("zone"), q.Get("instance"))
	port, err := strconv.ParseUint(q.Get("port"), 10, 16)
	if !found || err != nil {
		_ = ws.Close(closeNotFound, "failed to lookup instance")
		return
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(r.Context(), "tcp", net.JoinHostPort(address, strconv.FormatUint(port, 10)))
	if err != nil {
		_ = ws.Close(closeBackend, "failed to connect to backend")
		return
	}
	to := newRelay(conn)
	id := rand.Text()
	s.relays.add(id, to)
	go func() {
		select {
		case <-to.over:
		case <-s.ctx.Done():
		}
		conn.Close()
		s.relays.remove(id)
	}()
	if err := ws.Write(r.Context(), websocket.MessageBinary, sized(tagConnected, []byte(id))); err != nil {
		to.leave()
		return
	}
	to.serve(r.Context(), ws, 0)
}

// reconnect goes on with a relay in a new websocket.
func (s *Server) reconnect(w http.ResponseWriter, r *http.Request) {
	ws, err := s.accept(w, r)
	if err != nil {
		return
	}
	to := s.relays.get(r.URL.Query().Get("sid"))
	if to == nil {
		_ = ws.Close(closeUnknownSession, "sid unknown")
		return
	}
	ack, err := strconv.ParseUint(r.URL.Query().Get("ack"), 10, 64)
	if err != nil || !to.acked(ack) {
		_ = ws.Close(closeBadAck, "bad ack")
		return
	}
	if err := ws.Write(r.Context(), websocket.MessageBinary, counted(tagReconnected, to.taken())); err != nil {
		to.leave()
		return
	}
	to.serve(r.Context(), ws, ack)
}

// inside is an address at which the ports of an instance are reached.
func (s *Server) inside(project, zone, instance string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, r, err := s.state.get("projects/" + project + "/zones/" + zone + "/instances/" + instance)
	if err != nil || r.Instance.Status != "RUNNING" || len(r.Instance.NetworkInterfaces) == 0 {
		return "", false
	}
	if r.Reach != "" {
		return r.Reach, true
	}
	return r.Instance.NetworkInterfaces[0].NetworkIP, true
}

func counted(tag uint16, n uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, tag), n)
}

func sized(tag uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, tag), uint32(len(data)))
	return append(b, data...)
}

// relay is one session.
type relay struct {
	conn net.Conn
	over chan struct{} // closed when the instance, or the client, has ended it

	mu       sync.Mutex
	news     *sync.Cond
	unacked  []byte // from the instance, that the client did not confirm
	from     uint64 // how many bytes there were before those
	received uint64 // bytes from the client
	current  *websocket.Conn
	ended    bool // no more comes from the instance
	timer    *time.Timer
	once     sync.Once
}

func newRelay(conn net.Conn) *relay {
	r := &relay{conn: conn, over: make(chan struct{})}
	r.news = sync.NewCond(&r.mu)
	r.timer = time.AfterFunc(relayGrace, r.end)
	go r.read()
	return r
}

func (r *relay) end() {
	r.once.Do(func() { close(r.over) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.news.Broadcast()
}

// leave is the end of a websocket, whose client may come back for a while.
func (r *relay) leave() { r.timer.Reset(relayGrace) }

// read takes what the instance sends.
func (r *relay) read() {
	buf := make([]byte, maxRelayData)
	for {
		n, err := r.conn.Read(buf)
		r.mu.Lock()
		r.unacked = append(r.unacked, buf[:n]...)
		if err != nil {
			r.ended = true
		}
		r.news.Broadcast()
		for err == nil && len(r.unacked) > maxUnacked && !r.ended {
			r.news.Wait()
		}
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// acked forgets what the client has had.
func (r *relay) acked(n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < r.from || n > r.from+uint64(len(r.unacked)) {
		return false
	}
	r.unacked = r.unacked[n-r.from:]
	r.from = n
	r.news.Broadcast()
	return true
}

func (r *relay) taken() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

// serve carries data until the websocket or the connection ends. The client has
// had the first bytes, as many as sent says.
func (r *relay) serve(ctx context.Context, ws *websocket.Conn, sent uint64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.timer.Stop()
	r.mu.Lock()
	old := r.current
	r.current = ws
	r.news.Broadcast()
	r.mu.Unlock()
	if old != nil {
		_ = old.CloseNow()
	}
	go func() {
		r.send(ctx, ws, sent)
		cancel()
	}()
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.news.Broadcast()
	})
	defer stop()
	err := r.receive(ctx, ws)
	r.mu.Lock()
	mine := r.current == ws
	r.mu.Unlock()
	if websocket.CloseStatus(err) == websocket.StatusNormalClosure || errors.Is(err, errDestination) {
		r.end()
	} else if mine {
		r.leave()
	}
}

// send carries data to the client.
func (r *relay) send(ctx context.Context, ws *websocket.Conn, sent uint64) {
	for {
		r.mu.Lock()
		for sent == r.from+uint64(len(r.unacked)) && !r.ended && r.current == ws && ctx.Err() == nil {
			r.news.Wait()
		}
		if r.current != ws || ctx.Err() != nil {
			r.mu.Unlock()
			return
		}
		chunk := append([]byte(nil), r.unacked[sent-r.from:]...)
		r.mu.Unlock()
		if len(chunk) == 0 {
			_ = ws.Close(websocket.StatusNormalClosure, "")
			r.end()
			return
		}
		chunk = chunk[:min(len(chunk), maxRelayData)]
		if err := ws.Write(ctx, websocket.MessageBinary, sized(tagData, chunk)); err != nil {
			return
		}
		sent += uint64(len(chunk))
	}
}

var errDestination = errors.New("the instance takes no more")

// receive carries data from the client.
func (r *relay) receive(ctx context.Context, ws *websocket.Conn) error {
	for {
		kind, m, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary || len(m) < 2 {
			return ws.Close(closeBadTag, "invalid tag")
		}
		tag, m := binary.BigEndian.Uint16(m), m[2:]
		switch {
		case tag == tagAck && len(m) == 8:
			if !r.acked(binary.BigEndian.Uint64(m)) {
				return ws.Close(closeBadAck, "bad ack")
			}
		case tag == tagData && len(m) >= 4 && int(binary.BigEndian.Uint32(m)) == len(m)-4 && len(m)-4 <= maxRelayData:
			if _, err := r.conn.Write(m[4:]); err != nil {
				return errors.Join(errDestination, err)
			}
			r.mu.Lock()
			r.received += uint64(len(m) - 4)
			n := r.received
			r.mu.Unlock()
			if err := ws.Write(ctx, websocket.MessageBinary, counted(tagAck, n)); err != nil {
				return err
			}
		case tag == tagData:
			return ws.Close(closeBadData, "invalid data")
		default:
			return ws.Close(closeBadTag, "invalid tag")
		}
	}
}
