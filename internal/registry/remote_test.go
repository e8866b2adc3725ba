package registry

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

// serve starts a registry on loopback and returns its HOST:PORT. With the path
// of an htpasswd file it asks for a login.
func serve(t *testing.T, htpasswd string) string {
	t.Helper()
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": nil}}
	config.Catalog.MaxEntries = 1000
	config.Log.Level = "fatal"
	if htpasswd != "" {
		config.Auth = configuration.Auth{"htpasswd": {"realm": "test", "path": htpasswd}}
	}
	server := httptest.NewServer(handlers.NewApp(context.Background(), config))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
