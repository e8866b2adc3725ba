package registry

import (
	"context"
	"errors"
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

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/bcrypt"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/ingot-build/ingot/internal/artifact"
)

// app returns a registry. With the path of an htpasswd file it asks for a login.
func app(htpasswd string) http.Handler {
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": nil, "delete": {"enabled": true}}}
	if htpasswd != "" {
		config.Auth = configuration.Auth{"htpasswd": {"realm": "test", "path": htpasswd}}
	}
	return handler(config)
}

// keeper returns a registry that lets nobody delete.
func keeper() http.Handler {
	return handler(&configuration.Configuration{Storage: configuration.Storage{"inmemory": nil}})
}

func handler(config *configuration.Configuration) http.Handler {
	config.Catalog.MaxEntries = 1000
	config.Log.Level = "fatal"
	return handlers.NewApp(context.Background(), config)
}

// serve starts a registry on loopback and returns its HOST:PORT.
func serve(t *testing.T, htpasswd string) string {
	t.Helper()
	return listen(t, app(htpasswd))
}

func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// publishWeb publishes web:1.4.0 with containers for two platforms and a machine.
func publishWeb(t *testing.T, r *Registry) Version {
	t.Helper()
	v, _, err := r.Publish(context.Background(), Version{Bucket: "web", Name: "1.4.0", Channels: []string{"production"}, Records: []artifact.Record{
		machine("amazon-ebs.web", "ami-1"),
		container(t, r.Layout(), "docker.arm", "arm", "arm64"),
		container(t, r.Layout(), "docker.web", "amd", "amd64"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestPullByPlatform pulls as container clients do: by name and platform.
func TestPullByPlatform(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, serve(t, "")+"/acme", t.TempDir())
	v := publishWeb(t, r)
	for _, name := range []string{"1.4.0", "production"} {
		for i, arch := range map[int]string{1: "arm64", 2: "amd64"} {
			repo, err := remote.NewRepository(r.Address() + "/web")
			if err != nil {
				t.Fatal(err)
			}
			repo.PlainHTTP = true
			opts := oras.DefaultCopyOptions
			opts.WithTargetPlatform(&ocispec.Platform{OS: "linux", Architecture: arch})
			got, err := oras.Copy(ctx, repo, name, memory.New(), name, opts)
			if err != nil {
				t.Fatalf("%s for %s: %v", name, arch, err)
			}
			if want := v.Records[i].Artifact.Image.Digest; string(got.Digest) != want {
				t.Errorf("%s for %s: %s, want %s", name, arch, got.Digest, want)
			}
		}
	}
}

func TestSubjectAndArtifactType(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, serve(t, "")+"/acme", t.TempDir())
	v := publishWeb(t, r)
	repo, err := r.repository("web")
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range v.Records {
		desc, err := repo.Resolve(ctx, keyPrefix+string(rec.Key))
		if err != nil {
			t.Fatal(err)
		}
		var m ocispec.Manifest
		if err := fetchJSON(ctx, repo, desc, &m); err != nil {
			t.Fatal(err)
		}
		if m.ArtifactType != ArtifactType || m.Config.MediaType != RecordType || (m.Subject == nil) != (rec.Artifact.Image == nil) {
			t.Errorf("%s: %+v", rec.Build, m)
		}
	}
}

// TestLogin is not parallel: the docker configuration is in the environment.
func TestLogin(t *testing.T) {
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	htpasswd := filepath.Join(dir, "htpasswd")
	write(t, htpasswd, "ali:"+string(hash)+"\n", 0o600)
	host := serve(t, htpasswd)
	t.Setenv("DOCKER_CONFIG", dir)
	config := filepath.Join(dir, "config.json")

	write(t, config, `{"auths":{}}`, 0o600)
	r := open(t, host+"/acme", t.TempDir())
	_, _, err = r.Latest(context.Background(), "web")
	checkError(t, err, "asks for a login", "docker login "+host, config)

	write(t, config, `{"auths":{"`+host+`":{"auth":"YWxpOndyb25n"}}}`, 0o600) // ali:wrong
	r = open(t, host+"/acme", t.TempDir())
	_, _, err = r.Publish(context.Background(), Version{Bucket: "web", Name: "1.4.0"})
	checkError(t, err, "refuses the login", "docker login "+host, config)

	write(t, config, `{"auths":{"`+host+`":{"auth":"YWxpOm9wZW4gc2VzYW1l"}}}`, 0o600) // ali:open sesame
	r = open(t, host+"/acme", t.TempDir())
	publishWeb(t, r)
	if _, ok, err := r.Latest(context.Background(), "web"); !ok || err != nil {
		t.Fatalf("latest: %v, %v", ok, err)
	}

	// A credential helper, as docker-credential-NAME in PATH.
	write(t, filepath.Join(dir, "docker-credential-cave"), "#!/bin/sh\ncat >/dev/null\necho '{\"Username\":\"ali\",\"Secret\":\"open sesame\"}'\n", 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	write(t, config, `{"credHelpers":{"`+host+`":"cave"}}`, 0o600)
	r = open(t, host+"/acme", t.TempDir())
	if _, ok, err := r.Latest(context.Background(), "web"); !ok || err != nil {
		t.Fatalf("with a helper: %v, %v", ok, err)
	}

	write(t, config, `{"auths":`, 0o600)
	_, err = Open(host+"/acme", t.TempDir())
	checkError(t, err, "config", config)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// checkError checks an error's text and that its hint has all of the words.
func checkError(t *testing.T, err error, text string, hints ...string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %q", err, text)
		return
	}
	if strings.Contains(err.Error(), "failed to") {
		t.Errorf("error says \"failed to\": %v", err)
	}
	var h interface{ Hint() string }
	if len(hints) > 0 && !errors.As(err, &h) {
		t.Errorf("no hint: %v", err)
		return
	}
	for _, want := range hints {
		if !strings.Contains(h.Hint(), want) {
			t.Errorf("hint %q, want %q", h.Hint(), want)
		}
	}
}

func TestRegistryThatIsDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	r := open(t, host+"/acme", t.TempDir())
	_, _, err = r.Lookup(context.Background(), "web", keyOf("x"))
	checkError(t, err, "does not answer: connection refused", host)
	_, _, err = open(t, "https://"+serve(t, "")+"/acme", t.TempDir()).Latest(context.Background(), "web")
	checkError(t, err, "HTTP response to HTTPS client", "http://")
}

func TestRegistryAnswers(t *testing.T) {
	t.Parallel()
	for status, want := range map[int][]string{
		http.StatusForbidden:   {"denies access", "docker login"},
		http.StatusBadRequest:  {"answers 400: Bad Request"},
		http.StatusNotFound:    {},
		http.StatusMultiStatus: {"207"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			host := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
			_, ok, err := open(t, host+"/acme", t.TempDir()).Latest(context.Background(), "web")
			if len(want) == 0 {
				if ok || err != nil {
					t.Errorf("found %v, %v", ok, err)
				}
				return
			}
			checkError(t, err, want[0], want[1:]...)
		})
	}
}

// TestTransientErrors has each kind of request refused once with 503.
func TestTransientErrors(t *testing.T) {
	t.Parallel()
	var blobs, manifests atomic.Bool
	h := app("")
	host := listen(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		blob := req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/blobs/uploads/") && blobs.CompareAndSwap(false, true)
		manifest := req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/manifests/") && manifests.CompareAndSwap(false, true)
		if blob || manifest {
			_, _ = io.Copy(io.Discard, req.Body)
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, req)
	}))
	publishWeb(t, open(t, host+"/acme", t.TempDir()))
	if !blobs.Load() || !manifests.Load() {
		t.Error("nothing was refused")
	}
}

