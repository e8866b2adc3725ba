package amazon

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// whoami is who runs this, for people who find what it left.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// newName returns a name that no other has, for what a session makes.
func newName() string { return "ingot-" + strings.ToLower(rand.Text())[:16] }

func isCIDR(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// isSix reports whether a range is of IPv6 addresses.
func isSix(cidr string) bool {
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Addr().Is6()
}

// single returns the range that holds just this address.
func single(ip net.IP) string {
	if four := ip.To4(); four != nil {
		return four.String() + "/32"
	}
	return ip.String() + "/128"
}

// gather is how long a question for a name waits for those of other builds.
const gather = 20 * time.Millisecond

// nameChecks asks for own images by name, for many builds at once. Its zero
// value is ready.
type nameChecks struct {
	mu   sync.Mutex
	next *nameCheck
}

type nameCheck struct {
	names []string
	done  chan struct{}
	found map[string]types.Image
	err   error
}

// named returns the account's own image of that name, if there is one.
func (r *Region) named(ctx context.Context, name string) (types.Image, bool, error) {
	n := &r.names
	n.mu.Lock()
	c := n.next
	if c == nil {
		c = &nameCheck{done: make(chan struct{})}
		n.next = c
		go func() {
			<-time.After(gather)
			n.mu.Lock()
			if n.next == c {
				n.next = nil
			}
			n.mu.Unlock()
			c.ask(r.EC2)
		}()
	}
	c.names = append(c.names, name)
	full := len(c.names) >= batch
	if full {
		n.next = nil
	}
	n.mu.Unlock()
	select {
	case <-c.done:
		img, ok := c.found[name]
		return img, ok, c.err
	case <-ctx.Done():
		return types.Image{}, false, context.Cause(ctx)
	}
}

// ask asks for all names. Nobody adds to them any more.
func (c *nameCheck) ask(client *ec2.Client) {
	defer close(c.done)
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	escape := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`)
	var patterns []string
	for _, n := range c.names {
		patterns = append(patterns, escape.Replace(n))
	}
	disabled, deprecated := true, true
	out, err := client.DescribeImages(ctx, &ec2.DescribeImagesInput{
		Owners: []string{"self"}, Filters: []types.Filter{filter("name", patterns...)},
		IncludeDeprecated: &deprecated, IncludeDisabled: &disabled,
	})
	if err != nil {
		c.err = err
		return
	}
	c.found = map[string]types.Image{}
	for _, i := range out.Images {
		c.found[aws.ToString(i.Name)] = i
	}
}
