package amazon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/op"
)

// stay is what one session makes in EC2, and has to take away again.
type stay struct {
	*source
	r     *Region
	env   builders.Env
	name  string      // of all that is made; no other session has it
	image types.Image // that the instance is launched from

	values op.Values // of the tokens of the source image
	again  bool      // the image was made of an instance of this source

	marks map[string]string // tags of all that is made
	tags  map[string]string // run_tags, with the image's values

	mu     sync.Mutex
	made   []*made
	ending bool // the instance was told to terminate
}

// made is one thing that a session made, or may have made: where its answer
// was lost, its id is not known.
type made struct {
	kind  string
	id    string
	entry *journal.Entry
}

func (s *source) newStay(r *Region, env builders.Env, img types.Image, values op.Values) *stay {
	return &stay{
		source: s, r: r, env: env, name: newName(), image: img, values: values,
		marks: marks(env, s.run.MaxLifetime, time.Now()),
		tags:  merged(s.run.RunTags, s.run.RunTag, values),
	}
}

// token returns the idempotency token of one request of the session.
func (s *stay) token(of string) string {
	sum := sha256.Sum256([]byte(s.name + " " + of))
	return "ingot-" + hex.EncodeToString(sum[:16])
}

// create makes a thing: it is in the journal before, and its id afterwards.
// call is not cut short when ctx is cancelled, so that its answer is known.
func (s *stay) create(ctx context.Context, kind, name, token string, call func(ctx context.Context) (id string, err error)) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	entry, err := s.env.Journal.Intend(journal.Resource{
		Cloud: cloud, Place: s.r.Name, Kind: kind, Name: name, Token: token, Tags: s.marks, Access: s.access.Place(), Build: s.env.Build,
	})
	if err != nil {
		return "", err
	}
	m := &made{kind: kind, entry: entry}
	s.mu.Lock()
	s.made = append(s.made, m)
	s.mu.Unlock()
	outlive, cancel := machine.Outlive(ctx)
	defer cancel()
	id, err := call(outlive)
	if err != nil {
		if id == "" && refused(err) {
			return "", errors.Join(err, s.gone(m))
		}
		return "", err
	}
	s.mu.Lock()
	m.id = id
	s.mu.Unlock()
	return id, entry.Made(id)
}

// gone notes that a thing is not there, or no more.
func (s *stay) gone(m *made) error {
	s.release(m.id, m)
	return m.entry.Gone()
}

// release lets go of a thing that stays.
func (s *stay) release(id string, which *made) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = slices.DeleteFunc(s.made, func(m *made) bool { return m == which || which == nil && m.id == id })
}

// left returns what is still there, of these kinds or of all.
func (s *stay) left(kinds ...string) []*made {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*made
	for _, m := range s.made {
		if len(kinds) == 0 || slices.Contains(kinds, m.kind) {
			out = append(out, m)
		}
	}
	return out
}

// destroy removes all that the session made, in the order in which things
// depend on one another. It goes on after an error, and may be called again.
func (s *stay) destroy(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	for _, stage := range sweepStages() {
		var all sync.WaitGroup
		for _, k := range stage {
			if list := s.left(k.name); len(list) > 0 {
				all.Go(func() { note(s.remove(ctx, k, list)) })
			}
		}
		all.Wait()
	}
	err := errors.Join(errs...)
	if err != nil {
		return builders.WithHint(err, cmp.Or(builders.Hint(err), "ingot sweep removes what is left over"))
	}
	return nil
}

// remove removes things of one kind.
func (s *stay) remove(ctx context.Context, k *sweepKind, list []*made) error {
	s.mu.Lock()
	if k.name == kindInstance && s.ending {
		told := *k
		told.together = nil
		k = &told
	}
	s.mu.Unlock()
	var things []*thing
	of := map[*thing]*made{}
	for _, m := range list {
		found, err := s.lookup(ctx, k, m)
		if err != nil {
			return fmt.Errorf("look for the %s: %w", k.name, s.r.explain(ctx, "", err))
		}
		for _, t := range found {
			things = append(things, t)
			of[t] = m
		}
	}
	if len(things) == 0 {
		return nil
	}
	var mu sync.Mutex
	var errs []error
	k.removeAll(ctx, s.r, things, func(t *thing, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			errs = append(errs, s.gone(of[t]))
			return
		}
		errs = append(errs, fmt.Errorf("remove the %s %s: %w", k.name, cmp.Or(t.ID, t.Name), err))
	})
	return errors.Join(errs...)
}

// lookup returns what there is to remove. A thing whose id is not known is
// looked for; where it is not found its line in the journal stays, so that a
// sweep looks again.
func (s *stay) lookup(ctx context.Context, k *sweepKind, m *made) ([]*thing, error) {
	r := m.entry.Resource()
	known := []*thing{{Resource: r}}
	if m.id != "" && k.name != kindImage && k.name != kindProfile {
		return known, nil
	}
	filters := k.filters(r)
	if m.id != "" {
		filters = []types.Filter{filter(k.byID, m.id)}
	}
	found, err := k.find(ctx, s.r, filters)
	if err != nil && !hasCode(err, k.gone...) {
		return nil, err
	}
	if len(found) == 0 && m.id != "" {
		return known, nil // it may be too new to be found
	}
	return found, nil
}