// TestHalfPublished has the registry refuse the last request of a publisher,
// the one that gives the version its name.
func TestHalfPublished(t *testing.T) {
	t.Parallel()
	ctx, h := context.Background(), app("")
	host := listen(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, "/manifests/1.4.0") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, req)
	}))
	r := open(t, host+"/acme", t.TempDir())
	_, _, err := r.Publish(ctx, Version{Bucket: "web", Name: "1.4.0", Channels: []string{"production"}, Records: []artifact.Record{machine("null.web", "m")}})
	checkError(t, err, "denies access", "docker login")
	for _, name := range []string{"1.4.0", "production"} {
		if _, ok, err := r.Version(ctx, "web", name); ok || err != nil {
			t.Errorf("%s is there: %v, %v", name, ok, err)
		}
	}
	if _, ok, err := r.Latest(ctx, "web"); ok || err != nil {
		t.Errorf("latest: %v, %v", ok, err)
	}
	if list, err := r.Versions(ctx, "web"); len(list) > 0 || err != nil {
		t.Errorf("versions: %v, %v", list, err)
	}
}

// TestDeletedImage has the image of a record deleted from the registry.
func TestDeletedImage(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, serve(t, "")+"/acme", t.TempDir())
	rec := container(t, r.Layout(), "docker.web", "one", "amd64")
	if err := r.Record(ctx, "web", rec); err != nil {
		t.Fatal(err)
	}
	repo, err := r.repository("web")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.(*remoteBucket).Delete(ctx, imageDescriptor(rec.Artifact.Image)); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.Lookup(ctx, "web", rec.Key); ok || err != nil {
		t.Errorf("found %v, %v", ok, err)
	}
}

