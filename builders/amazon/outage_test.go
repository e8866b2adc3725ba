package amazon

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
)

// nobody returns the URL of an address at which nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func sourceAt(t *testing.T, endpoint string) *source {
	t.Helper()
	access := AccessConfig{Region: home, AccessKey: "AKIDSANDBOX", SecretKey: secret.Sensitive("sandbox"), CustomEndpointEC2: endpoint}
	a, err := access.Open(builders.Host{Dir: t.TempDir(), Secrets: &secret.Set{}})
	if err != nil {
		t.Fatal(err)
	}
	return &source{access: a, run: RunDefaults()}
}

// TestNobodyAnswers says at once that there is no service, while nothing has
// begun.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	for endpoint, cause := range map[string]string{nobody(t): "connection refused", "http://ec2.invalid": "no such host"} {
		s := sourceAt(t, endpoint)
		s.run.SourceAMI = "ami-0123456789abcdef0"
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := s.Resolve(ctx)
		cancel()
		want := "look for the image ami-0123456789abcdef0: EC2 at " + endpoint + " does not answer (" + cause + ")"
		if err == nil || err.Error() != want || !strings.Contains(builders.Hint(err), "endpoint") {
			t.Errorf("error %v, hint %q, want %q", err, builders.Hint(err), want)
		}
	}
}

// TestOutage says once in the log of a build that its service does not answer,
// and until when it is tried.
func TestOutage(t *testing.T) {
	t.Parallel()
	endpoint := nobody(t)
	s := sourceAt(t, endpoint)
	said := make(heard, 100)
	defer s.access.outages.Listen(event.Log{Sink: said})()
	r, err := s.access.Region(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := make(chan error)
	go func() {
		_, err := r.imageByID(ctx, "ami-0123456789abcdef0")
		asked <- err
	}()
	until := time.Now().Add(callTime)
	if text := <-said; !slices.Contains([]string{
		"EC2 at " + endpoint + " does not answer (connection refused), trying until " + until.Format("15:04"),
		"EC2 at " + endpoint + " does not answer (connection refused), trying until " + until.Add(time.Minute).Format("15:04"),
	}, text) {
		t.Errorf("said %q", text)
	}
	cloud := newLab(t)
	l, err := net.Listen("tcp", strings.TrimPrefix(endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	cloud.serve(l)
	if err := <-asked; err != nil {
		t.Errorf("when it answers again: %v", err)
	}
	if len(said) > 0 {
		t.Errorf("said also %q", <-said)
	}
}

// heard gets what is said in a build's log.
type heard chan string

func (s heard) Emit(e event.Event) {
	if line, ok := e.Body.(event.Say); ok {
		s <- line.Text
	}
}

// serve has the cloud answer at another address too.
func (l *lab) serve(at net.Listener) {
	server := &http.Server{Handler: l.Server}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(at) // ends with Close
	}()
	l.t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}
