package dockerpush

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/registrytest"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard) // what the registry logs
	os.Exit(m.Run())
}

// registry is a real registry on loopback.
type registry struct {
	host    string
	uploads atomic.Int64 // blob uploads that were begun
}

func serve(t *testing.T, login bool) *registry {
	t.Helper()
	app, err := registrytest.Handler(t.TempDir(), login)
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/blobs/uploads/") {
			r.uploads.Add(1)
		}
		app.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r
}

// digest asks the registry what a name stands for.
func (r *registry) digest(t *testing.T, name string) string {
	t.Helper()
	repo, tag, _ := strings.Cut(name, ":")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+r.host+"/v2/"+repo+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	req.SetBasicAuth(registrytest.User, registrytest.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Docker-Content-Digest")
}

func login(server, password string) *Config {
	c := Definition().New().(*Config)
	c.LoginServer, c.LoginUsername, c.LoginPassword = server, secret.Plain(registrytest.User), secret.Sensitive(password)
	return c
}

// alone keeps the user's own logins out of a test.
func alone(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	return dir
}

func TestPush(t *testing.T) {
	alone(t)
	r := serve(t, false)
	a := postprocessortest.Image(t)
	a.Tags = []string{r.host + "/acme/web:1.0", r.host + "/acme/web", strings.Replace(r.host, "127.0.0.1", "localhost", 1) + "/other:x"}
	in := postprocessortest.Input(t.TempDir(), a)
	var shown postprocessortest.Lines
	in.Log = event.Log{Sink: &shown}
	c := Definition().New().(*Config)
	c.Platform = "linux/amd64"
	if err := c.Check(in); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		before := r.uploads.Load()
		res, err := c.Process(context.Background(), in)
		if err != nil || !res.Keep || res.MustKeep {
			t.Fatalf("%+v, %v", res, err)
		}
		if sent := r.uploads.Load() - before; i == 0 && sent != 4 || i == 1 && sent != 0 {
			t.Errorf("push %d sent %d blobs", i+1, sent)
		}
	}
	for _, name := range []string{"acme/web:1.0", "acme/web:latest", "other:x"} {
		if got := r.digest(t, name); got != a.Image.Digest {
			t.Errorf("%s is %q, want %s", name, got, a.Image.Digest)
		}
	}
	if want := fmt.Sprintf("Pushing: %s\n%s: digest: %s size: %d", a.Tags[0], a.Tags[0], a.Image.Digest, a.Image.Size); !strings.HasPrefix(shown.String(), want) {
		t.Errorf("shown: %s", shown.String())
	}
}

func TestLogin(t *testing.T) {
	config := alone(t)
	r := serve(t, true)
	a := postprocessortest.Image(t)
	a.Tags = []string{r.host + "/web:1"}
	in := postprocessortest.Input(t.TempDir(), a)
	off := login(r.host, registrytest.Password)
	off.Login = new(bool)
	for _, tt := range []struct {
		name   string
		config *Config
	}{
		{"none", Definition().New().(*Config)},
		{"wrong password", login(r.host, "wrong")},
		{"another registry's", login("", registrytest.Password)},
		{"switched off", off},
	} {
		_, err := tt.config.Process(context.Background(), in)
		if err == nil || !strings.Contains(err.Error(), r.host+" refuses the login") || !strings.Contains(builders.Hint(err), "docker login "+r.host) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, server := range []string{r.host, "http://" + r.host + "/v2/"} {
		if _, err := login(server, registrytest.Password).Process(context.Background(), in); err != nil {
			t.Errorf("login at %s: %v", server, err)
		}
	}
	if got := in.Secrets.Redact(registrytest.Password); got != secret.Redacted {
		t.Errorf("the password is shown as %q", got)
	}
	// By docker's configuration.
	auth := base64.StdEncoding.EncodeToString([]byte(registrytest.User + ":" + registrytest.Password))
	if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(`{"auths":{"`+r.host+`":{"auth":"`+auth+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	yes := true
	for i, c := range []*Config{{}, {Login: &yes, LoginServer: r.host}} {
		in.Artifact.Tags = []string{fmt.Sprintf("%s/web:%d", r.host, i+2)}
		if _, err := c.Process(context.Background(), in); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"web:1", "web:2", "web:3"} {
		if got := r.digest(t, name); got != a.Image.Digest {
			t.Errorf("%s is %q, want %s", name, got, a.Image.Digest)
		}
	}
}

func TestErrors(t *testing.T) {
	alone(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down := closed.Addr().String()
	closed.Close()
	image := postprocessortest.Image(t)
	tagged := image
	tagged.Tags = []string{down + "/web:1"}
	gone := tagged
	gone.Image = &artifact.Image{Digest: image.Image.Digest, MediaType: image.Image.MediaType, Size: image.Image.Size, Layout: t.TempDir()}
	gone.Tags = []string{serve(t, false).host + "/web:1"}
	for _, tt := range []struct {
		name       string
		artifact   artifact.Artifact
		platform   string
		want, hint string
	}{
		{"not an image", artifact.Artifact{ID: "ami-1"}, "", "not a container's image", "docker"},
		{"no name", image, "", "has no name", "docker-tag"},
		{"platform", tagged, "linux/arm64", "the image is for linux/amd64, not for linux/arm64", ""},
		{"registry down", tagged, "", "push " + down + "/web:1: dial tcp " + down, "is the registry " + down + " up"},
		{"content gone", gone, "", image.Image.Digest, ""},
	} {
		c := Definition().New().(*Config)
		c.Platform = tt.platform
		_, err := c.Process(context.Background(), postprocessortest.Input(t.TempDir(), tt.artifact))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(builders.Hint(err), tt.hint) {
			t.Errorf("%s: %v (%s)", tt.name, err, builders.Hint(err))
		}
		if err != nil && strings.Contains(err.Error(), "failed to") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{})
	yes := true
	postprocessortest.Refuses(t, &Config{LoginUsername: secret.Plain("me")}, in, "login_password", "is needed")
	postprocessortest.Refuses(t, &Config{Platform: "a b"}, in, "platform", "is not a platform")
	for _, c := range []*Config{{}, {Login: &yes}} {
		if err := c.Check(in); err != nil {
			t.Error(err)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"": dockerHub, "https://index.docker.io/v1/": dockerHub, "docker.io": dockerHub,
		"ghcr.io": "ghcr.io", "https://reg.example.com:5000/v2": "reg.example.com:5000",
	} {
		if got := loginHost(server); got != want {
			t.Errorf("the host of %q is %q, want %q", server, got, want)
		}
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.9.9.9": true, "[::1]:5000": true,
		"::1": true, "ghcr.io": false, "localhost.example.com": false, "10.0.0.1:5000": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("loopback of %q is %v", host, got)
		}
	}
}
