package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/google/uuid"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/localexec"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/secret"
)

// buildSession is one image being made. Each step extends the state and has it
// solved in one build of BuildKit, which keeps the results so far; sealing
// ends it with the last.
type buildSession struct {
	opts *options
	host builders.Host
	base builders.Base
	env  builders.Env
	kit  *kit

	files    *folders          // of this host, for uploads
	secrets  *vault            // that commands are given
	plays    *plays            // programs of this host that work on the container
	exe      op.File           // of this program, once it was asked for
	commands map[string]string // what people see of a command, by commandKey
	progress *progress         // of the build's vertices
	output   output            // what becomes of the result
	solveOpt client.SolveOpt
	build    *build // nil before the first and after a failure

	config    dockerspec.DockerOCIImage
	state     llb.State
	history   []string          // what made each layer on top of the base's
	sensitive []string          // paths of the sensitive files in them
	ref       gateway.Reference // of the state solved last, in build
	solved    *llb.Definition   // of it
	force     bool              // take nothing from a cache
	ran       tally             // of the step under way
	last      builders.StepResult

	closing  sync.Once
	closeErr error
}

// scratch is the same for all sessions: each has a file system of its own, and
// a name that changes would change what BuildKit knows a step by.
const scratch = "0"

func newSession(b *builder, base builders.Base, env builders.Env, k *kit) *buildSession {
	return &buildSession{
		opts: b.opts, host: b.host, base: base, env: env, kit: k,
		files: newFolders(uuid.NewString()), secrets: &vault{}, plays: &plays{}, commands: map[string]string{},
		progress: newProgress(env.Log),
	}
}

// begin makes sure that the platform can be built for, and then makes and
// loads the image to start from.
func (s *buildSession) begin(ctx context.Context, src source) error {
	if err := s.kit.canRun(ctx, s.opts.platform); err != nil {
		return err
	}
	from, err := src.begin(ctx, s.base, s.env)
	if err != nil {
		return err
	}
	if err := s.start(ctx, from); err != nil {
		return err
	}
	return s.load(ctx, from)
}

// start opens the build.
func (s *buildSession) start(ctx context.Context, from origin) error {
	creds, err := s.opts.credentials()
	if err != nil {
		return err
	}
	out, err := s.opts.newOutput(ctx, s.host)
	if err != nil {
		return err
	}
	s.output = out
	opt := client.SolveOpt{
		Exports:      s.output.exports(),
		OCIStores:    map[string]content.Store{},
		SharedKey:    "ingot", // folders that were sent before are only updated
		CacheExports: s.opts.cacheTo,
		CacheImports: s.opts.cacheFrom,
		// The client adds to it where there are caches.
		FrontendAttrs: map[string]string{},
		// BuildKit's history would keep what commands print, also of secrets.
		Internal: true,
		Session: []session.Attachable{
			authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: creds.provide}),
			filesync.NewFSSyncProvider(s.files),
			secretsprovider.NewSecretProvider(s.secrets),
			s.plays,
		},
	}
	for name, store := range from.stores() {
		opt.OCIStores[name] = store
	}
	if s.opts.Privileged {
		opt.AllowedEntitlements = []string{"security.insecure"}
	}
	s.solveOpt = opt
	return s.reopen(ctx)
}

// reopen opens a build where there is none. After a failure the one before is
// of no use: BuildKit answers an op that failed in it with the same error.
func (s *buildSession) reopen(ctx context.Context) (err error) {
	if s.build != nil {
		return nil
	}
	if s.force && s.solved != nil {
		// What ran in the build before is taken from the cache now.
		for d, md := range s.solved.Metadata {
			md.IgnoreCache = false
			s.solved.Metadata[d] = md
		}
		done, err := llb.NewDefinitionOp(s.solved.ToPB())
		if err != nil {
			return err
		}
		s.state = s.state.WithOutput(done.Output())
	}
	s.build, err = s.kit.open(ctx, s.solveOpt, s.progress)
	return err
}

