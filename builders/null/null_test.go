package null_test

import (
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/buildertest"
	"github.com/ingot-build/ingot/builders/null"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// config returns a source that logs in to the server.
func config(s *sshtest.Server) *null.Config {
	c := null.Definition().New().(*null.Config)
	c.Host, c.Port, c.Username, c.PrivateKeyFile = s.Host, s.Port, s.User, s.KeyFile
	return c
}

func open(t *testing.T, c *null.Config) builders.Builder {
	t.Helper()
	b, err := c.Open(builders.Host{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	buildertest.Run(t, buildertest.Harness{
		New: func(t *testing.T) builders.Builder { return open(t, config(s)) },
		Broken: func(t *testing.T) builders.Builder {
			c := config(sshtest.Run(t, sshtest.Options{}))
			c.Port = s.Port
			return open(t, c)
		},
	})
}
