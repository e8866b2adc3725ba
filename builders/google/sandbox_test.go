package google

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/buildertest"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/secret"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(child(text))
	}
	if os.Getenv(gcloudEnv) != "" {
		os.Exit(gcloud(os.Args[1:]))
	}
	sandboxtest.Main(m)
}

const enough = 2 * time.Minute

// template is a source that starts from Debian.
func template(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	c.ProjectID, c.Zone, c.SourceImageFamily, c.Username = "my-project", "europe-west1-b", "debian-12", "packer"
	c.ImageName = "web-" + nonce()
	if change != nil {
		change(c)
	}
	return c
}

func nonce() string { return strings.ToLower(time.Now().Format("150405.000000")[7:]) }

// open opens a source in a sandbox.
func open(t *testing.T, s *sandboxtest.Sandbox, c *Config) builders.Builder {
	t.Helper()
	b, err := c.Open(builders.Host{Dir: t.TempDir(), Secrets: &secret.Set{}, Shared: &sync.Map{}, Sandbox: s.Host()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What every builder promises.
func TestConformance(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandboxtest.Options{})
	buildertest.Run(t, buildertest.Harness{
		New: func(t *testing.T) builders.Builder { return open(t, s, template(nil)) },
		Broken: func(t *testing.T) builders.Builder {
			return open(t, s, template(func(c *Config) {
				c.Password, c.HandshakeAttempts, c.Timeout = secret.Sensitive("not the password"), 1, enough
			}))
		},
		Reopen: func(t *testing.T, a artifact.Artifact) builders.Builder {
			return open(t, s, template(func(c *Config) { c.SourceImageFamily, c.SourceImage = "", a.ID }))
		},
		Leaks: func() []string {
			var left []string
			for _, line := range s.Leaks() {
				if !strings.Contains(line, "/images/") {
					left = append(left, line)
				}
			}
			return left
		},
	})
}

// bake makes an image with what a script does.
func bake(ctx context.Context, t *testing.T, b builders.Builder, env builders.Env) (artifact.Artifact, error) {
	t.Helper()
	base, err := b.Resolve(ctx)
	if err != nil {
		return artifact.Artifact{}, err
	}
	s, err := b.Begin(ctx, base, env)
	if err != nil {
		return artifact.Artifact{}, err
	}
	defer func() {
		if err := s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	return s.Seal(ctx)
}
