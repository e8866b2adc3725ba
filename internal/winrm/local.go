package winrm

import (
	"cmp"
	"errors"
	"os"
	"strconv"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// Bind returns a Local with the tokens of its connection replaced: its program
// goes to the machine itself, with the login and the options of the build. The
// error says why there is no way for it.
func (c *Conn) Bind(o *op.Local) (*op.Local, error) {
	if c.target.Dial != nil {
		return nil, errors.New("the machine is reached through a tunnel, which is ingot's alone")
	}
	opts := c.client.options
	values := map[string]string{
		op.ConnHost: c.target.Host, op.ConnPort: strconv.Itoa(c.target.port(c.client)), op.ConnUser: c.client.User(),
		op.ConnScheme: "http", op.ConnAuth: "basic", op.ConnCertificates: "validate",
	}
	if user := o.Connection.User; user != "" {
		values[op.ConnUser] = user
	}
	if opts.WinRMUseSSL {
		values[op.ConnScheme] = "https"
	}
	if opts.WinRMInsecure {
		values[op.ConnCertificates] = "ignore"
	}
	if opts.WinRMUseNTLM {
		values[op.ConnAuth] = "ntlm"
	}
	known := op.Values{op.ConnPassword: secret.Sensitive(c.client.Password())}
	for name, text := range values {
		known[name] = secret.Plain(text)
	}
	bound := op.Bind([]op.Op{o}, known)[0].(*op.Local)
	if opts.WinRMNoProxy {
		bound.Env["no_proxy"] = secret.Plain(withHost(c.target.Host))
	}
	return bound, nil
}

// withHost is the list of hosts that programs here reach without a proxy, with
// one more.
func withHost(host string) string {
	if list := cmp.Or(os.Getenv("no_proxy"), os.Getenv("NO_PROXY")); list != "" {
		return list + "," + host
	}
	return host
}
