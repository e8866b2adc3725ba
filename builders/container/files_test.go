package container

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

func blob(t *testing.T, path string) op.Blob {
	t.Helper()
	b, err := op.FileBlob(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Files and folders arrive with their modes and owners, in folders that are
// made, and what is there already stays.
func TestUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, bytes.Repeat([]byte("0123456789abcdef"), inline/8), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(dir, "tree")
	for name, mode := range map[string]os.FileMode{"a": 0o640, "sub/run": 0o755, "empty/.keep": 0o644} {
		file := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name+"\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(tree, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(tree, "sub"), 0o750); err != nil {
		t.Fatal(err)
	}
	folder, err := op.DirTree("/srv/tree", tree)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, nil)
	s := b.begin()
	b.apply(s,
		sh("useradd -u 1234 web; mkdir -p /srv/tree/sub; chmod 700 /srv/tree; echo old > /srv/tree/old; echo old > /srv/tree/a; ln -s /etc/target /etc/alias; echo x > /etc/replaced; chmod 600 /etc/replaced"),
		&op.Put{File: op.File{Path: "/new/folder/small", Blob: op.Text(secret.Plain("small\n"))}},
		&op.Put{File: op.File{Path: "/new/owned", Mode: 0o600, Owner: "web:web", Blob: op.Text(secret.Plain("owned\n"))}},
		&op.Put{File: op.File{Path: "/new/number", Mode: 0o4755, Owner: "7:8", Blob: op.Text(secret.Plain("number\n"))}},
		&op.Put{File: op.File{Path: "/etc/replaced", Blob: op.Text(secret.Plain("y\n"))}},
		&op.Put{File: op.File{Path: "/large", Owner: "web", Blob: blob(t, large)}},
		folder,
		sh(`stat -c '%n %a %U:%G %s' /new /new/folder /new/folder/small /new/owned /new/number /etc/replaced /large /srv/tree/a /srv/tree/old /srv/tree/sub /srv/tree/sub/run /srv/tree/empty
readlink /srv/tree/link; cat /srv/tree/a; stat -c 'tree %a' /srv/tree`),
	)
	want := `/new 755 root:root 4096
/new/folder 755 root:root 4096
/new/folder/small 644 root:root 6
/new/owned 600 web:web 6
/new/number 755 lp:mail 7
/etc/replaced 644 root:root 2
/large 644 web:web 131072
/srv/tree/a 640 root:root 2
/srv/tree/old 644 root:root 4
/srv/tree/sub 750 root:root 4096
/srv/tree/sub/run 755 root:root 8
/srv/tree/empty 755 root:root 4096
a
a
tree 700`
	if got := strings.Join(b.output(), "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Uploads belong to the image's user, and commands run as it, in its folder.
func TestUser(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.RunCommand = []string{"-d", "--user=www-data", "{{.Image}}"} })
	s := b.begin()
	b.apply(s,
		&op.Put{File: op.File{Path: "/srv/file", Blob: op.Text(secret.Plain("x"))}},
		&op.Exec{
			Argv:   []string{"/bin/sh", "-ec", "chmod +x /tmp/s.sh; stat -c '%U %a' /srv/file /tmp/s.sh; /tmp/s.sh; cd /proc/self && pwd"},
			Dir:    "tmp",
			Inputs: []op.File{{Path: "/tmp/s.sh", Mode: 0o700, Blob: op.Text(secret.Plain("#!/bin/sh\nid -un; pwd"))}},
		},
		&op.Exec{Argv: []string{"id", "-un"}, User: "games"},
	)
	want := "www-data 644|www-data 711|www-data|/tmp|"
	if got := strings.Join(b.output(), "|"); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "|games") {
		t.Errorf("got %q", got)
	}
	b = newBench(t, func(c *Config) { c.ExecUser, c.FixUploadOwner = "games", false })
	s = b.begin()
	b.apply(s, &op.Put{File: op.File{Path: "/srv/file", Blob: op.Text(secret.Plain("x"))}}, sh("id -un; stat -c %U /srv/file"))
	if got := strings.Join(b.output(), "|"); got != "games|root" {
		t.Errorf("got %q", got)
	}
}

