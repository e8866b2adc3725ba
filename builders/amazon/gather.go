package amazon

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// gatherTime is how long a question waits for those of other builds.
const gatherTime = 20 * time.Millisecond

// gather asks for things by a key, for many builds at once. Its zero value is
// ready.
type gather[T any] struct {
	mu   sync.Mutex
	next *gathering[T]
}

type gathering[T any] struct {
	keys  []string
	done  chan struct{}
	found map[string]T
	err   error
}

// get returns the thing that has the key, if there is one. ask is asked for
// the keys of all who ask at about the same time.
func (g *gather[T]) get(ctx context.Context, key string, ask func(ctx context.Context, keys []string) (map[string]T, error)) (T, bool, error) {
	g.mu.Lock()
	c := g.next
	if c == nil {
		c = &gathering[T]{done: make(chan struct{})}
		g.next = c
		go func() {
			<-time.After(gatherTime)
			g.mu.Lock()
			if g.next == c {
				g.next = nil
			}
			g.mu.Unlock()
			defer close(c.done)
			within, cancel := context.WithTimeout(context.Background(), callTime)
			defer cancel()
			c.found, c.err = ask(within, c.keys)
		}()
	}
	c.keys = append(c.keys, key)
	if len(c.keys) >= batch {
		g.next = nil
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		v, ok := c.found[key]
		return v, ok, c.err
	case <-ctx.Done():
		var zero T
		return zero, false, context.Cause(ctx)
	}
}

// named returns the account's own image of that name, if there is one.
func (r *Region) named(ctx context.Context, name string) (types.Image, bool, error) {
	return r.names.get(ctx, name, askNames(r.EC2))
}

func askNames(client *ec2.Client) func(context.Context, []string) (map[string]types.Image, error) {
	return func(ctx context.Context, names []string) (map[string]types.Image, error) {
		escape := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`)
		var patterns []string
		for _, n := range names {
			patterns = append(patterns, escape.Replace(n))
		}
		disabled, deprecated := true, true
		out, err := client.DescribeImages(ctx, &ec2.DescribeImagesInput{
			Owners: []string{"self"}, Filters: []types.Filter{filter("name", patterns...)},
			IncludeDeprecated: &deprecated, IncludeDisabled: &disabled,
		})
		if err != nil {
			return nil, err
		}
		found := map[string]types.Image{}
		for _, i := range out.Images {
			found[aws.ToString(i.Name)] = i
		}
		return found, nil
	}
}

// present returns an image by its id, if it is there.
func (r *Region) present(ctx context.Context, id string) (types.Image, bool, error) {
	img, ok, err := r.ids.get(ctx, id, fetchImages(r.EC2))
	return img, ok, r.explain(ctx, "look for the image "+id, err)
}
