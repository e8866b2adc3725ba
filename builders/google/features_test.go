package google

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/secret"
)

// lab is one sandbox, for tests that do not disturb each other.
type lab struct {
	*sandboxtest.Sandbox
	host builders.Host
	dir  string // of journals
}

func newLab(t *testing.T, rules ...fault.Rule) *lab {
	t.Helper()
	s := sandboxtest.Start(t, sandboxtest.Options{Faults: rules})
	return &lab{Sandbox: s, dir: t.TempDir(),
		host: builders.Host{Dir: t.TempDir(), Secrets: &secret.Set{}, Shared: &sync.Map{}, Sandbox: s.Host()}}
}

func (l *lab) open(t *testing.T, c *Config) *builder {
	t.Helper()
	b, err := c.Open(l.host)
	if err != nil {
		t.Fatal(err)
	}
	return b.(*builder)
}

// lines keeps what a build says.
type lines struct {
	mu   sync.Mutex
	said []string
}

func (l *lines) Emit(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch b := e.Body.(type) {
	case event.Say:
		l.said = append(l.said, b.Text)
	case event.Output:
		l.said = append(l.said, b.Text)
	}
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.said, "\n")
}

// env is the environment of one build.
func (l *lab) env(t *testing.T, out *lines) builders.Env {
	t.Helper()
	run := "run-" + nonce()
	j := journal.Open(l.dir, run)
	t.Cleanup(func() { _ = j.Close() })
	return builders.Env{RunID: run, Build: "googlecompute.web", Journal: j, Log: event.Log{Build: "googlecompute.web", Sink: out}}
}

// begin begins a session, which is closed when the test ends.
func (l *lab) begin(t *testing.T, b builders.Builder, env builders.Env) (builders.Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	base, err := b.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	s, err := b.Begin(ctx, base, env)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, nil
}

// run begins a session and runs a script on its machine.
func (l *lab) run(t *testing.T, c *Config, script string) (builders.Session, string) {
	t.Helper()
	out := &lines{}
	s, err := l.begin(t, l.open(t, c), l.env(t, out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.text())
	}
	step := builders.Step{Name: "shell", Ops: []op.Op{&op.Exec{Argv: []string{"/bin/sh", "-c", script}}}}
	if err := s.Apply(t.Context(), step); err != nil {
		t.Fatalf("%v\n%s", err, out.text())
	}
	return s, out.text()
}