// Secrets reach commands, in no layer and in nothing that BuildKit keeps, and
// do not count for its cache.
func TestSecrets(t *testing.T) {
	t.Parallel()
	build := func(value string) (*bench, bool) {
		b := newBench(t, nil)
		s := b.begin()
		hidden := secret.Sensitive(value)
		b.apply(s, &op.Exec{
			Argv: []string{"/bin/sh", "-ec", `chmod +x /tmp/new-script.sh && /tmp/new-script.sh "$TOKEN" && cat /etc/plain.env | wc -c && test "$(id -un)" = www-data`},
			User: "www-data",
			Env:  map[string]secret.String{"TOKEN": hidden, "PLAIN": secret.Plain("seen")},
			Inputs: []op.File{
				{Path: "/tmp/new-script.sh", Mode: 0o755, Blob: op.Text(secret.Sensitive("#!/bin/sh\n[ \"$1\" = " + value + " ] && echo got it $PLAIN"))},
				{Path: "/etc/plain.env", Mode: 0o600, Blob: op.Text(hidden)},
			},
		})
		cached := s.(builders.CacheReporter).LastStep().Cached
		b.apply(s, sh("ls /tmp/* /etc/plain.env /dev/ingot 2>/dev/null || true"))
		if _, err := s.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return b, cached
	}
	// The program of the test may be in the daemon's folder: it must not hold them.
	one, two := "hunter2-"+rand.Text(), "hunter2-"+rand.Text()
	first, _ := build(one)
	if !first.has("got it seen") {
		t.Errorf("output: %q", first.output())
	}
	if first.has("/etc/plain.env") || first.has("/tmp/new") || first.has("/dev/ingot") {
		t.Errorf("left in the image: %q", first.output())
	}
	if _, cached := build(two); !cached {
		t.Error("another secret made the step run again")
	}
	for _, value := range []string{one, two} {
		for _, dir := range []string{filepath.Join(cache, "buildkit"), first.host.Layout} {
			if at := find(t, dir, value); at != "" {
				t.Errorf("%s is in %s", value, at)
			}
		}
	}
}

// find returns the first file below dir that holds the text.
func find(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || found != "" || !d.Type().IsRegular() {
			return nil
		}
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(text)) {
			found = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A file with sensitive content is in the image, with its mode and owner.
func TestSecretUpload(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	b.apply(s,
		&op.Put{File: op.File{Path: "/etc/new/key", Mode: 0o640, Owner: "www-data:games", Blob: op.Text(secret.Sensitive("key\n"))}},
		sh("stat -c '%U:%G %a' /etc/new/key; cat /etc/new/key; stat -c %a /etc/new"),
	)
	if got := strings.Join(b.output(), "|"); got != "www-data:games 640|key|755" {
		t.Errorf("got %q", got)
	}
	large := op.Text(secret.Sensitive(strings.Repeat("x", secretLimit+1)))
	if err := try(t, s, &op.Put{File: op.File{Path: "/etc/large", Blob: large}}); err == nil || !strings.Contains(err.Error(), "upload /etc/large") {
		t.Errorf("got %v", err)
	}
}

// Inputs that are kept are in the image.
func TestKeepInputs(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	b.apply(s,
		&op.Exec{Argv: []string{"/tmp/keep.sh"}, KeepInputs: true, Inputs: []op.File{{Path: "/tmp/keep.sh", Mode: 0o755, Blob: op.Text(secret.Plain("#!/bin/sh\necho ran"))}}},
		sh("cat /tmp/keep.sh"),
	)
	if !b.has("echo ran") {
		t.Errorf("output: %q", b.output())
	}
}

func TestTmpFSAndFullDisk(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.TmpFS, c.ContainerDir = []string{"/mem:size=1m", "/run"}, "/packer-files" })
	s := b.begin()
	b.apply(s, &op.Exec{Argv: []string{"/mem/s.sh"}, Inputs: []op.File{{Path: "/mem/s.sh", Mode: 0o755, Blob: op.Text(secret.Plain("#!/bin/sh\nstat -f -c %T /mem; echo x > /mem/file"))}}})
	if !b.has("tmpfs") {
		t.Errorf("output: %q", b.output())
	}
	b.apply(s, sh("echo x > /packer-files/file"))
	b.apply(s, sh("test -d /packer-files && test ! -e /packer-files/file"))
	err := try(t, s, sh("test ! -e /mem/file && dd if=/dev/zero of=/mem/big bs=1M count=4"))
	if err == nil || !b.has("No space left on device") {
		t.Errorf("got %v, %q", err, b.output())
	}
}

func TestPrivileged(t *testing.T) {
	t.Parallel()
	const try1 = "mount -t tmpfs none /mnt && umount /mnt"
	b := newBench(t, nil)
	if err := try(t, b.begin(), sh(try1)); err == nil {
		t.Error("mount works without privileges")
	}
	b = newBench(t, func(c *Config) { c.Privileged = true })
	b.apply(b.begin(), sh(try1))
}

// The id of a secret is in what BuildKit knows a command by. It counts the
// step's key, which counts the text around a sensitive value.
func TestSecretIDs(t *testing.T) {
	t.Parallel()
	id := func(step key.Key, value string) string {
		v := &vault{}
		v.begin(step)
		return v.put("/tmp/node.json", []byte(value))
	}
	one, two := key.New("a").Sum(), key.New("b").Sum()
	if id(one, "red hunter2") != id(one, "red hunter3") {
		t.Error("the value is in the id")
	}
	if id(one, "red hunter2") == id(two, "green hunter2") {
		t.Error("another step has the same id")
	}
}
