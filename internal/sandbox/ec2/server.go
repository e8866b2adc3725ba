// Package ec2 is the sandbox's EC2, with STS, IAM, SSM and Secrets Manager as
// far as image builders call them, over the services' own protocols.
package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// account is the id of the account that everything belongs to.
const account = "123456789012"

// Options are what a Server needs.
type Options struct {
	Dir     string // its state and the disks of volumes
	Host    host.Host
	Timing  timing.Timing
	Faults  *fault.Set // nil has none
	Catalog func() catalog.Catalog
	Log     *slog.Logger // nil logs nothing
	// Key and Secret are the account's access key. Without it, any key will do.
	Key, Secret string
}

// Server is the services of one account in all regions.
type Server struct {
	Options
	services map[string]service

	mu       sync.Mutex
	state    *state
	runtimes map[string]*runtime // of instances
	saved    *store
	imds     imdsTokens
	ctx      context.Context // ends with the server
	end      context.CancelFunc
	work     sync.WaitGroup
}

// service is one of AWS's.
type service struct {
	protocol
	actions map[string]action
}

// New returns a server that goes on from the state in Options.Dir: it boots the
// machines that ran.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Options: o, runtimes: map[string]*runtime{}}
	s.services = map[string]service{
		"ec2":            {ec2Query{}, s.ec2Actions()},
		"sts":            {awsQuery{"https://sts.amazonaws.com/doc/2011-06-15/"}, s.stsActions()},
		"iam":            {awsQuery{"https://iam.amazonaws.com/doc/2010-05-08/"}, s.iamActions()},
		"ssm":            {awsJSON{}, s.ssmActions()},
		"secretsmanager": {awsJSON{}, s.secretsActions()},
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	file := path.Join(o.Dir, "ec2.json")
	var err error
	if s.state, err = open(file); err != nil {
		return nil, err
	}
	s.saved = s.keep(file)
	o.Faults.OnInterrupt(s.interrupt)
	s.resume()
	return s, nil
}

// Close ends what the server does and writes its state. Machines are the host's
// to end.
func (s *Server) Close() error {
	s.end()
	s.mu.Lock()
	for _, rt := range s.runtimes {
		rt.machine = nil // its end is no news any more
	}
	s.mu.Unlock()
	s.work.Wait()
	return s.saved.close()
}

// call is one request.
type call struct {
	*Server
	*region        // that it is for
	name    string // of the region
	action  string
	now     time.Time
	key     string // access key id of the caller
	dry     bool
	form    url.Values
	changed bool // the state was
}

// action is a call of a service's API. It runs with the state locked.
type action func(c *call, body request) (any, error)

// act returns the action of a handler whose request struct is decoded.
func act[I, O any](f func(*call, *I) (O, error)) action {
	return func(c *call, body request) (any, error) {
		in := new(I)
		if err := body.decode(in); err != nil {
			return nil, err
		}
		return f(c, in)
	}
}

// ready is called by a handler that has found nothing to refuse, before it
// changes anything.
func (c *call) ready() error {
	if c.dry {
		return fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	c.changed = true
	return nil
}

// request is the body of a request, in the form of its service.
type request struct {
	action string
	form   url.Values // EC2, STS, IAM
	json   []byte     // SSM, Secrets Manager
}

func (r request) decode(in any) error {
	if r.json != nil {
		return decodeJSON(r.json, in)
	}
	return query.Decode(r.form, in)
}

// maxBody bounds a request: the services take less.
const maxBody = 1 << 20

// ServeHTTP answers a request with an AWS signature.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sc, signed := parseScope(r.Header.Get("Authorization"))
	if sc.service == "s3" {
		s.serveS3(w, r, sc)
		return
	}
	svc, ok := s.services[sc.service]
	if !ok {
		svc = s.services["ec2"]
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil:
		svc.refuse(w, asError(fail("InvalidRequest", "%v", err)))
		return
	case !signed:
		svc.refuse(w, asError(fail("AuthFailure", "The request has no AWS signature")))
		return
	case !ok:
		svc.refuse(w, asError(fail("InvalidAction", "The sandbox has no AWS service %q: it has ec2, s3, sts, iam, ssm and secretsmanager", sc.service)))
		return
	}
	req, err := parse(r, body)
	if err != nil {
		svc.refuse(w, asError(err))
		return
	}
	s.Faults.Serve(w, r, sc.service+"."+req.action+"@"+sc.region, func(w http.ResponseWriter, r *http.Request) {
		if err := s.authenticate(sc, r, sumOf(body)); err != nil {
			svc.refuse(w, asError(err))
			return
		}
		out, err := s.do(svc, sc, req)
		if err != nil {
			svc.refuse(w, asError(err))
			return
		}
		svc.reply(w, req.action, out)
	}, func(w http.ResponseWriter, _ *http.Request, rule fault.Rule) {
		svc.refuse(w, ruled(rule))
	})
}

