package stores

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// ConsulKey reads a key of Consul's key-value store. CONSUL_HTTP_ADDR and
// CONSUL_HTTP_TOKEN say how Consul is reached; without them it is the agent on
// this host.
func (e Env) ConsulKey(ctx context.Context, key string) (string, error) {
	text, err := e.readConsul(ctx, strings.TrimPrefix(key, "/"))
	if err != nil {
		return "", fmt.Errorf("consul: %w", err)
	}
	return text, nil
}

func (e Env) readConsul(ctx context.Context, key string) (string, error) {
	if key == "" {
		return "", errors.New("the key is empty")
	}
	address, socket, err := e.consulAddress()
	if err != nil {
		return "", err
	}
	verify, err := e.flag("CONSUL_HTTP_SSL_VERIFY", true)
	if err != nil {
		return "", err
	}
	client, err := e.client(tlsNames{"CONSUL_CACERT", "CONSUL_CAPATH", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY", "CONSUL_TLS_SERVER_NAME"}, !verify, socket)
	if err != nil {
		return "", err
	}
	header, err := e.consulHeader()
	if err != nil {
		return "", err
	}
	query := url.Values{"raw": {"true"}}
	for name, param := range map[string]string{"CONSUL_NAMESPACE": "ns", "CONSUL_PARTITION": "partition"} {
		if v := e(name); v != "" {
			query.Set(param, v)
		}
	}
	text, resp, err := get(ctx, client, address+"/v1/kv/"+escapePath(key)+"?"+query.Encode(), header)
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode == http.StatusNotFound:
		return "", fmt.Errorf("there is no key %s", key)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s: %s: %s", key, resp.Status, said(text))
	case len(text) == 0:
		return "", fmt.Errorf("the value of %s is empty", key)
	}
	return string(text), nil
}

// consulAddress is the URL of the agent, and its socket where it has one.
func (e Env) consulAddress() (address, socket string, err error) {
	secure, err := e.flag("CONSUL_HTTP_SSL", false)
	if err != nil {
		return "", "", err
	}
	address = e("CONSUL_HTTP_ADDR")
	if address == "" {
		address = "127.0.0.1:8500"
	}
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return "http://consul", path, nil
	}
	if !strings.Contains(address, "://") {
		scheme := "http://"
		if secure {
			scheme = "https://"
		}
		address = scheme + address
	}
	return strings.TrimSuffix(address, "/"), "", nil
}

func (e Env) consulHeader() (http.Header, error) {
	h := http.Header{}
	token := e("CONSUL_HTTP_TOKEN")
	if file := e("CONSUL_HTTP_TOKEN_FILE"); file != "" && token == "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("CONSUL_HTTP_TOKEN_FILE: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	if token != "" {
		h.Set("X-Consul-Token", token)
	}
	if auth := e("CONSUL_HTTP_AUTH"); auth != "" {
		user, password, _ := strings.Cut(auth, ":")
		r := http.Request{Header: h}
		r.SetBasicAuth(user, password)
	}
	return h, nil
}
