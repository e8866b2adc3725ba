package ec2

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/sandbox/rootdisk"
)

// States of an import: a task that failed or was cancelled counts as deleted.
const (
	importing = "active"
	imported  = "completed"
	ended     = "deleted"
)

// importTask makes an image of a disk in S3.
type importTask struct {
	ID, Status, Message string
	Image               string // once it is there
	File                string // that the disk is read into
	Size                int64
	In                  importImageIn
	Created             time.Time
}

func (t *importTask) end(why string) { t.Status, t.Message, t.File = ended, why, "" }

type importImageIn struct {
	Arch        string            `q:"Architecture"`
	BootMode    string            `q:"BootMode"`
	Token       string            `q:"ClientToken"`
	Description string            `q:"Description"`
	Containers  []importContainer `q:"DiskContainer"`
	Encrypted   bool              `q:"Encrypted"`
	KMSKey      string            `q:"KmsKeyId"`
	License     string            `q:"LicenseType"`
	Platform    string            `q:"Platform"`
	Role        string            `q:"RoleName"`
	Tags        []tagSpec         `q:"TagSpecification"`
}

type importContainer struct {
	Description string       `q:"Description"`
	Format      string       `q:"Format"`
	From        importBucket `q:"UserBucket"`
}

type importBucket struct {
	Bucket string `q:"S3Bucket" xml:"s3Bucket"`
	Key    string `q:"S3Key" xml:"s3Key"`
}

// importImage begins to make an image of a raw disk in S3.
func importImage(c *call, in *importImageIn) (importOut, error) {
	if ids, err := c.token(in.Token); err != nil || ids != nil {
		if err != nil || c.Imports[ids[0]] == nil {
			return importOut{}, err
		}
		return c.describeImport(c.Imports[ids[0]]), nil
	}
	if len(in.Containers) != 1 {
		return importOut{}, fail("InvalidParameter", "The sandbox imports one disk, and not %d", len(in.Containers))
	}
	d := in.Containers[0]
	for _, err := range []error{
		oneOf("Architecture", in.Arch, "i386", "x86_64", "arm64"), oneOf("Platform", in.Platform, "Linux", "Windows", "linux", "windows"),
		oneOf("BootMode", in.BootMode, "legacy-bios", "uefi", "uefi-preferred"), oneOf("LicenseType", in.License, "AWS", "BYOL", "auto"),
		checkKey(in.KMSKey, in.Encrypted), checkTags(in.Tags, "import-image-task"),
	} {
		if err != nil {
			return importOut{}, err
		}
	}
	if !strings.EqualFold(d.Format, "raw") {
		return importOut{}, fail("InvalidParameter", "The sandbox reads disks of format raw, and not %q", d.Format)
	}
	from := c.state.Objects[d.From.Bucket+"/"+d.From.Key]
	if from == nil {
		return importOut{}, fail("InvalidParameter", "The given S3 object does not exist: %s/%s", d.From.Bucket, d.From.Key)
	}
	if err := c.ready(); err != nil {
		return importOut{}, err
	}
	t := &importTask{ID: newID("import-ami"), Status: importing, Size: from.Size, In: *in, Created: c.now}
	t.File = filepath.Join(c.Dir, newID("snap")+".img")
	c.Imports[t.ID] = t
	c.state.Files[t.File] = true
	c.tag(t.ID, "import-image-task", in.Tags)
	c.remember(in.Token, []string{t.ID})
	name, disk, file, s := c.name, from.File, t.File, c.Server
	s.work.Go(func() { s.importLater(name, t, disk, file) })
	return c.describeImport(t), nil
}

