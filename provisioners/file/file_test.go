package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func folder(t *testing.T) string {
	t.Helper()
	dir := provisionertest.Files(t, map[string]string{
		"app.conf": "port = 80\n", "run.sh": "#!/bin/sh\n", "site/index.html": "<p>", "site/css/a.css": "p{}",
	})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("index.html", filepath.Join(dir, "site/home.html")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func ptr[T any](v T) *T { return &v }

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"file":                          func(c *Config) { c.Source, c.Destination = "app.conf", "/etc/app.conf" },
		"executable file into a folder": func(c *Config) { c.Source, c.Destination = "./run.sh", "/opt/" },
		"home":                          func(c *Config) { c.Sources, c.Destination = []string{"run.sh", "site/"}, "~/" },
		"folder":                        func(c *Config) { c.Source, c.Destination = "site", "/var/www" },
		"folder into a folder":          func(c *Config) { c.Source, c.Destination = "site", "/var/www/" },
		"content of a folder":           func(c *Config) { c.Source, c.Destination = "site/", "/var/www" },
		"source after sources": func(c *Config) {
			c.Source, c.Sources, c.Destination = "app.conf", []string{"run.sh"}, "/opt/"
		},
		"content":       func(c *Config) { c.Content, c.Destination = ptr(secret.Sensitive("hunter2")), "/etc/token" },
		"empty content": func(c *Config) { c.Content, c.Destination = &secret.String{}, "/etc/empty" },
		"generated": func(c *Config) {
			c.Sources, c.Generated, c.Destination = []string{"out/app", "out/assets/"}, true, "/srv/"
		},
		"download": func(c *Config) {
			c.Direction, c.Sources, c.Destination = "download", []string{"/var/log/a.log", "/etc/ssh/", "~/b"}, "logs/"
		},
		"download a file": func(c *Config) { c.Direction, c.Source, c.Destination = "download", "/etc/motd", "got" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Golden(t, config(change), folder(t))
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, tt := range []struct {
		name         string
		change       func(*Config)
		option, want string
	}{
		{"no destination", func(c *Config) { c.Source = "app.conf" }, "destination", "must not be empty"},
		{"nothing", func(c *Config) { c.Destination = "/x" }, "source", "nothing to copy"},
		{"direction", func(c *Config) { c.Source, c.Destination, c.Direction = "app.conf", "/x", "down" }, "direction", "neither"},
		{"both", func(c *Config) { c.Source, c.Destination, c.Content = "app.conf", "/x", &secret.String{} }, "content", "beside source"},
		{"content down", func(c *Config) { c.Destination, c.Direction, c.Content = "/x", "download", &secret.String{} }, "content", "in a download"},
		{"content into a folder", func(c *Config) { c.Destination, c.Content = "/x/", &secret.String{} }, "destination", "is a folder"},
		{"missing", func(c *Config) { c.Source, c.Destination = "none", "/x" }, "source", "there is no none"},
		{"missing of several", func(c *Config) { c.Sources, c.Destination = []string{"app.conf", "none"}, "/x/" }, "sources", "there is no none"},
		{"not a folder", func(c *Config) { c.Source, c.Destination = "app.conf/", "/x" }, "source", "is a file, not a folder"},
		{"two into one", func(c *Config) { c.Sources, c.Destination = []string{"app.conf", "run.sh"}, "/x" }, "destination", "both be written to /x"},
		{"two down into one", func(c *Config) {
			c.Sources, c.Destination, c.Direction = []string{"/a", "/b"}, "x", "download"
		}, "destination", "both be written to x"},
		{"pattern", func(c *Config) { c.Source, c.Destination, c.Direction = "/var/log/*.log", "x/", "download" }, "source", "is a pattern"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Refuses(t, config(tt.change), dir, tt.option, tt.want)
		})
	}
}

// What an earlier step makes is read when the step runs, not before.
func TestGenerated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ops, err := config(func(c *Config) {
		c.Sources, c.Generated, c.Destination = []string{"out/app", "out/assets/"}, true, "/srv/"
	}).Lower(provisionertest.Input(dir))
	if err != nil {
		t.Fatal(err)
	}
	if !op.IsLate(ops) {
		t.Error("the ops are not late")
	}
	if _, err := op.Settle(ops); err == nil {
		t.Error("settled what does not exist")
	}
	if err := os.MkdirAll(filepath.Join(dir, "out/assets"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"out/app", "out/assets/a"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("made"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	settled, err := op.Settle(op.Bind(ops, nil))
	if err != nil {
		t.Fatal(err)
	}
	put, tree := settled[0].(*op.Put), settled[1].(*op.Tree)
	if put.File.Blob.Size != 4 || put.File.Mode != 0o700 || tree.Size != 4 || len(tree.Entries) != 1 || op.IsLate(settled) {
		t.Errorf("settled to %+v and %+v", put, tree)
	}
}
