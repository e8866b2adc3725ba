// Package http is the data source of what an HTTP server answers.
package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
)

// largest is how many bytes a body may have.
const largest = 16 << 20

// timeout is how long an answer may take, with its body.
const timeout = time.Minute

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "http",
		New: func() datasources.Config { return &Config{Method: http.MethodGet} }, Output: &Output{}}
}

// Config says what to ask for.
type Config struct {
	// URL is what to ask, http or https. Only an answer of 200 to 299 counts; a
	// redirect is followed.
	URL string `hcl:"url"`
	// Method is HEAD, GET, POST, PUT, DELETE, OPTIONS or PATCH. Default "GET".
	Method string `hcl:"method,optional"`
	// RequestHeaders are added to the request. A redirect to another host does
	// not get them.
	RequestHeaders map[string]string `hcl:"request_headers,optional"`
	// RequestBody is sent with the request. Default: nothing.
	RequestBody string `hcl:"request_body,optional"`
}

// Output is the answer.
type Output struct {
	// URL is the url that was asked.
	URL string `cty:"url"`
	// Body is the body of the answer.
	Body string `cty:"body"`
	// RequestHeaders are the headers of the answer, which Packer calls so. The
	// values of one that came several times are joined by ", ".
	RequestHeaders map[string]string `cty:"request_headers"`
}

var methods = []string{http.MethodHead, http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch}

// Check checks the options.
func (c *Config) Check() error {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		return component.Errorf("url", "is empty")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return component.Errorf("url", "it is no http or https URL")
	case !slices.Contains(methods, c.Method):
		return component.Errorf("method", "%q is not one of %s", c.Method, strings.Join(methods, ", "))
	}
	return nil
}

// Read asks the server.
func (c *Config) Read(ctx context.Context, _ datasources.Input) (any, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	out, err := c.ask(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.Method, c.address(), err)
	}
	return out, nil
}

// address is the URL without what may be a secret: its login and its query.
func (c *Config) address() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return c.URL
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func (c *Config) ask(ctx context.Context) (Output, error) {
	req, err := http.NewRequestWithContext(ctx, c.Method, c.URL, strings.NewReader(c.RequestBody))
	if err != nil {
		return Output{}, err
	}
	for name, value := range c.RequestHeaders {
		if strings.EqualFold(name, "host") {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: c.redirect} // the default transport asks the environment for a proxy
	resp, err := client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return Output{}, builders.WithHint(err, "check url, and that its host can be reached from here; a proxy is taken from HTTPS_PROXY and HTTP_PROXY")
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Output{}, fmt.Errorf("the server answered %s", resp.Status)
	}
	return c.read(resp)
}

// maxRedirects is how many redirects are followed, as net/http does by itself.
const maxRedirects = 10

// redirect keeps the template's headers from other hosts than the one they
// were meant for.
func (c *Config) redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	if req.URL.Host != via[0].URL.Host || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		for name := range c.RequestHeaders {
			req.Header.Del(name)
		}
		req.Host = ""
		if c.RequestBody != "" && req.Body != nil && req.Body != http.NoBody {
			return fmt.Errorf("it redirects to %s, which is not sent the request_body", req.URL.Host)
		}
	}
	return nil
}

func (c *Config) read(resp *http.Response) (Output, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, largest+1))
	if err != nil {
		return Output{}, err
	}
	if len(body) > largest {
		return Output{}, fmt.Errorf("the answer has more than %d MiB", largest>>20)
	}
	if !utf8.Valid(body) {
		kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		return Output{}, builders.WithHint(fmt.Errorf("the answer is no text in UTF-8 (Content-Type %q)", kind),
			"a file that is not text is fetched by a provisioner")
	}
	out := Output{URL: c.URL, Body: string(body), RequestHeaders: map[string]string{}}
	for name, values := range resp.Header {
		out.RequestHeaders[name] = strings.Join(values, ", ")
	}
	return out, nil
}