// importLater reads the disk into a file, and makes the image of it.
func (s *Server) importLater(region string, t *importTask, from, to string) {
	if pause.For(s.ctx, s.Timing.Image) != nil {
		return
	}
	err := rootdisk.Has(from)
	if err == nil {
		err = copySparse(from, to, max(1, t.gigabytes())<<30)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Status != importing { // it was cancelled
		_ = os.Remove(to) // it may not be there yet
		return
	}
	if err != nil {
		s.Log.Error("import", slog.String("task", t.ID), slog.Any("error", err))
		t.end("ServerError: " + err.Error())
		if errors.Is(err, rootdisk.ErrNoSystem) {
			t.end("ClientError: Unknown OS / Missing OS files.")
		}
		s.collect()
	} else {
		c := &call{Server: s, region: s.state.in(region), name: region, now: time.Now()}
		c.finishImport(t)
	}
	s.save()
}

func (t *importTask) gigabytes() int64 { return (t.Size + 1<<30 - 1) >> 30 }

// finishImport makes the image of a disk that was read.
func (c *call) finishImport(t *importTask) {
	size, deleted, encrypted := int(max(1, t.gigabytes())), true, t.In.Encrypted
	sn := &snapshot{ID: newID("snap"), Volume: "vol-ffffffff", Description: "Created by AWS-VMImport service for " + t.ID, Size: size,
		Encrypted: encrypted, KMSKey: t.In.KMSKey, Content: content{File: t.File}, Created: c.now, Ready: c.now, Owner: account}
	c.Snapshots[sn.ID] = sn
	const root = "/dev/sda1"
	m := &image{
		ID: newID("ami"), Name: t.ID, Description: cmp.Or(t.In.Description, "AWS-VMImport service: Linux"), Owner: account, Location: account + "/" + t.ID,
		Arch: cmp.Or(t.In.Arch, "x86_64"), Virtualization: "hvm", RootDevice: root, RootType: "ebs", ENA: true, BootMode: t.In.BootMode,
		Devices: []device{{Name: root, EBS: &ebs{Size: &size, Type: "gp2", Encrypted: &encrypted, Delete: &deleted, KMSKey: t.In.KMSKey, Snapshot: sn.ID}}},
		Created: c.now, Ready: c.now, Protection: "disabled",
	}
	c.Images[m.ID] = m
	t.Status, t.Image, t.File = imported, m.ID, ""
}

type importOut struct {
	ID          string        `xml:"importTaskId"`
	Status      string        `xml:"status"`
	Message     string        `xml:"statusMessage,omitempty"`
	Progress    string        `xml:"progress,omitempty"`
	Image       string        `xml:"imageId,omitempty"`
	Arch        string        `xml:"architecture,omitempty"`
	Description string        `xml:"description,omitempty"`
	Encrypted   bool          `xml:"encrypted"`
	KMSKey      string        `xml:"kmsKeyId,omitempty"`
	License     string        `xml:"licenseType,omitempty"`
	Platform    string        `xml:"platform,omitempty"`
	BootMode    string        `xml:"bootMode,omitempty"`
	Disks       list[diskOut] `xml:"snapshotDetailSet"`
	Tags        list[tagOut]  `xml:"tagSet"`
}

type diskOut struct {
	Size   float64      `xml:"diskImageSize"`
	Format string       `xml:"format"`
	Status string       `xml:"status"`
	From   importBucket `xml:"userBucket"`
}

func (c *call) describeImport(t *importTask) importOut {
	o := importOut{ID: t.ID, Status: t.Status, Message: t.Message, Image: t.Image, Arch: t.In.Arch, Description: t.In.Description,
		Encrypted: t.In.Encrypted, KMSKey: t.In.KMSKey, License: t.In.License, Platform: t.In.Platform, BootMode: t.In.BootMode, Tags: c.tagsOf(t.ID)}
	if t.Status == importing {
		o.Progress, o.Message = "19", "converting"
	}
	o.Disks.Items = []diskOut{{float64(t.Size), "RAW", t.Status, t.In.Containers[0].From}}
	return o
}

type describeImportsIn struct {
	IDs     []string `q:"ImportTaskId"`
	Filters []filter `q:"Filters"`
	Max     int      `q:"MaxResults"`
	Next    string   `q:"NextToken"`
}

type importsOut struct {
	Tasks list[importOut] `xml:"importImageTaskSet"`
}

func describeImports(c *call, in *describeImportsIn) (importsOut, error) {
	var out importsOut
	for _, id := range in.IDs {
		if c.Imports[id] == nil {
			return out, fail("InvalidConversionTaskId.Malformed", "Couldn't find: %s", id)
		}
	}
	for id, t := range c.Imports {
		if len(in.IDs) > 0 && !slices.Contains(in.IDs, id) {
			continue
		}
		keep := true
		for _, f := range in.Filters {
			if f.Name != "task-state" {
				return out, fail("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
			}
			keep = keep && slices.Contains(f.Values, t.Status)
		}
		if keep {
			out.Tasks.Items = append(out.Tasks.Items, c.describeImport(t))
		}
	}
	slices.SortFunc(out.Tasks.Items, func(a, b importOut) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

type cancelImportIn struct {
	ID     string `q:"ImportTaskId,required"`
	Reason string `q:"CancelReason"`
}

type cancelImportOut struct {
	ID       string `xml:"importTaskId"`
	Previous string `xml:"previousState"`
	State    string `xml:"state"`
}

// cancelImport ends a task that is under way.
func cancelImport(c *call, in *cancelImportIn) (cancelImportOut, error) {
	t := c.Imports[in.ID]
	if t == nil {
		return cancelImportOut{}, fail("InvalidConversionTaskId.Malformed", "Couldn't find: %s", in.ID)
	}
	if t.Status != importing {
		return cancelImportOut{}, fail("IncorrectState", "The task %s is %s", t.ID, t.Status)
	}
	if err := c.ready(); err != nil {
		return cancelImportOut{}, err
	}
	t.end(cmp.Or(in.Reason, "cancelled"))
	return cancelImportOut{t.ID, importing, ended}, nil
}
