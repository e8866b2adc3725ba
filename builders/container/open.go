package container

import (
	"io"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/log"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"
	buildctl "github.com/moby/buildkit/cmd/buildctl/build"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/changes"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// Values of export_format.
const (
	formatRootfs = "rootfs"
	formatDocker = "docker"
	formatOCI    = "oci"
)

// options are those of a Config, checked and in the form they are used in.
type options struct {
	*Config
	image     reference.Named // with a tag or a digest; nil for other sources
	platform  ocispec.Platform
	changes   []instructions.Command
	run       runCommand
	tmpfs     []tmpfs
	cacheFrom []client.CacheOptionsEntry
	cacheTo   []client.CacheOptionsEntry
	ecr       *ecrLogin
}

type tmpfs struct {
	path string
	size int64 // bytes, 0 for no limit
}

// Open checks the options.
func (c *Config) Open(host builders.Host) (builders.Builder, error) {
	o := &options{Config: c}
	for _, check := range []func() error{
		o.checkSource, o.checkResult, o.checkPlatform, o.checkLogin, o.checkRun, o.checkTmpFS, o.checkChanges, o.checkCaches,
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if c.LoginPassword.IsSensitive() || c.Login {
		host.Secrets.Add(c.LoginPassword.Reveal())
	}
	o.ecr = &ecrLogin{options: &c.Options, server: c.LoginServer, secrets: host.Secrets}
	quiet()
	b := &builder{opts: o, host: host}
	b.source = o.newSource(b)
	if o.Commit {
		return committing{b}, nil
	}
	return b, nil
}

// quiet keeps libraries of BuildKit from writing to stderr past the events.
func quiet() { log.L.Logger.SetOutput(io.Discard) }

func (o *options) checkSource() error {
	var set []string
	if o.Image != "" {
		set = append(set, "image")
	}
	if o.OCILayout != "" {
		set = append(set, "oci_layout")
	}
	if o.Bootstrap != nil {
		set = append(set, "bootstrap")
	}
	switch {
	case len(set) == 0:
		return &component.OptionError{Option: "", Message: "one of image, oci_layout and bootstrap must be set", Advice: `for example image = "debian:12"`}
	case len(set) > 1:
		return component.Errorf(set[1], "only one of image, oci_layout and bootstrap may be set, and %s is", set[0])
	}
	switch {
	case strings.HasPrefix(o.Image, "/"): // of another build, in the registry's folder
		o.OCILayout, o.Image = o.Image, ""
	case o.Image != "" && len(op.Tokens(o.Image)) == 0: // else another build is to make it
		ref, err := reference.ParseDockerRef(o.Image)
		if err != nil {
			return component.Errorf("image", "%q is no name of an image: %v", o.Image, err)
		}
		o.image = ref
	}
	return o.checkBootstrap()
}

func (o *options) checkBootstrap() error {
	b := o.Bootstrap
	if b == nil {
		return nil
	}
	if b.Suite == "" {
		return component.Errorf("bootstrap.suite", "must be set")
	}
	if b.Mirror == "" {
		b.Mirror = "http://deb.debian.org/debian"
	}
	if b.Variant == "" {
		b.Variant = "minbase"
	}
	if len(b.Components) == 0 {
		b.Components = []string{"main"}
	}
	u, err := url.Parse(b.Mirror)
	if err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme) {
		return component.Errorf("bootstrap.mirror", "%q is no http, https or file URL", b.Mirror)
	}
	if u.User != nil {
		return component.Errorf("bootstrap.mirror", "%s can't have a login: it would be on a command line, and in the image", u.Redacted())
	}
	for _, name := range append(append([]string{b.Suite, b.Variant}, b.Packages...), b.Components...) {
		if name != "-" && strings.HasPrefix(name, "-") || strings.ContainsAny(name, " ,\n") || name == "" {
			return component.Errorf("bootstrap", "%q is no name of a suite, variant, component or package", name)
		}
	}
	return nil
}

func (o *options) checkResult() error {
	n := 0
	for _, set := range []bool{o.Commit, o.Discard, o.ExportPath != ""} {
		if set {
			n++
		}
	}
	if n != 1 {
		return &component.OptionError{Message: "exactly one of commit, discard and export_path must be set", Advice: "commit = true keeps the result as an image"}
	}
	if !slices.Contains([]string{formatRootfs, formatDocker, formatOCI}, o.ExportFormat) {
		return component.Errorf("export_format", "%q is none of rootfs, docker and oci", o.ExportFormat)
	}
	return nil
}

func (o *options) checkPlatform() error {
	o.platform = ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if o.Platform != "" {
		p, err := platforms.Parse(o.Platform)
		if err != nil {
			return component.Errorf("platform", "%v", err)
		}
		o.platform = p
	}
	o.platform = platforms.Normalize(o.platform)
	if o.WindowsContainer {
		return component.Errorf("windows_container", "Windows containers are not supported")
	}
	if o.platform.OS != "linux" {
		return component.Errorf("platform", "%s is not supported: images are for linux", o.platform.OS)
	}
	return nil
}

func (o *options) checkLogin() error {
	if err := o.CheckECR(o.LoginServer); err != nil {
		return err
	}
	if o.EcrLogin && o.LoginUsername != "" {
		return component.Errorf("ecr_login", "login_username and login_password can't be given beside it")
	}
	if o.Login && o.LoginUsername != "" && o.LoginPassword.Reveal() == "" {
		return component.Errorf("login_password", "is needed with login_username")
	}
	if o.Pty {
		return component.Errorf("pty", "BuildKit has no terminal for commands")
	}
	if o.Communicator != "docker" && o.Communicator != "" {
		return component.Errorf("communicator", `%q is not supported: commands are run by BuildKit, which is "docker"`, o.Communicator)
	}
	return nil
}

func (o *options) checkRun() error {
	if len(o.RunCommand) == 0 {
		return nil
	}
	var err error
	o.run, err = parseRunCommand(o.RunCommand)
	return err
}

// checkTmpFS reads entries like those of docker run --tmpfs, and container_dir.
func (o *options) checkTmpFS() error {
	for _, text := range o.TmpFS {
		dir, opts, _ := strings.Cut(text, ":")
		if !path.IsAbs(dir) || path.Clean(dir) == "/" {
			return component.Errorf("tmpfs", "%q is not the absolute path of a folder", dir)
		}
		t := tmpfs{path: path.Clean(dir)}
		for _, opt := range strings.Split(opts, ",") {
			name, value, _ := strings.Cut(opt, "=")
			switch name {
			case "", "rw", "nosuid", "nodev":
			case "size":
				n, err := units.RAMInBytes(value)
				if err != nil || n <= 0 {
					return component.Errorf("tmpfs", "%q is no size", value)
				}
				t.size = n
			default:
				return component.Errorf("tmpfs", "the mount option %q is not supported: BuildKit knows size", name)
			}
		}
		o.tmpfs = append(o.tmpfs, t)
	}
	if dir := o.ContainerDir; dir != "" {
		if !path.IsAbs(dir) || path.Clean(dir) == "/" {
			return component.Errorf("container_dir", "%q is not the absolute path of a folder", dir)
		}
		o.tmpfs = append(o.tmpfs, tmpfs{path: path.Clean(dir)})
	}
	return nil
}

func (o *options) checkChanges() (err error) {
	o.changes, err = changes.Parse(o.Changes)
	return err
}

func (o *options) checkCaches() (err error) {
	for name, list := range map[string][]string{"cache_from": o.CacheFrom, "cache_to": o.CacheTo} {
		for _, spec := range list {
			if !strings.Contains(spec, "type=") {
				return component.Errorf(name, `%q has no type, as in "type=registry,ref=…"`, spec)
			}
		}
	}
	if o.cacheFrom, err = buildctl.ParseImportCache(o.CacheFrom); err != nil {
		return component.Errorf("cache_from", "%v", err)
	}
	if o.cacheTo, err = buildctl.ParseExportCache(o.CacheTo); err != nil {
		return component.Errorf("cache_to", "%v", err)
	}
	return nil
}

// user is who commands run as, given the image's user.
func (o *options) user(image string) string {
	for _, name := range []string{o.ExecUser, o.run.user} {
		if name != "" {
			return name
		}
	}
	return image
}

// owner is whom files that are uploaded belong to, given the image's user.
func (o *options) owner(image string) string {
	if !o.FixUploadOwner {
		return ""
	}
	if o.run.user != "" {
		return o.run.user
	}
	return image
}
