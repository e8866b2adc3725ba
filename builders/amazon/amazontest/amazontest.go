// Package amazontest runs the sandbox's EC2 for tests that need no machines:
// instances are there for the API only.
package amazontest

import (
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/ec2"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
	"github.com/ingot-build/ingot/internal/secret"
)

// Cloud is an EC2 of one test.
type Cloud struct {
	Faults *fault.Set
	Server *ec2.Server
	Host   builders.Host // that reaches it
}

// Start starts a cloud in which everything is at once. It ends with the test.
func Start(t *testing.T, rules ...fault.Rule) *Cloud {
	t.Helper()
	return StartSlow(t, timing.Zero(), rules...)
}

// StartSlow starts a cloud that takes its time.
func StartSlow(t *testing.T, slow timing.Timing, rules ...fault.Rule) *Cloud {
	t.Helper()
	c := &Cloud{Faults: &fault.Set{}}
	if err := c.Faults.Add(rules...); err != nil {
		t.Fatal(err)
	}
	var err error
	c.Server, err = ec2.New(ec2.Options{Dir: t.TempDir(), Host: &hollow{}, Timing: slow, Faults: c.Faults, Catalog: catalog.Default})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(c.Server)
	t.Cleanup(func() {
		front.Close()
		if err := c.Server.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Host = builders.Host{Dir: t.TempDir(), Cache: t.TempDir(), Secrets: &secret.Set{}, Shared: &sync.Map{},
		Sandbox: &builders.Sandbox{AWS: front.URL, AWSKey: "AKIDSANDBOX", AWSSecret: "sandbox"}}
	return c
}

// Changes returns the calls since the mark that may have changed something, and
// a mark for the next time.
func (c *Cloud) Changes(mark int) ([]string, int) {
	calls := c.Faults.Calls()
	changes := slices.DeleteFunc(slices.Clone(calls[mark:]), func(call string) bool {
		_, name, _ := strings.Cut(call, ".")
		return strings.HasPrefix(name, "Describe") || strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List")
	})
	return changes, len(calls)
}

// Count returns how often something was called.
func (c *Cloud) Count(call string) int {
	n := 0
	for _, one := range c.Faults.Calls() {
		if one == call {
			n++
		}
	}
	return n
}
