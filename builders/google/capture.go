package google

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/journal"
)

// Capture makes the image. The instance is stopped, which frees its disk; then
// the image is made of the disk while the instance is deleted. Nobody waits for
// the deletion here.
func (m *instance) Capture(ctx context.Context) (artifact.Artifact, error) {
	if err := m.startupDone(ctx); err != nil {
		return artifact.Artifact{}, err
	}
	if m.SkipCreateImage {
		m.env.Log.Say("No image is made: skip_create_image is set")
		return artifact.Artifact{Builder: Type, ID: m.name, Text: "No disk image was created: skip_create_image is set"}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.stateTimeout()+m.imageTimeout(), errors.New("the image is not ready in time (state_timeout)"))
	defer cancel()
	both, within := errgroup.WithContext(ctx)
	both.Go(func() error { return m.stop(within) })
	both.Go(func() error { return m.makeRoom(within) })
	if err := both.Wait(); err != nil {
		return artifact.Artifact{}, err
	}
	m.env.Log.Say(fmt.Sprintf("Creating the image %s...", m.ImageName))
	img, err := m.createImage(ctx)
	if err != nil {
		return artifact.Artifact{}, fmt.Errorf("create the image %s: %w", m.ImageName, gcp.Explain(err))
	}
	return m.artifact(img), nil
}

// stop shuts the instance down.
func (m *instance) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.stateTimeout(), fmt.Errorf("it does not stop within %s (state_timeout)", m.stateTimeout()))
	defer cancel()
	m.env.Log.Say("Stopping the instance...")
	call := m.api.Compute.Instances.Stop(m.ProjectID, m.Zone, m.name).RequestId(gcp.RequestID()).Context(ctx)
	for _, d := range m.DiskAttachment {
		if d.VolumeType == scratch {
			call = call.DiscardLocalSsd(true)
		}
	}
	op, err := call.Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if err != nil {
		return fmt.Errorf("stop the instance %s: %w", m.name, gcp.Explain(err))
	}
	return nil
}

// makeRoom deletes the image of the same name, where -force says so.
func (m *instance) makeRoom(ctx context.Context) error {
	if !m.replacing {
		return nil
	}
	m.env.Log.Say(fmt.Sprintf("Deleting the image %s, which is to be replaced...", m.ImageName))
	op, err := m.api.Compute.Images.Delete(m.ImageProjectID, m.ImageName).RequestId(gcp.RequestID()).Context(ctx).Do()
	if err := m.ended(ctx, op, err); err != nil {
		return fmt.Errorf("delete the image %s: %w", m.ImageName, gcp.Explain(err))
	}
	m.replacing = false
	return nil
}

// createImage makes the image and waits until it is ready.
func (m *instance) createImage(ctx context.Context) (*gce.Image, error) {
	body, err := m.imageBody()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	request := gcp.RequestID()
	entry, err := m.env.Journal.Intend(journal.Resource{
		Cloud: journalName, Place: m.ImageProjectID + "/global", Kind: "image", Name: m.ImageName, Token: request,
		Tags: m.labels, Access: m.Access.Journal(m.launch.host), Build: m.env.Build,
	})
	if err != nil {
		return nil, err
	}
	known, done := machine.Outlive(ctx)
	defer done()
	op, err := m.api.Compute.Images.Insert(m.ImageProjectID, body).RequestId(request).Context(known).Do()
	if err != nil {
		return nil, errors.Join(err, m.dropImage(ctx, m.ImageName, entry, err))
	}
	if !m.env.Hold {
		m.deleteEarly(ctx)
	}
	if err := m.api.Wait(ctx, op); err != nil {
		return nil, errors.Join(err, m.dropImage(ctx, m.ImageName, entry, err))
	}
	if err := entry.Made(m.ImageName); err != nil {
		return nil, err
	}
	body.Id = op.TargetId
	return body, nil
}

// deleteEarly begins to delete the instance while the image is made.
func (m *instance) deleteEarly(ctx context.Context) {
	if del, err := m.deleteInstance(ctx); err == nil {
		m.mu.Lock()
		m.deleting = del
		m.mu.Unlock()
	}
}

