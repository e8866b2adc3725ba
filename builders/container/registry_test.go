package container

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/registrytest"
	"github.com/ingot-build/ingot/internal/secret"
)

// Who may use the registry of the tests.
const user, password = registrytest.User, registrytest.Password

// registry is a real registry, on loopback, that asks for a login.
type registry struct {
	*registrytest.Server
	t    *testing.T
	host string
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	server, err := registrytest.Start(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return &registry{Server: server, t: t, host: server.Addr}
}

func (r *registry) repository(name string) *remote.Repository {
	r.t.Helper()
	repo, err := remote.NewRepository(r.host + "/" + name)
	if err != nil {
		r.t.Fatal(err)
	}
	repo.PlainHTTP = true
	repo.Client = &auth.Client{Credential: auth.StaticCredential(r.host, auth.Credential{Username: user, Password: password})}
	return repo
}

// push stores an image of a layout under a tag.
func (r *registry) push(img *artifact.Image, name, tag string) {
	r.t.Helper()
	store, err := oci.NewStorage(img.Layout)
	if err != nil {
		r.t.Fatal(err)
	}
	desc := ocispec.Descriptor{MediaType: img.MediaType, Digest: digest.Digest(img.Digest), Size: img.Size}
	repo := r.repository(name)
	if err := oras.CopyGraph(r.t.Context(), store, repo, desc, oras.DefaultCopyGraphOptions); err != nil {
		r.t.Fatal(err)
	}
	if err := repo.Tag(r.t.Context(), desc, tag); err != nil {
		r.t.Fatal(err)
	}
}

// pushIndex stores an index of images for platforms.
func (r *registry) pushIndex(name, tag string, manifests ...ocispec.Descriptor) {
	r.t.Helper()
	text, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := oras.TagBytes(r.t.Context(), r.repository(name), ocispec.MediaTypeImageIndex, text, tag); err != nil {
		r.t.Fatal(err)
	}
}

// image makes an image with one file.
func image(t *testing.T, text string) *artifact.Image {
	t.Helper()
	b := newBench(t, func(c *Config) { c.Changes = []string{"ENV FROM_BASE=" + text} })
	s := b.begin()
	b.apply(s, sh("echo "+text+" > /from"))
	a, err := s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a.Image
}

func (r *registry) from(name string, change func(*Config)) *bench {
	return newBench(r.t, func(c *Config) {
		c.Bootstrap, c.Image = nil, r.host+"/"+name
		c.LoginUsername, c.LoginPassword = user, secret.Sensitive(password)
		if change != nil {
			change(c)
		}
	})
}

// says builds one step from the image and returns what its file holds.
func (b *bench) says() string {
	b.t.Helper()
	s := b.begin()
	s.(builders.Forcer).Force()
	b.apply(s, sh("cat /from; echo $FROM_BASE"))
	if err := s.Close(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(b.output(), " ")
}

// A tag is pulled with the login of the options; where pull is false the image
// that was pulled last is used, also when the registry is gone.
func TestImage(t *testing.T) {
	t.Parallel()
	needDebian(t)
	r := newRegistry(t)
	first, second := image(t, "registry-one"), image(t, "registry-two")
	r.push(first, "team/base", "v1")
	b := r.from("team/base:v1", nil)
	base, err := b.builder.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source := base.Vars["build.SourceImageDigest"].Reveal()
	if base.ID != first.Digest || base.Arch != runtime.GOARCH || source != r.host+"/team/base@"+first.Digest {
		t.Errorf("base: %+v, %s", base, source)
	}
	if got := b.says(); got != "registry-one registry-one" {
		t.Errorf("got %q", got)
	}
	r.push(second, "team/base", "v1")
	if got := r.from("team/base:v1", func(c *Config) { c.Pull = false }).says(); got != "registry-one registry-one" {
		t.Errorf("pull = false: %q", got)
	}
	if got := r.from("team/base:v1", nil).says(); got != "registry-two registry-two" {
		t.Errorf("pull = true: %q", got)
	}
	r.Close()
	if got := r.from("team/base:v1", func(c *Config) { c.Pull = false }).says(); got != "registry-two registry-two" {
		t.Errorf("without the registry: %q", got)
	}
	_, err = r.from("team/base:v1", nil).builder.Resolve(t.Context())
	if err == nil || !strings.Contains(err.Error(), "can't be reached") || builders.Hint(err) == "" {
		t.Errorf("without the registry: %v", err)
	}
}

// An index is resolved to the image for the platform.
func TestImageIndex(t *testing.T) {
	t.Parallel()
	needDebian(t)
	r := newRegistry(t)
	img := image(t, "indexed")
	r.push(img, "multi", "one")
	own := ocispec.Descriptor{MediaType: img.MediaType, Digest: digest.Digest(img.Digest), Size: img.Size,
		Platform: &ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}}
	r.pushIndex("multi", "all", own)
	b := r.from("multi:all", nil)
	if base, err := b.builder.Resolve(t.Context()); err != nil || base.ID != img.Digest {
		t.Errorf("%+v, %v", base, err)
	}
	if got := b.says(); got != "indexed indexed" {
		t.Errorf("got %q", got)
	}
	_, err := r.from("multi:all", func(c *Config) { c.Platform = "linux/s390x" }).builder.Resolve(t.Context())
	if err == nil || !strings.Contains(err.Error(), "there is no image for linux/s390x, only for linux/"+runtime.GOARCH) {
		t.Errorf("got %v", err)
	}
}

// Credentials come from the Docker configuration where no login is given.
func TestDockerConfig(t *testing.T) {
	t.Parallel()
	needDebian(t)
	r := newRegistry(t)
	r.push(image(t, "docker-config"), "private", "latest")
	dir := os.Getenv("DOCKER_CONFIG")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"auths": map[string]any{r.host: map[string]string{"username": user, "password": password}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	b := r.from("private", func(c *Config) { c.LoginUsername, c.LoginPassword = "", secret.Plain("") })
	if got := b.says(); got != "docker-config docker-config" {
		t.Errorf("got %q", got)
	}
}

func TestImageErrors(t *testing.T) {
	t.Parallel()
	needDebian(t)
	r := newRegistry(t)
	r.push(image(t, "errors"), "base", "v1")
	for name, c := range map[string]struct {
		image  string
		change func(*Config)
		want   string
	}{
		"no tag":         {"base:v2", nil, "image " + r.host + "/base:v2 does not exist"},
		"no repository":  {"nothing:v1", nil, "does not exist"},
		"wrong password": {"base:v1", func(c *Config) { c.LoginPassword = secret.Sensitive("wrong") }, "the registry " + r.host + " refuses the login"},
		"other server":   {"base:v1", func(c *Config) { c.LoginServer = "other.example.com" }, "refuses"},
	} {
		_, err := r.from(c.image, c.change).builder.Resolve(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "failed to") || builders.Hint(err) == "" {
			t.Errorf("%s: %v (hint %q)", name, err, builders.Hint(err))
		}
	}
}

// A registry that is gone between planning and building is one clear error.
func TestImageGone(t *testing.T) {
	t.Parallel()
	needDebian(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	b := newBench(t, func(c *Config) { c.Bootstrap, c.Image = nil, host+"/base" })
	base := builders.Base{ID: digest.FromString(host).String(), Name: host + "/base"}
	_, err = b.builder.Begin(t.Context(), base, builders.Env{})
	if err == nil || !strings.Contains(err.Error(), "pull "+host+"/base") || strings.Contains(err.Error(), "failed to") {
		t.Errorf("got %v", err)
	}
}
