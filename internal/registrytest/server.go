// Package registrytest starts real OCI registries for tests.
package registrytest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // the login
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the storage
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
)

// User and Password are the login of registries that ask for one.
const User, Password = "tester", "let-me-in"

// Server is an OCI registry on loopback.
type Server struct {
	Addr string // "127.0.0.1:PORT"

	http *httptest.Server
	dir  string
}

// Start starts a registry. With login it wants User and Password. Close ends it.
func Start(login bool) (*Server, error) {
	dir, err := os.MkdirTemp("", "ingot-registrytest-")
	if err != nil {
		return nil, err
	}
	h, err := Handler(dir, login)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	s := &Server{http: httptest.NewServer(h), dir: dir}
	s.Addr = strings.TrimPrefix(s.http.URL, "http://")
	return s, nil
}

// Handler returns a registry as a handler, for tests that put something in
// front of it. Its content and the login's file are written into dir.
func Handler(dir string, login bool) (http.Handler, error) {
	config := &configuration.Configuration{Storage: configuration.Storage{"filesystem": {"rootdirectory": filepath.Join(dir, "content")}}}
	config.Catalog.MaxEntries = 1000
	logrus.SetLevel(logrus.FatalLevel) // the registry's logger has no other handle
	if login {
		hash, err := bcrypt.GenerateFromPassword([]byte(Password), bcrypt.MinCost)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(file, []byte(User+":"+string(hash)+"\n"), 0o600); err != nil {
			return nil, err
		}
		config.Auth = configuration.Auth{"htpasswd": {"realm": "registrytest", "path": file}}
	}
	return handlers.NewApp(context.Background(), config), nil
}

// Close ends the registry.
func (s *Server) Close() {
	s.http.Close()
	os.RemoveAll(s.dir)
}
