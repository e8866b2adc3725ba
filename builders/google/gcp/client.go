package gcp

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	gce "google.golang.org/api/compute/v1"
	goauth2 "google.golang.org/api/oauth2/v2"
	"google.golang.org/api/option"
	gcelogin "google.golang.org/api/oslogin/v1"
	gceparameter "google.golang.org/api/parametermanager/v1"
	gcesecret "google.golang.org/api/secretmanager/v1"
	gcestorage "google.golang.org/api/storage/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/outage"
	"github.com/ingot-build/ingot/internal/poll"
)

// Client calls the services of Google Cloud. One is shared by all builds of a
// process that reach it the same way.
type Client struct {
	Compute *gce.Service
	OSLogin *gcelogin.Service
	OAuth2  *goauth2.Service
	Secrets *gcesecret.Service
	// Parameters are those of the location global.
	Parameters *gceparameter.Service
	Storage    *gcestorage.Service

	outages *outage.Watch
	relay   string       // of IAP
	login   *http.Client // with credentials, calls are not repeated

	mu         sync.Mutex
	operations map[scope]*operations
	instances  map[scope]*poll.Poller[*gce.Instance]
	snapshots  map[string]*poll.Poller[*gce.Snapshot] // by project
	images     map[string]*poll.Gather[*gce.Image]    // by project
	known      map[string]*answer
}

// shared is the key of a client among what builders share.
type shared struct{ id string }

// Client returns what calls the services. It touches no network: credentials
// are looked for with the first call.
func (a *Access) Client(h builders.Host) (*Client, error) {
	if h.Shared == nil {
		return a.client(h)
	}
	k := shared{a.identity(h)}
	if c, ok := h.Shared.Load(k); ok {
		return c.(*Client), nil
	}
	c, err := a.client(h)
	if err != nil {
		return nil, err
	}
	first, _ := h.Shared.LoadOrStore(k, c)
	return first.(*Client), nil
}

// identity is the same for all that reach the cloud the same way.
func (a *Access) identity(h builders.Host) string {
	if h.Sandbox != nil {
		return h.Sandbox.GCE
	}
	sum := key.New("gcp").String(h.Dir).Map(a.Journal(h)).String(a.AccessToken.Reveal()).
		String(a.AccountFile.Reveal()).String(a.CredentialsJSON.Reveal()).Strings(a.scopes)
	return string(sum.Sum())
}

func (a *Access) client(h builders.Host) (*Client, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 16
	in := &login{access: *a, host: h, base: base}
	w := a.watch(h)
	paced := &http.Client{Transport: newPace(in, w)}
	c := &Client{
		outages: w, relay: a.endpoint(iap, h), login: &http.Client{Transport: in},
		operations: map[scope]*operations{}, instances: map[scope]*poll.Poller[*gce.Instance]{}, snapshots: map[string]*poll.Poller[*gce.Snapshot]{},
		images: map[string]*poll.Gather[*gce.Image]{}, known: map[string]*answer{},
	}
	ctx := context.Background()
	at := func(service string) []option.ClientOption {
		return []option.ClientOption{option.WithHTTPClient(paced), option.WithEndpoint(a.endpoint(service, h))}
	}
	var err error
	if c.Compute, err = gce.NewService(ctx, at(compute)...); err != nil {
		return nil, err
	}
	if c.OSLogin, err = gcelogin.NewService(ctx, at(oslogin)...); err != nil {
		return nil, err
	}
	if c.OAuth2, err = goauth2.NewService(ctx, at(oauth2)...); err != nil {
		return nil, err
	}
	if c.Secrets, err = gcesecret.NewService(ctx, at(secretmanager)...); err != nil {
		return nil, err
	}
	if c.Storage, err = gcestorage.NewService(ctx, at(storage)...); err != nil {
		return nil, err
	}
	c.Parameters, err = gceparameter.NewService(ctx, at(parametermanager)...)
	return c, err
}

// RequestID is an id by which the service knows a call again that is repeated
// because its answer was lost.
func RequestID() string { return uuid.NewString() }

// How long what was read once counts, and that something is not there: builds
// that begin together ask together, and what another build makes is found.
const (
	fresh  = time.Minute
	absent = time.Second
)

// answer is what a question was answered with, or will be.
type answer struct {
	done  chan struct{}
	until time.Time // it counts
	value any
	err   error
}

// Once asks a question that several builds have, once in a while for all of
// them. No error is remembered but that something is not there.
func Once[T any](ctx context.Context, c *Client, question string, ask func() (T, error)) (T, error) {
	return within(ctx, c, fresh, question, ask)
}

// within is Once for an answer that counts for a time.
func within[T any](ctx context.Context, c *Client, counts time.Duration, question string, ask func() (T, error)) (T, error) {
	c.mu.Lock()
	a := c.known[question]
	if a == nil || time.Now().After(a.until) {
		a = &answer{done: make(chan struct{}), until: time.Now().Add(counts)}
		c.known[question] = a
		c.mu.Unlock()
		value, err := ask()
		a.value, a.err = value, err
		if err != nil {
			c.mu.Lock()
			if a.until = time.Now().Add(absent); !IsNotFound(err) {
				delete(c.known, question)
			}
			c.mu.Unlock()
		}
		close(a.done)
		return value, err
	}
	c.mu.Unlock()
	var none T
	select {
	case <-a.done:
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	if a.err != nil && ctx.Err() == nil && (isEnd(a.err)) {
		return ask() // the one who asked was cancelled
	}
	value, _ := a.value.(T)
	return value, a.err
}

// Last returns the last part of a resource's URL: its name.
func Last(url string) string { return url[strings.LastIndex(url, "/")+1:] }

// Partial returns a resource's URL from "projects/" on, which is the same at
// all endpoints.
func Partial(url string) string {
	if i := strings.Index(url, "projects/"); i >= 0 {
		return url[i:]
	}
	return url
}

// ProjectOf returns the project in a resource's URL, "" where there is none.
func ProjectOf(url string) string {
	rest, ok := strings.CutPrefix(Partial(url), "projects/")
	if !ok {
		return ""
	}
	project, _, _ := strings.Cut(rest, "/")
	return project
}

// RegionOf returns the region of a zone: "europe-west1" of "europe-west1-b".
func RegionOf(zone string) (string, error) {
	i := strings.LastIndex(zone, "-")
	if i <= 0 || !strings.Contains(zone[:i], "-") {
		return "", fmt.Errorf("%q is not a zone", zone)
	}
	return zone[:i], nil
}
