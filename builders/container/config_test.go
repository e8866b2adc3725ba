package container

import (
	"errors"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change       func(*Config)
		option, want string
	}{
		"no source":        {func(c *Config) { c.Image = "" }, "", "one of image, oci_layout and bootstrap must be set"},
		"two sources":      {func(c *Config) { c.OCILayout = "dir" }, "oci_layout", "image is"},
		"bad image":        {func(c *Config) { c.Image = "UPPER" }, "image", "no name of an image"},
		"no result":        {func(c *Config) { c.Commit = false }, "", "exactly one of commit, discard and export_path"},
		"two results":      {func(c *Config) { c.Discard = true }, "", "exactly one of commit, discard and export_path"},
		"format":           {func(c *Config) { c.ExportFormat = "zip" }, "export_format", `"zip" is none of`},
		"platform":         {func(c *Config) { c.Platform = "a/b/c/d" }, "platform", "a/b/c/d"},
		"windows platform": {func(c *Config) { c.Platform = "windows/amd64" }, "platform", "images are for linux"},
		"windows":          {func(c *Config) { c.WindowsContainer = true }, "windows_container", "not supported"},
		"login":            {func(c *Config) { c.Login, c.LoginUsername = true, "me" }, "login_password", "is needed with login_username"},
		"ecr":              {func(c *Config) { c.EcrLogin, c.LoginServer = true, "ghcr.io" }, "login_server", "is not a registry of ECR"},
		"two logins":       {func(c *Config) { c.EcrLogin, c.LoginServer, c.LoginUsername = true, "public.ecr.aws", "me" }, "ecr_login", "beside it"},
		"pty":              {func(c *Config) { c.Pty = true }, "pty", "no terminal"},
		"communicator":     {func(c *Config) { c.Communicator = "ssh" }, "communicator", `"ssh" is not supported`},
		"tmpfs":            {func(c *Config) { c.TmpFS = []string{"relative"} }, "tmpfs", "absolute"},
		"tmpfs option":     {func(c *Config) { c.TmpFS = []string{"/a:mode=1777"} }, "tmpfs", `"mode"`},
		"tmpfs size":       {func(c *Config) { c.TmpFS = []string{"/a:size=big"} }, "tmpfs", `"big"`},
		"container_dir":    {func(c *Config) { c.ContainerDir = "packer-files" }, "container_dir", "absolute"},
		"instruction":      {func(c *Config) { c.Changes = []string{"RUN true"} }, "changes", "unknown instruction RUN"},
		"no instruction":   {func(c *Config) { c.Changes = []string{"HELLO world"} }, "changes", "unknown instruction HELLO"},
		"bad instruction":  {func(c *Config) { c.Changes = []string{"ENV"} }, "changes", "ENV"},
		"cache":            {func(c *Config) { c.CacheFrom = []string{"registry.example.com/x"} }, "cache_from", "has no type"},
		"bad cache":        {func(c *Config) { c.CacheTo = []string{"type=registry,ref"} }, "cache_to", "ref"},
		"mirror's login":   {func(c *Config) { c.Image, c.Bootstrap = "", &Bootstrap{Suite: "s", Mirror: "http://me:pw@x"} }, "bootstrap.mirror", "http://me:xxxxx@x can't have a login"},
		"mirror":           {func(c *Config) { c.Image, c.Bootstrap = "", &Bootstrap{Suite: "s", Mirror: "ftp://x"} }, "bootstrap.mirror", "ftp://x"},
		"package":          {func(c *Config) { c.Image, c.Bootstrap = "", &Bootstrap{Suite: "s", Packages: []string{"--x"}} }, "bootstrap", "--x"},
		"no suite":         {func(c *Config) { c.Image, c.Bootstrap = "", &Bootstrap{} }, "bootstrap.suite", "must be set"},
	} {
		cfg := Definition().New().(*Config)
		cfg.Image, cfg.Commit = "debian:12", true
		c.change(cfg)
		_, err := cfg.Open(builders.Host{})
		var option *component.OptionError
		if !errors.As(err, &option) || option.Option != c.option || !strings.Contains(option.Message, c.want) {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

func TestRunCommand(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"-d -i -t --entrypoint=/bin/sh -- {{.Image}}":                "",
		"-dit --name web {{.Image}}":                                 "",
		"-d -i -t {{.Image}} /bin/bash":                              "",
		"-d --rm {{.Image}} sleep infinity":                          "",
		"-d -i -u=root -t --entrypoint=/bin/sh -- {{.Image}}":        "user root",
		"-d --user root --entrypoint /bin/bash {{.Image}}":           "user root",
		"-d --privileged {{.Image}}":                                 "--privileged is not supported",
		"-d -v /var/run/docker.sock:/var/run/docker.sock {{.Image}}": "-v is not supported",
		"-d {{.Image}} /sbin/init":                                   "/sbin/init is not supported",
		"-d --entrypoint=/usr/sbin/init {{.Image}}":                  "/usr/sbin/init is not supported",
		"-d --network=host {{.Image}}":                               "--network=host is not supported",
		"-d debian:12":                                               "debian:12 is not supported",
		"-d -i -t":                                                   "does not name the image",
		"-e A=b -v /a:/a --env=C=d {{.Image}} /sbin/init":            "-e, -v, --env=C=d, /sbin/init are not supported",
		"-v /a:/a --cap-add NET_ADMIN {{.Image}}":                    "-v, --cap-add are not supported",
	} {
		rc, err := parseRunCommand(strings.Fields(text))
		got := ""
		if rc.user != "" {
			got = "user " + rc.user
		}
		if err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}
