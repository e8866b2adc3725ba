package winrm

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/go-ntlmssp"
)

const (
	dialTimeout   = 15 * time.Second // for one try to reach the port
	answerTimeout = 90 * time.Second // for one request: longer than the machine waits for output
	longestAnswer = 16 << 20         // bytes
	contentType   = "application/soap+xml"
)

// wire carries requests to one machine.
type wire struct {
	url      string
	user     string
	password string
	http     *http.Client
}

// pin keeps the certificate that was seen first.
type pin struct {
	mu   sync.Mutex
	seen string // SHA-256, hex
}

func (p *pin) check(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the machine shows no certificate")
	}
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	got := hex.EncodeToString(sum[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == "" {
		p.seen = got
	}
	if p.seen != got {
		return &CertificateError{Want: p.seen, Got: got}
	}
	return nil
}

func (p *pin) certificate() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// wire returns what carries requests to a machine.
func (c *Client) wire(t Target, p *pin) *wire {
	o := c.options
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(t.Host, strconv.Itoa(t.port(c))), Path: "/wsman"}
	tr := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       time.Minute,
	}
	if t.Dial != nil {
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return t.Dial(ctx) }
	} else if !o.WinRMNoProxy {
		tr.Proxy = http.ProxyFromEnvironment
	}
	if o.WinRMUseSSL {
		u.Scheme = "https"
		tr.TLSClientConfig = &tls.Config{
			InsecureSkipVerify: o.WinRMInsecure, // the pin is checked in any case
			VerifyConnection:   p.check,
		}
	}
	w := &wire{url: u.String(), user: o.WinRMUsername, password: o.WinRMPassword.Reveal(), http: &http.Client{
		Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if o.WinRMUseNTLM {
		w.http.Transport = ntlmssp.Negotiator{RoundTripper: tr}
	}
	return w
}

// post sends a request and returns the answer. An error that the machine tells
// is a *Fault.
func (w *wire) post(ctx context.Context, message string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, strings.NewReader(message))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType+";charset=UTF-8")
	req.SetBasicAuth(w.user, w.password)
	resp, err := w.http.Do(req)
	if err != nil {
		return nil, unwrapURL(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	if err != nil {
		return nil, err
	}
	soap := strings.HasPrefix(resp.Header.Get("Content-Type"), contentType)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return nil, errLogin
	case soap && resp.StatusCode == http.StatusOK:
		return body, nil
	case soap:
		if f := readFault(body); f != nil {
			return nil, f
		}
	}
	return nil, &statusError{code: resp.StatusCode, text: http.StatusText(resp.StatusCode)}
}

// unwrapURL takes off what only repeats the address.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// close ends connections that are idle.
func (w *wire) close() { w.http.CloseIdleConnections() }
