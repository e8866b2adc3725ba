package gcp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
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
			resp, err := newPace(s).RoundTrip(r)
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
	if _, err := newPace(s).RoundTrip(r); !errors.As(err, &login) || len(s.bodies) != 1 {
		t.Errorf("%v after %d calls", err, len(s.bodies))
	}
}