// ruled is the error of a fault rule.
func ruled(r fault.Rule) *query.Error {
	e := &query.Error{Code: r.Code, Message: r.Message, Status: r.Status}
	if e.Code == "" {
		e.Code = "RequestLimitExceeded"
	}
	if e.Message == "" {
		e.Message = messages[e.Code]
	}
	if e.Status == 0 {
		e.Status = query.StatusOf(e.Code)
	}
	return e
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// do runs a request and returns when what it changed is stored.
func (s *Server) do(svc service, sc scope, req request) (any, error) {
	f, ok := svc.actions[req.action]
	if !ok {
		return nil, fail("InvalidAction", "The action %s is not valid for this web service, or not one that the sandbox has", req.action)
	}
	if !slices.Contains(regionNames(), sc.region) {
		return nil, fail("AuthFailure", "There is no region %q", sc.region)
	}
	if fault.In(s.Faults.Account().DisabledRegions, sc.region) {
		return nil, fail("OptInRequired", "You are not subscribed to this service in the region %s. It is not enabled for your account.", sc.region)
	}
	s.mu.Lock()
	c := &call{
		Server: s, region: s.state.in(sc.region), name: sc.region, action: req.action,
		now: time.Now(), key: sc.key, dry: req.form.Get("DryRun") == "true", form: req.form,
	}
	c.forget(c.now)
	out, err := f(c, req)
	var stored <-chan struct{}
	if c.changed {
		stored = s.save()
	}
	s.mu.Unlock()
	if stored != nil {
		<-stored
	}
	if err == nil && c.dry {
		err = c.ready()
	}
	return out, err
}

// authenticate checks the signature of a request; body is the SHA-256 of its
// body, in hex.
func (s *Server) authenticate(sc scope, r *http.Request, body string) error {
	if s.Key == "" {
		return nil
	}
	secret := s.Secret
	if sc.key != s.Key {
		s.mu.Lock()
		secret = s.state.Keys[sc.key]
		s.mu.Unlock()
	}
	unknown, mismatch := "AuthFailure", "AuthFailure"
	if sc.service != "ec2" {
		unknown, mismatch = "InvalidClientTokenId", "SignatureDoesNotMatch"
	}
	if secret == "" {
		return fail(unknown, "AWS was not able to validate the provided access credentials: the sandbox has no access key %s", sc.key)
	}
	if !sc.verify(r, body, secret) {
		return fail(mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return nil
}

// parse reads the action and its parameters.
func parse(r *http.Request, body []byte) (request, error) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		if len(body) == 0 {
			body = []byte("{}")
		}
		return request{action: path.Ext(target)[min(1, len(path.Ext(target))):], json: body}, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return request{}, fail("MalformedQueryString", "%v", err)
	}
	for name, values := range r.URL.Query() {
		form[name] = values
	}
	if form.Get("Action") == "" {
		return request{}, fail("MissingAction", "The request must contain the parameter Action")
	}
	return request{action: form.Get("Action"), form: form}, nil
}
