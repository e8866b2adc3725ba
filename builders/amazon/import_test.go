package amazon

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// rawDisk writes a file of that size that looks like a disk with an ext4 file
// system.
func rawDisk(t *testing.T, size int) string {
	t.Helper()
	raw := bytes.Repeat([]byte("disk"), size/4)
	raw[1080], raw[1081] = 0x53, 0xEF
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func disk(t *testing.T) DiskImage {
	return DiskImage{File: rawDisk(t, 20<<20), Format: "raw", Bucket: "acme", Key: "in/disk.raw", Arch: "x86_64", Platform: "linux"}
}

func (l *lab) imported(ctx context.Context, d DiskImage) (artifact.Artifact, error) {
	l.t.Helper()
	return l.source().access.Import(ctx, d, l.env)
}

// left is what there is in the account, as kinds, and in the journal.
func (l *lab) left() []string {
	l.t.Helper()
	var all []string
	for _, line := range l.Server.Inventory() {
		f := strings.Fields(line)
		all = append(all, f[2])
	}
	for _, r := range l.env.Journal.Left() {
		all = append(all, "journal: "+r.Kind+" "+r.ID)
	}
	return all
}

func (l *lab) wantLeft(want ...string) {
	l.t.Helper()
	if diff := cmp.Diff(want, l.left()); diff != "" {
		l.t.Errorf("left (-want +got):\n%s%s", diff, strings.Join(l.Server.Inventory(), "\n"))
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := disk(t)
	d.BootMode, d.Encrypt, d.KMSKey, d.Encryption = "uefi", true, "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", "AES256"
	d.AMI = AMIConfig{Name: "imported-1", Description: "ours", Users: []string{"111122223333"}, IMDSSupport: "v2.0", Tags: map[string]string{"a": "b"}}
	a, err := l.imported(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	l.wantLeft("image", "snapshot")
	img := l.described(home, a.Places[0].ID)
	if *img.Name != "imported-1" || *img.Description != "ours" || img.ImdsSupport != "v2.0" || img.BootMode != "uefi" || !*img.BlockDeviceMappings[0].Ebs.Encrypted {
		t.Errorf("image: %+v", img)
	}
	if tags := tagMap(img.Tags); tags["a"] != "b" || tags[tagExpires] != "" || !strings.HasPrefix(tags[tagOrigin], "import:") {
		t.Errorf("tags: %v", tags)
	}
	if l.Count("s3.UploadPart@"+home)+l.Count("s3.UploadPart") < 2 {
		t.Errorf("it was not uploaded in parts: %v", l.Faults.Calls())
	}
	if there, err := l.source().access.Exists(t.Context(), a); err != nil || !there {
		t.Errorf("exists: %v, %v", there, err)
	}

	// The same once more is there already.
	before := len(l.Faults.Calls())
	again, err := l.imported(t.Context(), d)
	if err != nil || again.ID != a.ID {
		t.Errorf("again: %v, %v", again.ID, err)
	}
	if changes, _ := l.Changes(before); slices.ContainsFunc(changes, func(c string) bool { return strings.Contains(c, "Import") || strings.Contains(c, "Put") }) {
		t.Errorf("again: %v", changes)
	}
	// What is something else has to have another name.
	d.Arch = "arm64"
	before = len(l.Faults.Calls())
	if _, err = l.imported(t.Context(), d); err == nil || !strings.Contains(err.Error(), `the name "imported-1" is in use`) {
		t.Errorf("another: %v", err)
	}
	if changes, _ := l.Changes(before); len(changes) > 0 {
		t.Errorf("it looked too late: %v", changes)
	}
	l.env.Force = true
	if other, err := l.imported(t.Context(), d); err != nil || other.ID == a.ID {
		t.Errorf("with force: %v, %v", other.ID, err)
	}
	l.wantLeft("image", "snapshot", "snapshot") // force leaves the snapshots of the old one
	if there, err := l.source().access.Exists(t.Context(), a); err != nil || there {
		t.Errorf("the old one exists: %v, %v", there, err)
	}
}

// TestImportUnnamed leaves the image as AWS has made it, with its tags.
func TestImportUnnamed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := disk(t)
	d.KeepObject = true
	d.AMI.Tags = map[string]string{"a": "b"}
	a, err := l.imported(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	img := l.described(home, a.Places[0].ID)
	if tags := tagMap(img.Tags); !strings.HasPrefix(*img.Name, "import-ami-") || tags["a"] != "b" || tags[tagExpires] != "" {
		t.Errorf("image: %s %v", *img.Name, tags)
	}
	again, err := l.imported(t.Context(), d)
	if err != nil || again.ID != a.ID {
		t.Errorf("again: %v, %v", again.ID, err)
	}
	l.wantLeft("object", "image", "snapshot")
}

// TestImportFails leaves nothing, whatever fails.
func TestImportFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, call, want string
		change           func(*testing.T, *DiskImage)
	}{
		{name: "upload", call: "s3.UploadPart", want: "upload to s3://acme/in/disk.raw: "},
		{name: "upload begin", call: "s3.CreateMultipartUpload", want: "upload to s3://acme/in/disk.raw: "},
		{name: "import", call: "ec2.ImportImage", want: "import s3://acme/in/disk.raw: "},
		{name: "wait", call: "ec2.DescribeImportImageTasks", want: "wait for the import import-ami-"},
		{name: "tag", call: "ec2.CreateTags", want: "tag ami-"},
		{name: "copy", call: "ec2.CopyImage", want: "no"},
		{name: "format", want: "reads disks of format raw", change: func(_ *testing.T, d *DiskImage) { d.Format = "vmdk" }},
		{name: "no system", want: "ended: ClientError: Unknown OS / Missing OS files", change: func(t *testing.T, d *DiskImage) {
			if err := os.WriteFile(d.File, make([]byte, 20<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var rules []fault.Rule
			if c.call != "" {
				rules = append(rules, fault.Rule{Call: c.call, Do: fault.Error, Nth: 1, Code: "UnauthorizedOperation", Status: 403, Message: "no"})
			}
			l := newLab(t, rules...)
			d := disk(t)
			d.AMI.Name = "imported-1"
			if c.change != nil {
				c.change(t, &d)
			}
			if _, err := l.imported(t.Context(), d); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error: %v", err)
			}
			l.wantLeft()
		})
	}
}

// TestImportCancelled stops while the task runs.
func TestImportCancelled(t *testing.T) {
	t.Parallel()
	slow := timing.Zero()
	slow.Image = time.Hour
	l := &lab{Cloud: amazontest.StartSlow(t, slow), t: t,
		env: builders.Env{RunID: "run-1", Build: "file.web", Log: event.Log{}, Journal: journal.Open(t.TempDir(), "run-1")}}
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	l.env.Log.Sink = sink(func(e event.Event) {
		if say, ok := e.Body.(event.Say); ok && strings.Contains(say.Text, "converting") {
			cancel(stopped)
		}
	})
	if _, err := l.imported(ctx, disk(t)); !errors.Is(err, stopped) {
		t.Errorf("error: %v", err)
	}
	l.wantLeft()
}

type sink func(event.Event)

func (s sink) Emit(e event.Event) { s(e) }

// TestSweepImport removes what a run left that was killed in the middle.
func TestSweepImport(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		slow := timing.Zero()
		slow.Image = 300 * time.Millisecond
		l := &lab{Cloud: amazontest.StartSlow(t, slow), t: t,
			env: builders.Env{RunID: "run-1", Build: "file.web", Log: event.Log{}, Journal: journal.Open(t.TempDir(), "run-1")}}
		m := &importing{disk: disk(t), spreading: &spreading{distribution: l.distribution(AMIConfig{}), env: l.env, region: l.region(home), origin: "import:1"}}
		if _, err := m.upload(t.Context()); err != nil {
			t.Fatal(err)
		}
		in := m.taskInput()
		entry, err := m.intend(kindImport, "", *in.ClientToken)
		if err != nil {
			t.Fatal(err)
		}
		id, err := m.begin(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if known {
			if err := entry.Made(id); err != nil {
				t.Fatal(err)
			}
		}
		found := l.sweep(builders.SweepInput{Journal: l.env.Journal.Left(), Places: []string{home}, Now: time.Now()})
		if diff := cmp.Diff([]string{"import-task " + id, "object acme/in/disk.raw"}, found); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		if left := l.Server.Inventory(); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
