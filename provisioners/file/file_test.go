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
	dir := t.TempDir()
	for name, text := range map[string]string{"app.conf": "port = 80\n", "run.sh": "#!/bin/sh\n", "site/index.html": "<p>", "site/css/a.css": "p{}"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("index.html", filepath.Join(dir, "site/home.html")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	change(c)
	return c
}

func ptr[T any](v T) *T { return &v }

const site = `  css/a.css 806db221261e
  index.html 33f279946717
`

func TestLower(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"file", func(c *Config) { c.Source, c.Destination = "app.conf", "/etc/app.conf" }, `
put
  file /etc/app.conf 0644 from DIR/app.conf
    port = 80
`},
		{"executable file into a folder", func(c *Config) { c.Source, c.Destination = "./run.sh", "/opt/" }, `
put
  file /opt/run.sh 0750 from DIR/run.sh
    #!/bin/sh
`},
		{"home", func(c *Config) { c.Sources, c.Destination = []string{"run.sh", "site/"}, "~/" }, `
put
  file run.sh 0750 from DIR/run.sh
    #!/bin/sh
tree . from DIR/site/, 6 bytes
` + site},
		{"folder", func(c *Config) { c.Source, c.Destination = "site", "/var/www" }, `
tree /var/www/site from DIR/site, 6 bytes
` + site},
		{"folder into a folder", func(c *Config) { c.Source, c.Destination = "site", "/var/www/" }, `
tree /var/www/site from DIR/site, 6 bytes
` + site},
		{"content of a folder", func(c *Config) { c.Source, c.Destination = "site/", "/var/www" }, `
tree /var/www from DIR/site/, 6 bytes
` + site},
		{"source after sources", func(c *Config) {
			c.Source, c.Sources, c.Destination = "app.conf", []string{"run.sh"}, "/opt/"
		}, `
put
  file /opt/run.sh 0750 from DIR/run.sh
    #!/bin/sh
put
  file /opt/app.conf 0644 from DIR/app.conf
    port = 80
`},
		{"content", func(c *Config) { c.Content, c.Destination = ptr(secret.Sensitive("hunter2")), "/etc/token" }, `
put
  file /etc/token 0644, sensitive
    hunter2
`},
		{"empty content", func(c *Config) { c.Content, c.Destination = &secret.String{}, "/etc/empty" }, `
put
  file /etc/empty 0644
    
`},
		{"generated", func(c *Config) {
			c.Sources, c.Generated, c.Destination = []string{"out/app", "out/assets/"}, true, "/srv/"
		}, `
put
  file /srv/app 0644 from DIR/out/app, late
tree /srv from DIR/out/assets/, 0 bytes
`},
		{"download", func(c *Config) {
			c.Direction, c.Sources, c.Destination = "download", []string{"/var/log/a.log", "/etc/ssh/", "~/b"}, "logs/"
		}, `
get /var/log/a.log to DIR/logs/a.log
get /etc/ssh/ to DIR/logs/
get b to DIR/logs/b
`},
		{"download a file", func(c *Config) { c.Direction, c.Source, c.Destination = "download", "/etc/motd", "got" }, `
get /etc/motd to DIR/got
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Lowers(t, config(tt.change), folder(t), tt.want)
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
