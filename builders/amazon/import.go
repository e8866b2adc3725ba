package amazon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
)

// DiskImage is a file of this host that is to become an AMI, by way of S3.
type DiskImage struct {
	File   string // its path
	Format string // "raw", "vmdk", "vhd", "vhdx" or "ova"

	Bucket, Key               string // where it is put; the bucket is in the region of the import
	Encryption, EncryptionKey string // of the object: "AES256", "aws:kms"; "" is the bucket's
	KeepObject                bool   // leaves it there

	Arch, BootMode, Platform string // "" is what AWS finds
	Role, License            string // "" is AWS's default
	Encrypt                  bool   // the image's snapshots, with KMSKey or the account's key
	KMSKey                   string

	// AMI is what the image is to be. Without a name it has the one that AWS
	// gives it.
	AMI AMIConfig
}

// importing is a disk image on its way.
type importing struct {
	*spreading
	disk DiskImage
}

// Import makes an image of a file. What the same build has imported of the same
// file is there already, and gets only what it lacks. After an error, and after
// ctx has ended, nothing is left but an image that is good.
func (a *Access) Import(ctx context.Context, disk DiskImage, env builders.Env) (artifact.Artifact, error) {
	defer a.outages.Listen(env.Log)()
	made := artifact.Artifact{Builder: "amazon-import", Arch: disk.Arch}
	r, err := a.Region(ctx, "")
	if err != nil {
		return made, err
	}
	origin, err := disk.origin(ctx, env.Build)
	if err != nil {
		return made, err
	}
	if disk.Encrypt {
		disk.AMI.EncryptBoot = &disk.Encrypt
		disk.AMI.RegionKMSKeyIDs = map[string]string{r.Name: disk.KMSKey}
	}
	m := &importing{disk: disk, spreading: &spreading{
		distribution: distribution{from: &source{access: a, run: RunDefaults()}, ami: disk.AMI, tags: imageTags{ami: disk.AMI}},
		env:          env, name: disk.AMI.Name, region: r, origin: origin,
		there: map[string]string{}, images: map[string]types.Image{},
	}}
	img, err := m.image(ctx)
	if err != nil {
		return made, err
	}
	id := aws.ToString(img.ImageId)
	m.images[r.Name] = img
	made = withPlaces(made, []artifact.Place{{Name: r.Name, ID: id}})
	return made, errors.Join(m.dress(ctx, r, img), m.publish(ctx), env.Journal.Keep(id))
}

// Exists reports whether all images of an artifact are still there.
func (a *Access) Exists(ctx context.Context, made artifact.Artifact) (bool, error) {
	for _, p := range made.Places {
		r, err := a.Region(ctx, p.Name)
		if err != nil {
			return false, err
		}
		img, ok, err := r.present(ctx, p.ID)
		if err != nil || !ok || img.State != types.ImageStateAvailable {
			return false, err
		}
	}
	return len(made.Places) > 0, nil
}

// origin tells apart what is imported: by the content of the file, and by what
// is said of the disk.
func (d DiskImage) origin(ctx context.Context, build string) (string, error) {
	f, err := os.Open(d.File)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := digest.SHA256.Digester()
	if _, err := io.Copy(sum.Hash(), reading{ctx, f}); err != nil {
		return "", err
	}
	h := key.New("amazon import/1").String(build).String(sum.Digest().String()).String(d.Format).String(d.Arch).String(d.BootMode).
		String(d.Platform).String(d.License).Bool(d.Encrypt).String(d.KMSKey)
	return "import:" + string(h.Sum())[:32], nil
}

// reading reads until its context ends.
type reading struct {
	ctx context.Context
	io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// image returns the image: an earlier run's, or a new one. AWS gives names of
// its own, so that one that is to have another is copied.
func (m *importing) image(ctx context.Context) (types.Image, error) {
	if m.name == "" {
		old, ok, err := m.earlier(ctx)
		if err != nil {
			return old, err
		}
		if ok {
			return m.adopt(ctx, m.region, old)
		}
		img, _, err := m.bringIn(ctx)
		return img, err
	}
	old, ok, err := m.region.named(ctx, m.name)
	switch ours := tagMap(old.Tags)[tagOrigin] == m.origin; {
	case err != nil:
		return old, m.region.explain(ctx, "look for "+m.name, err)
	case ok && ours && old.State != types.ImageStateFailed && old.State != types.ImageStateInvalid:
		return m.bring(ctx, m.region)
	case ok && !ours && !m.env.Force:
		return old, builders.WithHint(fmt.Errorf("the name %q is in use in %s, by %s", m.name, m.region.Name, aws.ToString(old.ImageId)),
			"choose another ami_name, e.g. with a timestamp, or build with -force to replace that image")
	}
	img, entry, err := m.bringIn(ctx)
	if err != nil {
		return img, err
	}
	m.source = img
	final, err := m.bring(ctx, m.region)
	return final, errors.Join(err, m.drop(ctx, img, entry))
}

// earlier returns the image that an earlier run has imported of the same.
func (m *importing) earlier(ctx context.Context) (types.Image, bool, error) {
	out, err := m.region.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: []string{"self"},
		Filters: []types.Filter{filter("tag:"+tagOrigin, m.origin), filter("state", string(types.ImageStateAvailable))}})
	if err != nil || len(out.Images) == 0 {
		return types.Image{}, false, m.region.explain(ctx, "look for an earlier import", err)
	}
	return out.Images[0], true, nil
}

// bringIn uploads the file and imports it. The image is the run's to remove
// until it is kept.
func (m *importing) bringIn(ctx context.Context) (img types.Image, entry *journal.Entry, err error) {
	object, err := m.upload(ctx)
	if err != nil {
		return img, nil, err
	}
	if !m.disk.KeepObject {
		defer func() { err = errors.Join(err, m.removeUpload(ctx, object)) }()
	} else if err := object.Keep(); err != nil {
		return img, nil, err
	}
	return m.task(ctx)
}

// mark gives a new image and its snapshots all tags, and waits until it can be
// used.
func (m *importing) mark(ctx context.Context, id string) (types.Image, error) {
	img, err := m.region.await(ctx, id, m.from.patience(imageTime))
	if err != nil {
		return img, err
	}
	tags, _ := m.tags.of(nil)
	list := tagList(tags, m.marks())
	err = soon(ctx, func() error {
		_, err := m.region.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: append(snapshotsOf(img), id), Tags: list})
		return err
	})
	img.Tags = list
	return img, m.region.explain(ctx, "tag "+id, err)
}

// drop removes the image that was only made to be copied.
func (m *importing) drop(ctx context.Context, img types.Image, entry *journal.Entry) error {
	ctx, cancel := machine.Outlive(ctx)
	defer cancel()
	if err := m.region.removeImage(ctx, img, true); err != nil {
		return fmt.Errorf("remove %s: %w", aws.ToString(img.ImageId), err)
	}
	return entry.Gone()
}

// intend writes what is about to be made to the journal.
func (m *importing) intend(kind, name, token string) (*journal.Entry, error) {
	return m.env.Journal.Intend(journal.Resource{Cloud: cloud, Place: m.region.Name, Kind: kind, Name: name, Token: token,
		Tags: m.marks(), Access: m.from.access.Place(), Build: m.env.Build})
}

const (
	// importTime is how long an import may take: hours for large disks.
	importTime = 6 * time.Hour
	// idleImports is how often to ask about imports while nothing happens.
	idleImports = 5 * time.Second
)