func (s *buildSession) load(ctx context.Context, from origin) error {
	state, config, err := from.state(ctx, s.build)
	if err != nil {
		return s.kit.explain(ctx, err)
	}
	if err := json.Unmarshal(config, &s.config); err != nil {
		return fmt.Errorf("configuration of %s: %w", s.base.Name, err)
	}
	if s.state, err = state.WithImageConfig(config); err != nil {
		return err
	}
	if _, ok, err := s.state.GetEnv(ctx, "PATH"); err == nil && !ok {
		s.state = s.state.AddEnv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	if s.opts.run.user != "" {
		s.config.Config.User = s.opts.run.user
	}
	return nil
}

// Vars gives the values of the tokens.
func (s *buildSession) Vars() op.Values {
	v := op.Values{
		op.Scratch:       secret.Plain(scratch),
		"build.ID":       secret.Plain(shortID(s.base.ID)),
		"build.Host":     secret.Plain(""),
		"build.ConnType": secret.Plain("docker"),
	}
	for name, value := range s.base.Vars {
		v[name] = value
	}
	if s.base.From != nil {
		v["build.ID"] = secret.Plain(shortID(s.base.From.Image.Digest))
	}
	return v
}

// Force makes all steps run, whatever is in a cache.
func (s *buildSession) Force() { s.force = true }

// LastStep tells whether the last step was in the cache.
func (s *buildSession) LastStep() builders.StepResult { return s.last }

// Apply carries out one step. Where it fails, the session is as before it.
func (s *buildSession) Apply(ctx context.Context, step builders.Step) (err error) {
	ops, err := op.Settle(step.Ops)
	if err != nil {
		return err
	}
	if err := s.reopen(ctx); err != nil {
		return err
	}
	s.ran, s.last = tally{}, builders.StepResult{}
	s.secrets.begin(step.Key)
	// What follows a step that was run afresh does so on something new.
	s.force = s.force || step.Fresh
	before, layers, files := s.state, len(s.history), len(s.sensitive)
	defer func() {
		if err != nil {
			s.state, s.history, s.sensitive = before, s.history[:layers], s.sensitive[:files]
		}
	}()
	for _, o := range ops {
		if image, err := s.extend(ctx, step, o); err != nil {
			return err
		} else if image {
			continue
		}
		if err := s.solve(ctx); err != nil {
			return err
		}
		if err := s.onHost(ctx, o); err != nil {
			return err
		}
		s.ran.fresh = true
	}
	if err := s.solve(ctx); err != nil {
		return err
	}
	s.last.Cached = s.ran.layers > 0 && !s.ran.fresh
	return nil
}

// tally counts what a step did.
type tally struct {
	layers    int  // that it has
	fresh     bool // something was not taken from a cache
	connected int  // programs of this host that work on the container
}

// extend adds an op that changes the image to the state, and reports whether o
// is one.
func (s *buildSession) extend(ctx context.Context, step builders.Step, o op.Op) (bool, error) {
	switch o := o.(type) {
	case *op.Exec:
		return true, s.exec(step, o)
	case *op.Put:
		return true, s.put(step, o.File)
	case *op.Tree:
		return true, s.tree(ctx, step, o)
	case *op.Local:
		if o.Connection != nil {
			return true, s.connected(step, o)
		}
	}
	return false, ctx.Err()
}

// onHost carries out an op that does not change the image.
func (s *buildSession) onHost(ctx context.Context, o op.Op) error {
	switch o := o.(type) {
	case *op.Get:
		return s.get(ctx, o)
	case *op.Capture:
		return s.capture(ctx, o)
	case *op.Local:
		return localexec.Run(ctx, o, s.env.Log.Output)
	case *op.Pause:
		return pausing(ctx, o)
	}
	return fmt.Errorf("the docker builder does not know the op %s", o.Kind())
}

func pausing(ctx context.Context, p *op.Pause) error {
	if p.Prompt != "" {
		return errors.New("a prompt must be answered before the step is applied")
	}
	return pause.For(ctx, p.For)
}

// Close ends the build, which ends whatever it runs.
func (s *buildSession) Close(ctx context.Context) error {
	s.closing.Do(func() {
		if s.build != nil {
			s.build.end(ctx)
		}
		s.plays.work.Wait()
		if s.output != nil {
			s.closeErr = errors.Join(s.closeErr, s.output.abandon())
		}
		s.closeErr = errors.Join(s.closeErr, s.kit.close())
	})
	return s.closeErr
}

func shortID(id string) string {
	const algorithm = "sha256:"
	if len(id) > len(algorithm)+12 && id[:len(algorithm)] == algorithm {
		return id[len(algorithm) : len(algorithm)+12]
	}
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
