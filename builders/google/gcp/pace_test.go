package gcp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/outage"
)

// script answers calls one after the other.
type script struct {
	answers []func() (*http.Response, error)
	bodies  []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	text := ""
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		text = string(b)
	}
	s.bodies = append(s.bodies, text)
	answer := s.answers[min(len(s.bodies), len(s.answers))-1]
	return answer()
}

func status(code int, body string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func lost() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// TestPace sends again what may succeed later, with its body, and nothing else.
func TestPace(t *testing.T) {
	t.Parallel()
	reason := func(r string) string { return `{"error":{"errors":[{"reason":"` + r + `"}]}}` }
	for name, c := range map[string]struct {
		answers []func() (*http.Response, error)
		code    int
		calls   int
	}{
		"good":             {[]func() (*http.Response, error){status(200, "{}")}, 200, 1},
		"server error":     {[]func() (*http.Response, error){status(503, ""), status(200, "{}")}, 200, 2},
		"lost":             {[]func() (*http.Response, error){lost, status(200, "{}")}, 200, 2},
		"throttled":        {[]func() (*http.Response, error){status(429, ""), status(403, reason("rateLimitExceeded")), status(200, "{}")}, 200, 3},
		"not allowed":      {[]func() (*http.Response, error){status(403, reason("forbidden"))}, 403, 1},
		"no room":          {[]func() (*http.Response, error){status(503, reason("ZONE_RESOURCE_POOL_EXHAUSTED"))}, 503, 1},
		"not there":        {[]func() (*http.Response, error){status(404, "")}, 404, 1},
		"for good, at end": {[]func() (*http.Response, error){status(500, "")}, 500, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{answers: c.answers}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if c.calls < 0 {
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			}
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://service/", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := newPace(s, &outage.Watch{}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.code || c.calls > 0 && len(s.bodies) != c.calls {
				t.Errorf("status %d after %d calls", resp.StatusCode, len(s.bodies))
			}
			for _, body := range s.bodies {
				if body != "body" {
					t.Errorf("sent the body %q", body)
				}
			}
		})
	}
}

// TestPaceLogin does not try again what has no credentials.
func TestPaceLogin(t *testing.T) {
	t.Parallel()
	s := &script{answers: []func() (*http.Response, error){func() (*http.Response, error) {
		return nil, &LoginError{Err: errors.New("could not find default credentials")}
	}}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service/", nil)
	if err != nil {
		t.Fatal(err)
	}
	var login *LoginError
	if _, err := newPace(s, &outage.Watch{}).RoundTrip(r); !errors.As(err, &login) || len(s.bodies) != 1 {
		t.Errorf("%v after %d calls", err, len(s.bodies))
	}
}

// TestOutage tries a service that nobody answers for a few times where it never
// answered, and says so where it did and is waited for.
func TestOutage(t *testing.T) {
	t.Parallel()
	refused := func() (*http.Response, error) { return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} }
	call := func(p *pace) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service/compute/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return p.RoundTrip(r)
	}
	s := &script{answers: []func() (*http.Response, error){refused}}
	_, err := call(newPace(s, &outage.Watch{}))
	const want = "Google Cloud at http://service does not answer (connection refused)"
	if e := Explain(err); e == nil || e.Error() != want || builders.Hint(e) == "" || len(s.bodies) != outage.Tries {
		t.Errorf("error %v after %d calls", err, len(s.bodies))
	}
	s = &script{answers: []func() (*http.Response, error){status(200, "{}"), refused, refused, refused, refused, status(200, "{}")}}
	var w outage.Watch
	heard := make(lines, 10)
	defer w.Listen(event.Log{Sink: heard})()
	p := newPace(s, &w)
	for range 2 {
		resp, err := call(p)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if text := <-heard; !strings.HasPrefix(text, want+", trying until ") || len(heard) > 0 {
		t.Errorf("said %q, and %d lines more", text, len(heard))
	}
}

// lines gets what is said in a build's log.
type lines chan string

func (l lines) Emit(e event.Event) {
	if s, ok := e.Body.(event.Say); ok {
		l <- s.Text
	}
}