// dropImage removes what is left of an image that was not made. One that is
// there because its name was in use is someone else's.
func (c *cloud) dropImage(ctx context.Context, name string, entry *journal.Entry, why error) error {
	if gcp.IsConflict(why) {
		return entry.Gone()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	op, err := c.api.Compute.Images.Delete(c.ImageProjectID, name).RequestId(gcp.RequestID()).Context(end).Do()
	if err := c.ended(end, op, err); err != nil {
		return fmt.Errorf("remove the unfinished image %s: %w", name, err)
	}
	return entry.Gone()
}

// imageDisk is the partial URL of the disk that the image is made of, and the
// key that it is encrypted with.
func (m *instance) imageDisk() (string, *EncryptionKey) {
	for i, d := range m.DiskAttachment {
		switch {
		case !d.CreateImage:
		case d.SourceVolume != "":
			return gcp.Partial(d.SourceVolume), d.DiskEncryptionKey
		case len(d.ReplicaZones) > 0:
			return "projects/" + m.ProjectID + "/regions/" + m.Region + "/disks/" + m.attachedName(i), d.DiskEncryptionKey
		default:
			return "projects/" + m.ProjectID + "/zones/" + m.Zone + "/disks/" + m.attachedName(i), d.DiskEncryptionKey
		}
	}
	return "projects/" + m.ProjectID + "/zones/" + m.Zone + "/disks/" + m.disk, m.DiskEncryptionKey
}

// imageBody is what images.insert is asked for. The mark of its expiry goes
// once the image is recorded.
func (m *instance) imageBody() (*gce.Image, error) {
	disk, diskKey := m.imageDisk()
	img := &gce.Image{
		Name: m.ImageName, Description: m.ImageDescription, Family: m.ImageFamily, Architecture: m.ImageArchitecture,
		Labels: merged(m.ImageLabels, m.labels), Licenses: m.ImageLicenses, SourceDisk: disk, SourceType: "RAW",
		ImageEncryptionKey: m.ImageEncryptionKey.api(), StorageLocations: m.ImageStorageLocations,
	}
	if diskKey != nil && diskKey.RawKey.Reveal() != "" {
		img.SourceDiskEncryptionKey = diskKey.api()
	}
	return img, m.firmware(img, m.launch.host.Dir)
}

// firmware says what an image asks of the firmware: features, and keys of Secure
// Boot, whose files are below dir.
func (m *ImageOptions) firmware(img *gce.Image, dir string) error {
	for _, f := range m.ImageGuestOSFeatures {
		img.GuestOsFeatures = append(img.GuestOsFeatures, &gce.GuestOsFeature{Type: f})
	}
	state, err := m.shieldedState(dir)
	if state != nil && !hasFeature(img, "UEFI_COMPATIBLE") {
		img.GuestOsFeatures = append(img.GuestOsFeatures, &gce.GuestOsFeature{Type: "UEFI_COMPATIBLE"})
	}
	img.ShieldedInstanceInitialState = state
	return err
}

// shieldedState are the keys of Secure Boot that the image brings along.
func (m *ImageOptions) shieldedState(dir string) (*gce.InitialStateConfig, error) {
	s := &gce.InitialStateConfig{}
	var pk []*gce.FileContentBuffer
	any := false
	for _, part := range []struct {
		files []string
		to    *[]*gce.FileContentBuffer
	}{
		{oneOf(m.ImagePlatformKey), &pk}, {m.ImageKeyExchangeKey, &s.Keks},
		{m.ImageSignaturesDB, &s.Dbs}, {m.ImageForbiddenSignaturesDB, &s.Dbxs},
	} {
		for _, file := range part.files {
			b, err := certificate(hostfile.Path(dir, file))
			if err != nil {
				return nil, err
			}
			*part.to, any = append(*part.to, b), true
		}
	}
	if !any {
		return nil, nil
	}
	if len(pk) > 0 {
		s.Pk = pk[0]
	}
	return s, nil
}

// certificate reads a certificate in PEM or DER, or a signature list.
func certificate(file string) (*gce.FileContentBuffer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b := &gce.FileContentBuffer{Content: base64.StdEncoding.EncodeToString(text), FileType: "BIN"}
	der := text
	if block, _ := pem.Decode(text); block != nil {
		der = block.Bytes
	}
	if _, err := x509.ParseCertificate(der); err == nil {
		b.FileType = "X509"
	}
	return b, nil
}

// created is the line that Packer prints of an image.
func created(project, name string) string {
	return fmt.Sprintf("A disk image was created in the '%s' project: %s", project, name)
}

// artifact describes the image.
func (m *instance) artifact(img *gce.Image) artifact.Artifact {
	arch := goArch(m.ImageArchitecture)
	if arch == "" && m.source != nil {
		arch = goArch(m.source.Architecture)
	}
	labels := map[string]string{
		"source_image": m.origin, "zone": m.Zone, "machine_type": m.MachineType,
	}
	if img.Id != 0 {
		labels[idLabel] = fmt.Sprint(img.Id)
	}
	return artifact.Artifact{
		Builder: Type, ID: m.ImageName, Arch: arch, Labels: labels,
		Text:   created(m.ImageProjectID, m.ImageName),
		Places: []artifact.Place{{Name: m.ImageProjectID, ID: m.ImageName}},
	}
}