func TestBucketsWithoutCatalog(t *testing.T) {
	t.Parallel()
	h := app("")
	host := listen(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/_catalog") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		h.ServeHTTP(w, req)
	}))
	r := open(t, host+"/acme", t.TempDir())
	publishWeb(t, r)
	_, err := r.Buckets(context.Background())
	checkError(t, err, "does not list its repositories", "name the bucket")
}

// TestForeignTags has other images and broken tags beside the versions.
func TestForeignTags(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, serve(t, "")+"/acme", t.TempDir())
	publishWeb(t, r)
	repo, err := r.repository("web")
	if err != nil {
		t.Fatal(err)
	}
	img := imageDescriptor(container(t, r.Layout(), "docker.other", "amd", "amd64").Artifact.Image)
	for _, tag := range []string{"zzz", "channel.x", "channel.x.20260101T000000.000000000Z-abcdefgh", "published.nonsense",
		publishedPrefix + strings.Repeat("9", len(stamp)+1+16+1+tokenLength)} {
		if err := repo.name(ctx, img, tag); err != nil {
			t.Fatal(err)
		}
	}
	list, err := r.Versions(ctx, "web")
	if err != nil || len(list) != 1 || list[0].Name != "1.4.0" {
		t.Errorf("versions: %v, %v", list, err)
	}
	if v, ok, err := r.Latest(ctx, "web"); !ok || err != nil || v.Name != "1.4.0" {
		t.Errorf("latest: %v, %v, %v", v.Name, ok, err)
	}
	if _, ok, err := r.Version(ctx, "web", "zzz"); ok || err != nil {
		t.Errorf("zzz: %v, %v", ok, err)
	}
	_, _, err = r.Publish(ctx, Version{Bucket: "web", Name: "zzz"})
	checkError(t, err, "another image's", "another name")
	_, err = r.Promote(ctx, "web", "1.4.0", "zzz", Ask{Untested: true})
	checkError(t, err, "another image's", "another name")
}

// TestFetch reads an image that another host pushed.
func TestFetch(t *testing.T) {
	t.Parallel()
	ctx, host := context.Background(), serve(t, "")
	here, there := open(t, host+"/acme", t.TempDir()), open(t, host+"/acme", t.TempDir())
	publishWeb(t, here)
	v, ok, err := there.Latest(ctx, "web")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	img := *v.Records[1].Artifact.Image
	if err := there.Fetch(ctx, "web", img); err != nil {
		t.Fatal(err)
	}
	if whole, err := newLayout(img.Layout).whole(ctx, imageDescriptor(&img)); !whole || err != nil || img.Layout != there.Layout() {
		t.Errorf("whole %v, %v in %s", whole, err, img.Layout)
	}
}
