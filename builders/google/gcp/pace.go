package gcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ingot-build/ingot/internal/outage"
	"github.com/ingot-build/ingot/internal/pause"
)

const (
	firstPause   = 300 * time.Millisecond
	longestPause = 20 * time.Second

	// patience is how long a call is tried again where its context has no
	// earlier end; strangeness, where the service never answered at all.
	patience    = 5 * time.Minute
	strangeness = 15 * time.Second

	// Reads a second in the long run, and at once at the start.
	readsPerSecond = 3
	readsAtOnce    = 60
)

// pace sends the calls of all builds, no faster than the service wants. A call
// that was throttled, met a server error or whose connection was dropped is
// sent again: each that creates or changes something carries a request id, by
// which the service knows it again.
type pace struct {
	next    http.RoundTripper
	reads   *rate.Limiter
	outages *outage.Watch

	mu       sync.Mutex
	until    time.Time // no call before
	answered bool      // the service was reached once
}

func newPace(next http.RoundTripper, w *outage.Watch) *pace {
	return &pace{next: next, reads: rate.NewLimiter(readsPerSecond, readsAtOnce), outages: w}
}

func (p *pace) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := bodyOf(r)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for try := 0; ; try++ {
		if err := p.wait(r); err != nil {
			return nil, err
		}
		resp, err := p.next.RoundTrip(again(r, body))
		v := judge(resp, err)
		reached := p.note(v, resp)
		err = p.watch(r, resp, err, start, !reached && try+1 >= outage.Tries)
		if !v.retry || r.Context().Err() != nil || isFinal(err) {
			return resp, err
		}
		gap := max(backoff(try), v.after)
		limit := patience
		if v.unreached && !reached {
			limit = strangeness
		}
		if end, ok := r.Context().Deadline(); time.Since(start)+gap > limit || ok && time.Until(end) < gap {
			return resp, err
		}
		if resp != nil {
			resp.Body.Close()
		}
		if v.throttled {
			p.hold(gap)
		}
		if err := pause.For(r.Context(), gap); err != nil {
			return nil, err
		}
	}
}

func bodyOf(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}

// again returns the request to send.
func again(r *http.Request, body []byte) *http.Request {
	c := r.Clone(r.Context())
	if body != nil {
		c.Body = io.NopCloser(bytes.NewReader(body))
		c.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		c.ContentLength = int64(len(body))
	}
	return c
}

// wait waits until a call may be sent.
func (p *pace) wait(r *http.Request) error {
	if r.Method == http.MethodGet {
		turn := p.reads.Reserve()
		if err := pause.For(r.Context(), turn.Delay()); err != nil {
			turn.Cancel()
			return err
		}
	}
	p.mu.Lock()
	gap := time.Until(p.until)
	p.mu.Unlock()
	if gap <= 0 {
		return nil
	}
	return pause.For(r.Context(), gap+rand.N(gap/4+1))
}

// hold keeps all calls back.
func (p *pace) hold(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
}

// note remembers whether the service was ever reached, and says so.
func (p *pace) note(v verdict, resp *http.Response) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = p.answered || resp != nil
	return p.answered
}

// watch tells of a service that can't be reached. It is tried no more where it
// never was, or where there is a hurry.
func (p *pace) watch(r *http.Request, resp *http.Response, err error, start time.Time, last bool) error {
	service := "Google Cloud at " + r.URL.Scheme + "://" + r.URL.Host
	if resp != nil {
		p.outages.Answered(service)
	}
	var login *LoginError
	cause := outage.Cause(err)
	if cause == "" || errors.As(err, &login) {
		return err
	}
	e := &outage.Error{Service: service, Cause: cause, Final: outage.Final(r.Context()) || last, Err: err}
	if !e.Final {
		until := start.Add(patience)
		if end, ok := r.Context().Deadline(); ok && end.Before(until) {
			until = end
		}
		p.outages.Refused(service, cause, until)
	}
	return e
}

func isFinal(err error) bool {
	var down *outage.Error
	return errors.As(err, &down) && down.Final
}

// verdict says what an answer means for the next try.
type verdict struct {
	retry     bool
	throttled bool
	unreached bool          // there was no connection
	after     time.Duration // as the service asked for
}

func judge(resp *http.Response, err error) verdict {
	if err != nil {
		var login *LoginError
		var op *net.OpError
		if errors.As(err, &login) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return verdict{}
		}
		return verdict{retry: true, unreached: errors.As(err, &op) && op.Op == "dial"}
	}
	v := verdict{}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		v.after = min(time.Duration(seconds)*time.Second, longestPause)
	}
	switch resp.StatusCode {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		v.retry = !hasReasonOf(resp, exhausted)
	case http.StatusTooManyRequests:
		v.retry, v.throttled = true, true
	case http.StatusForbidden:
		v.throttled = hasReasonOf(resp, func(reason string) bool {
			return reason == "rateLimitExceeded" || reason == "userRateLimitExceeded"
		})
		v.retry = v.throttled
	}
	return v
}

// exhausted reports whether a zone has no room, which does not change soon.
func exhausted(reason string) bool { return strings.Contains(reason, "RESOURCE_POOL_EXHAUSTED") }

// hasReasonOf reads why a call was refused, and leaves the body to be read
// again: throttling has the status of a missing permission.
func hasReasonOf(resp *http.Response, is func(reason string) bool) bool {
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(text))
	var answer struct {
		Error struct {
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	if err != nil || json.Unmarshal(text, &answer) != nil {
		return false
	}
	for _, e := range answer.Error.Errors {
		if is(strings.TrimSpace(e.Reason)) {
			return true
		}
	}
	return false
}

// backoff is how long to wait after try tries, half of it by chance.
func backoff(try int) time.Duration {
	d := min(firstPause<<min(try, 10), longestPause)
	return d/2 + rand.N(d/2)
}

// Backoff waits as long as calls that were throttled do, after so many tries.
func Backoff(ctx context.Context, try int) error { return pause.For(ctx, backoff(try)) }