func (l *lab) seal(t *testing.T, s builders.Session) artifact.Artifact {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	a, err := s.Seal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestFeatures shows what options do on a machine.
func TestFeatures(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	t.Run("group", func(t *testing.T) {
		t.Run("startup script", func(t *testing.T) { t.Parallel(); testStartup(t, l) })
		t.Run("OS Login", func(t *testing.T) { t.Parallel(); testOSLogin(t, l) })
		t.Run("IAP", func(t *testing.T) { t.Parallel(); testIAP(t, l) })
		t.Run("distribute", func(t *testing.T) { t.Parallel(); testDistribute(t, l) })
		t.Run("force", func(t *testing.T) { t.Parallel(); testForce(t, l) })
		t.Run("later key and clean key", func(t *testing.T) { t.Parallel(); testKeys(t, l) })
		t.Run("second disk", func(t *testing.T) { t.Parallel(); testDisk(t, l) })
	})
	for _, left := range l.Leaks() {
		if !strings.Contains(left, "/images/") {
			t.Errorf("left behind: %s", left)
		}
	}
}

func testStartup(t *testing.T, l *lab) {
	script := filepath.Join(t.TempDir(), "startup.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 1\necho hello from the startup script\ntouch /srv/started\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := template(func(c *Config) { c.StartupScriptFile = script })
	s, _ := l.run(t, c, "true")
	a := l.seal(t, s)
	again := template(func(c *Config) { c.SourceImageFamily, c.SourceImage = "", a.ID })
	l.run(t, again, "test -f /srv/started && ! test -e /var/run/ingot-startup-script")

	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c = template(func(c *Config) { c.StartupScriptFile = script })
	s, _ = l.run(t, c, "true")
	if _, err := s.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), "ended with exit code 3") {
		t.Errorf("a startup script that fails: %v", err)
	}
	c = template(func(c *Config) { c.StartupScriptFile, c.Communicator = script, "none" })
	s, err := l.begin(t, l.open(t, c), l.env(t, &lines{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), "ended with exit code 3") {
		t.Errorf("a startup script that fails, read from the console: %v", err)
	}
}

func testOSLogin(t *testing.T, l *lab) {
	on := true
	c := template(func(c *Config) { c.UseOSLogin, c.Username, c.OSLoginSSHKeyExpireAfter = &on, "", 2*time.Hour })
	latest := time.Now().Add(3 * time.Hour)
	s, said := l.run(t, c, "id -un")
	user := s.Vars()["build.User"].Reveal()
	if !strings.Contains(said, "OS Login profile of ") || !slices.Contains(strings.Split(said, "\n"), user) {
		t.Errorf("logged in as %q:\n%s", user, said)
	}
	profile, err := l.open(t, c).cloud.api.OSLogin.Users.GetLoginProfile("users/me").Context(t.Context()).Do()
	if err != nil || len(profile.SshPublicKeys) != 1 {
		t.Fatalf("profile %+v, %v", profile, err)
	}
	for _, key := range profile.SshPublicKeys {
		if until := time.UnixMicro(key.ExpirationTimeUsec); until.After(latest) {
			t.Errorf("the key is good until %s", until)
		}
	}
}

func testIAP(t *testing.T, l *lab) {
	c := template(func(c *Config) { c.UseIAP, c.OmitExternalIP = true, true })
	// More than the relay may have unconfirmed at a time.
	s, said := l.run(t, c, "head -c 3000000 /dev/zero | cksum; head -c 400000 /dev/zero | tr '\\0' x | fold -w 1000 | sort -u | wc -c")
	if !strings.Contains(said, "1001") {
		t.Error(said)
	}
	large := strings.Repeat("0123456789abcdef", 1<<16)
	step := builders.Step{Ops: []op.Op{
		&op.Put{File: op.File{Path: "/tmp/large", Blob: op.Text(secret.Plain(large))}},
		&op.Exec{Argv: []string{"/bin/sh", "-c", "test $(wc -c </tmp/large) = 1048576"}},
	}}
	if err := s.Apply(t.Context(), step); err != nil {
		t.Error(err)
	}
}

func testDistribute(t *testing.T, l *lab) {
	name, now := "dist-"+nonce(), time.Now()
	in := func(hours time.Duration) string { return now.Add(hours * time.Hour).UTC().Format(time.RFC3339) }
	source := func(change func(*Config)) *Config {
		return template(func(c *Config) {
			c.ImageName, c.Communicator = name, "none"
			c.ImageFamily, c.ImageLabels = "dist", map[string]string{"team": "a"}
			c.DeprecateAt, c.ObsoleteAt, c.DeleteAt = in(240), in(480), in(720)
			if change != nil {
				change(c)
			}
		})
	}
	b := l.open(t, source(nil))
	env := l.env(t, &lines{})
	s, err := l.begin(t, b, env)
	if err != nil {
		t.Fatal(err)
	}
	a := l.seal(t, s)
	img, err := b.cloud.api.Image(t.Context(), "my-project", name)
	if err != nil || img == nil || img.Labels[expiresLabel] == "" {
		t.Fatalf("before it is distributed: %v, %+v", err, img)
	}
	for range 2 {
		if a, err = b.Distribute(t.Context(), a, env); err != nil {
			t.Fatal(err)
		}
	}
	img, err = b.cloud.api.Image(t.Context(), "my-project", name)
	if err != nil || img.Labels[expiresLabel] != "" || img.Labels["team"] != "a" || img.Family != "dist" ||
		img.Deprecated == nil || img.Deprecated.State != "ACTIVE" ||
		img.Deprecated.Deprecated != in(240) || img.Deprecated.Obsolete != in(480) || img.Deprecated.Deleted != in(720) {
		t.Errorf("distributed: %v, %+v %+v", err, img, img.Deprecated)
	}
	// Another place, another label: the same image.
	other := l.open(t, source(func(c *Config) {
		c.ImageProjectID, c.ImageLabels, c.ImageFamily = "other-project", map[string]string{"team": "b"}, ""
	}))
	if other.Distribution() == b.Distribution() {
		t.Error("the key of the distribution does not say what is different")
	}
	moved, err := other.Distribute(t.Context(), a, env)
	if err != nil || len(moved.Places) != 2 {
		t.Fatalf("%+v, %v", moved, err)
	}
	if there, err := other.Exists(t.Context(), moved); err != nil || !there {
		t.Errorf("the copy is not there: %v", err)
	}
}

func testForce(t *testing.T, l *lab) {
	c := template(func(c *Config) { c.Communicator = "none" })
	s, err := l.begin(t, l.open(t, c), l.env(t, &lines{}))
	if err != nil {
		t.Fatal(err)
	}
	first := l.seal(t, s)
	_, err = l.begin(t, l.open(t, c), l.env(t, &lines{}))
	if err == nil || !strings.Contains(err.Error(), "is in use") || builders.Hint(err) == "" {
		t.Errorf("a name in use: %v", err)
	}
	env := l.env(t, &lines{})
	env.Force = true
	b := l.open(t, c)
	if s, err = l.begin(t, b, env); err != nil {
		t.Fatal(err)
	}
	second := l.seal(t, s)
	if there, err := b.Exists(t.Context(), first); err != nil || there {
		t.Errorf("the image that was replaced exists: %v, %v", there, err)
	}
	if there, err := b.Exists(t.Context(), second); err != nil || !there {
		t.Errorf("the image that replaced it: %v, %v", there, err)
	}
}

func testKeys(t *testing.T, l *lab) {
	c := template(func(c *Config) {
		c.WaitToAddSSHKeys, c.ClearAuthorizedKeys, c.TemporaryKeyPairName = 500*time.Millisecond, true, "pair-of-ci"
	})
	s, _ := l.run(t, c, "grep -q 'ssh-ed25519 .* pair-of-ci$' ~/.ssh/authorized_keys")
	key := keyBlob(s.Vars()["build.SSHPublicKey"].Reveal())
	a := l.seal(t, s)
	again := template(func(c *Config) { c.SourceImageFamily, c.SourceImage = "", a.ID })
	l.run(t, again, "! grep -qr "+key+" ~/.ssh/authorized_keys")
}

func testDisk(t *testing.T, l *lab) {
	c := template(func(c *Config) {
		c.DiskAttachment = []DiskAttachment{{VolumeType: "pd-ssd", VolumeSize: 1, DeviceName: "data", CreateImage: true}}
	})
	s, _ := l.run(t, c, "ls -l /dev/disk/by-id/ /dev/sd* 2>&1; true")
	l.seal(t, s)
}
