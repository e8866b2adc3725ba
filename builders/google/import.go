package google

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
)

// ImportType is the builder in artifacts of Import.
const ImportType = "googlecompute-import"

// importTime is how long an import may take: hours for large disks.
const importTime = 6 * time.Hour

// RawDisk is a disk in a file of this host that is to become an image, by way of
// Cloud Storage.
type RawDisk struct {
	File   string // its path
	Packed bool   // it is a tar.gz with the file disk.raw, and not the disk itself

	Bucket, Object string // where it is put
	KeepObject     bool   // leaves it there

	Image ImageOptions // what it is to be; in the project ImageProjectID
}

// importing is a disk on its way.
type importing struct {
	RawDisk
	access gcp.Access
	host   builders.Host
	api    *gcp.Client
	env    builders.Env
	marks  map[string]string
	origin string
}

// Import makes an image of a disk. What the same build has imported of the same
// file under the same name is there already. After an error, and after ctx has
// ended, nothing is left but an image that is good.
func Import(ctx context.Context, access gcp.Access, h builders.Host, disk RawDisk, env builders.Env) (artifact.Artifact, error) {
	made := artifact.Artifact{Builder: ImportType, Arch: goArch(disk.Image.ImageArchitecture)}
	api, err := access.Client(h)
	if err != nil {
		return made, err
	}
	defer api.Listen(env.Log)()
	ctx, cancel := context.WithTimeoutCause(ctx, importTime, fmt.Errorf("the import is not complete after %s", importTime))
	defer cancel()
	m := &importing{RawDisk: disk, access: access, host: h, api: api, env: env, marks: marks(env, usualLifetime, time.Now())}
	if m.origin, err = m.digest(ctx); err != nil {
		return made, err
	}
	img, err := m.image(ctx)
	if err != nil {
		return made, err
	}
	made.ID, made.Labels = img.Name, map[string]string{idLabel: fmt.Sprint(img.Id)}
	made.Text = created(disk.Image.ImageProjectID, img.Name)
	made.Places = []artifact.Place{{Name: disk.Image.ImageProjectID, ID: img.Name}}
	return made, errors.Join(m.finish(ctx, img), env.Journal.Keep(img.Name))
}

// digest tells apart what is imported: by the content of the file, and by what
// is said of the image.
func (m *importing) digest(ctx context.Context) (string, error) {
	f, err := os.Open(m.File)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := digest.SHA256.Digester()
	if _, err := io.Copy(sum.Hash(), hostfile.Reader(ctx, f)); err != nil {
		return "", err
	}
	h := key.New("googlecompute import/1").String(m.env.Build).String(sum.Digest().String()).
		String(m.Image.ImageArchitecture).String(m.Image.ImageFamily).String(m.Image.ImageDescription).Map(m.Image.ImageLabels).
		Strings(m.Image.ImageGuestOSFeatures).Strings(m.Image.ImageStorageLocations)
	return string(h.Sum())[:labelLength-1], nil
}

// image returns the image: an earlier run's, or a new one.
func (m *importing) image(ctx context.Context) (img *gce.Image, err error) {
	project, name := m.Image.ImageProjectID, m.Image.ImageName
	have, err := m.api.Image(ctx, project, name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("image %s: %w", name, gcp.Explain(err))
	case have == nil:
	case have.Labels[originLabel] == m.origin && have.Status == "READY":
		m.env.Log.Say(fmt.Sprintf("The image %s was imported of this file before", name))
		return have, nil
	case !m.env.Force:
		return nil, builders.WithHint(fmt.Errorf("the image name %s is in use in the project %s", name, project),
			`use -force to replace that image, or make the name unique: image_name = "web-${timestamp()}"`)
	}
	object, err := m.upload(ctx)
	if err != nil {
		return nil, err
	}
	if m.KeepObject {
		err = object.Keep()
	} else {
		defer func() { err = errors.Join(err, m.removeUpload(ctx, object)) }()
	}
	if err == nil && have != nil {
		err = m.replace(ctx)
	}
	if err != nil {
		return nil, err
	}
	m.env.Log.Say(fmt.Sprintf("Creating the image %s of gs://%s/%s...", name, m.Bucket, m.Object))
	if img, err = m.create(ctx); err != nil {
		return nil, fmt.Errorf("create the image %s: %w", name, gcp.Explain(err))
	}
	return img, nil
}

