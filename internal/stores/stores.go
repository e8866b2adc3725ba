// Package stores reads from the stores of secrets and settings that templates
// name: HashiCorp's Vault and Consul. Both are asked over their HTTP API; how
// they are reached is said by the environment variables of their own tools.
package stores

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/pause"
)

// Env returns the value of an environment variable, "" where it is not set, as
// os.Getenv does.
type Env func(name string) string

const (
	timeout = 30 * time.Second // that a store may take to answer
	longest = 4 << 20          // bytes of an answer
	tries   = 3                // where a store is not ready
)

// flag is a variable that is true or false.
func (e Env) flag(name string, otherwise bool) (bool, error) {
	text := e(name)
	if text == "" {
		return otherwise, nil
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s is %q: it takes true or false", name, text)
	}
	return is, nil
}

// tlsNames are the variables that say whom to trust, and who asks.
type tlsNames struct{ caFile, caDir, cert, key, server string }

// client returns an HTTP client that does TLS as the environment says. Socket
// is that of a server on this host, "" where it is reached by its address.
func (e Env) client(n tlsNames, insecure bool, socket string) (*http.Client, error) {
	conf := &tls.Config{InsecureSkipVerify: insecure, ServerName: e(n.server)}
	roots, err := e.roots(n)
	if err != nil {
		return nil, err
	}
	conf.RootCAs = roots
	if cert, key := e(n.cert), e(n.key); cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", n.cert, n.key, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	return &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: onlySecure}, nil
}

// onlySecure follows a store to the node that answers for it, as that needs the
// token too, but with no token out of TLS.
func onlySecure(r *http.Request, via []*http.Request) error {
	const most = 10 // as net/http's own
	if len(via) >= most {
		return fmt.Errorf("it redirects more than %d times", most)
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return fmt.Errorf("it redirects to %s://%s, where the token could be read on the way", r.URL.Scheme, r.URL.Host)
	}
	return nil
}

// roots are the certificates to trust; nil are those of the system.
func (e Env) roots(n tlsNames) (*x509.CertPool, error) {
	var files []string
	name := n.caFile
	if file := e(n.caFile); file != "" {
		files = []string{file}
	} else if dir := e(n.caDir); dir != "" {
		name = n.caDir
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.caDir, err)
		}
		files = found
	} else {
		return nil, nil
	}
	pool, some := x509.NewCertPool(), false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		some = pool.AppendCertsFromPEM(text) || some
	}
	if !some {
		return nil, fmt.Errorf("%s: %s has no certificate", name, e(name))
	}
	return pool, nil
}

// get asks, and asks again where the store is not ready or can't be reached.
// It returns the answer and its status.
func get(ctx context.Context, client *http.Client, url string, header http.Header) ([]byte, *http.Response, error) {
	var text []byte
	var resp *http.Response
	var err error
	for i := range tries {
		if i > 0 {
			if err := pause.For(ctx, time.Duration(i)*500*time.Millisecond); err != nil {
				return nil, nil, err
			}
		}
		text, resp, err = once(ctx, client, url, header)
		var untrusted *tls.CertificateVerificationError
		switch {
		case err == nil && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500,
			errors.As(err, &untrusted), ctx.Err() != nil:
			return text, resp, err
		}
	}
	return text, resp, err
}

func once(ctx context.Context, client *http.Client, url string, header http.Header) ([]byte, *http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header = header
	resp, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, longest+1))
	if err == nil && len(text) > longest {
		err = fmt.Errorf("the answer is longer than %d MB", longest>>20)
	}
	return text, resp, err
}

// said is what a store says of an error, on one line.
func said(text []byte) string {
	const most = 300
	s := strings.Join(strings.Fields(string(text)), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