// replace deletes the image that has the name.
func (m *importing) replace(ctx context.Context) error {
	m.env.Log.Say(fmt.Sprintf("Deleting the image %s, which is to be replaced...", m.Image.ImageName))
	if err := m.deleteImage(ctx); err != nil {
		return fmt.Errorf("delete the image %s: %w", m.Image.ImageName, gcp.Explain(err))
	}
	return nil
}

func (m *importing) deleteImage(ctx context.Context) error {
	op, err := m.api.Compute.Images.Delete(m.Image.ImageProjectID, m.Image.ImageName).RequestId(gcp.RequestID()).Context(ctx).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if gcp.IsNotFound(err) {
		return nil
	}
	return err
}

// create makes the image and waits until it is ready.
func (m *importing) create(ctx context.Context) (*gce.Image, error) {
	body, err := m.body()
	if err != nil {
		return nil, err
	}
	request := gcp.RequestID()
	entry, err := m.intend("image", m.Image.ImageName, request)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), entry.Gone())
	}
	known, done := machine.Outlive(ctx)
	defer done()
	op, err := m.api.Compute.Images.Insert(m.Image.ImageProjectID, body).RequestId(request).Context(known).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if err != nil {
		return nil, errors.Join(err, m.drop(ctx, entry, err))
	}
	if err := entry.Made(m.Image.ImageName); err != nil {
		return nil, err
	}
	return m.api.Image(ctx, m.Image.ImageProjectID, m.Image.ImageName)
}

func (m *importing) body() (*gce.Image, error) {
	o := m.Image
	img := &gce.Image{
		Name: o.ImageName, Description: o.ImageDescription, Family: o.ImageFamily, Architecture: o.ImageArchitecture,
		Labels: merged(o.ImageLabels, m.marks, map[string]string{originLabel: m.origin}), SourceType: "RAW", StorageLocations: o.ImageStorageLocations,
		RawDisk: &gce.ImageRawDisk{Source: m.access.ObjectURL(m.host, m.Bucket, m.Object)},
	}
	return img, o.firmware(img, m.host.Dir)
}

// drop removes what is left of an image that was not made. One that is there
// because its name was in use is someone else's.
func (m *importing) drop(ctx context.Context, entry *journal.Entry, why error) error {
	if !gcp.IsConflict(why) {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if err := m.deleteImage(end); err != nil {
			return fmt.Errorf("remove the unfinished image %s: %w", m.Image.ImageName, err)
		}
	}
	return entry.Gone()
}

// finish takes the mark of its expiry off the image.
func (m *importing) finish(ctx context.Context, img *gce.Image) error {
	if _, marked := img.Labels[expiresLabel]; !marked {
		return nil
	}
	labels := maps.Clone(img.Labels)
	delete(labels, expiresLabel)
	op, err := m.api.Compute.Images.SetLabels(m.Image.ImageProjectID, img.Name, &gce.GlobalSetLabelsRequest{
		Labels: labels, LabelFingerprint: img.LabelFingerprint,
	}).Context(ctx).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if err != nil {
		return fmt.Errorf("image %s: %w", img.Name, gcp.Explain(err))
	}
	return nil
}

// intend writes what is about to be made into the journal.
func (m *importing) intend(kind, name, token string) (*journal.Entry, error) {
	return m.env.Journal.Intend(journal.Resource{
		Cloud: journalName, Place: m.Image.ImageProjectID + "/global", Kind: kind, Name: name, Token: token,
		Tags: m.marks, Access: m.access.Journal(m.host), Build: m.env.Build,
	})
}

// ImageThere reports whether the images of an artifact are there, in every
// place, and the same that were made.
func ImageThere(ctx context.Context, access gcp.Access, h builders.Host, a artifact.Artifact) (bool, error) {
	api, err := access.Client(h)
	if err != nil {
		return false, err
	}
	return (&cloud{api: api}).Exists(ctx, a)
}
