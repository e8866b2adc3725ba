package google

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"
	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/secret"
)

// ExportType is the builder in artifacts of Export.
const ExportType = "googlecompute-export"

// writeScope is all that an instance needs to write objects.
const writeScope = "https://www.googleapis.com/auth/devstorage.read_write"

// Exporter is the instance that writes an image to Cloud Storage, and where to.
type Exporter struct {
	Paths []string // "gs://BUCKET/OBJECT"

	Zone, MachineType   string
	DiskSize            int64 // of the boot disk, in GB
	DiskType            string
	SourceImageFamily   string
	Network, Subnetwork string
	OmitExternalIP      bool
	ServiceAccountEmail string
	Scopes              []string // none is what it needs
}

// exported is an object that an image is written to.
type exported struct{ path, bucket, object string }

var gsPath = regexp.MustCompile(`^gs://([^/]+)/(.*[^/])$`)

// objects are the places that the paths name.
func (e Exporter) objects() ([]exported, error) {
	var all []exported
	for _, path := range e.Paths {
		if err := CheckPath(path); err != nil {
			return nil, err
		}
		m := gsPath.FindStringSubmatch(path)
		all = append(all, exported{path, m[1], m[2]})
	}
	return all, nil
}

// CheckPath reports what is wrong with the path of an object.
func CheckPath(path string) error {
	if !gsPath.MatchString(path) {
		return fmt.Errorf("%q is not the path of an object: gs://BUCKET/OBJECT", path)
	}
	return nil
}

// Export writes the image of an artifact to objects of Cloud Storage, as a tar.gz
// with the file disk.raw: an instance reads a disk that is made of the image. The
// instance is gone afterwards, also after an error.
func Export(ctx context.Context, access gcp.Access, h builders.Host, a artifact.Artifact, e Exporter, env builders.Env) (artifact.Artifact, error) {
	out := artifact.Artifact{Builder: ExportType, ID: strings.Join(e.Paths, ","), Arch: a.Arch,
		Text: "Exported artifacts in: " + strings.Join(e.Paths, ", ")}
	if len(a.Places) == 0 {
		return out, errors.New("the artifact is no image of Compute Engine")
	}
	to, err := e.objects()
	if err != nil {
		return out, err
	}
	for _, o := range to {
		out.Places = append(out.Places, artifact.Place{Name: o.bucket, ID: o.object})
	}
	api, err := access.Client(h)
	if err != nil {
		return out, err
	}
	project, name := a.Places[0].Name, a.Places[0].ID
	img, err := api.Image(ctx, project, name)
	if err == nil && img == nil {
		err = errors.New("it is not there")
	}
	if err != nil {
		return out, fmt.Errorf("image %s: %w", name, gcp.Explain(err))
	}
	m, err := e.launch(ctx, access, h, project, img, env)
	if err != nil {
		return out, fmt.Errorf("the instance that is to export %s: %w", name, err)
	}
	env.Log.Say(fmt.Sprintf("Exporting the image %s to %s", name, strings.Join(e.Paths, ", ")))
	if err = m.exports(ctx, to); err != nil {
		err = fmt.Errorf("export the image %s: %w", name, err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return out, errors.Join(err, m.Destroy(end))
}

// launch starts the instance, with the image's disk beside its own.
func (e Exporter) launch(ctx context.Context, access gcp.Access, h builders.Host, project string, img *gce.Image, env builders.Env) (*instance, error) {
	to, err := e.objects()
	if err != nil {
		return nil, err
	}
	script, err := exportScript(to, img.DiskSizeGb<<30, access.StorageInside(h))
	if err != nil {
		return nil, err
	}
	c := Definition().New().(*Config)
	c.Access, c.Communicator, c.SkipCreateImage = access, "none", true
	c.ProjectID, c.Zone, c.MachineType = project, e.Zone, e.MachineType
	c.SourceImageFamily, c.DiskSize, c.DiskType = e.SourceImageFamily, e.DiskSize, e.DiskType
	if c.SourceImageFamily == workerFamily {
		c.SourceImageProjectID = []string{"compute-image-tools"}
	}
	c.Network, c.Subnetwork, c.OmitExternalIP = e.Network, e.Subnetwork, e.OmitExternalIP
	c.ServiceAccountEmail, c.Scopes = e.ServiceAccountEmail, e.Scopes
	if len(c.Scopes) == 0 {
		c.Scopes = []string{writeScope}
	}
	c.Metadata = map[string]secret.String{startupScriptKey: secret.Plain(script)}
	c.DiskAttachment = []DiskAttachment{{VolumeType: e.DiskType, VolumeSize: img.DiskSizeGb, DeviceName: exportDevice, SourceImage: gcp.Partial(img.SelfLink)}}
	opened, err := c.Open(h)
	if err != nil {
		return nil, err
	}
	cl := opened.(*builder).cloud
	base, err := cl.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	m, err := cl.Launch(ctx, base, env)
	if err != nil {
		return nil, err
	}
	return m.(*instance), nil
}

// workerFamily is the family that Packer's exporter starts from. It is not one
// of Google's public images.
const workerFamily = "debian-12-worker"

// exports waits until the script has written all, or the instance has ended.
func (m *instance) exports(ctx context.Context, to []exported) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.MaxLifetime, fmt.Errorf("it is not complete after %s", m.MaxLifetime))
	defer cancel()
	both, within := errgroup.WithContext(ctx)
	within, done := context.WithCancel(within)
	both.Go(func() error {
		_, err := m.api.Instance(within, m.ProjectID, m.Zone, m.name, func(i *gce.Instance) (bool, error) {
			if i == nil {
				return false, errors.New("the instance is gone")
			}
			switch i.Status {
			case "STOPPING", "STOPPED", "TERMINATED", "SUSPENDING", "SUSPENDED":
				return false, fmt.Errorf("the instance is %s", i.Status)
			}
			return false, nil
		})
		if within.Err() != nil {
			return nil // the script has ended
		}
		return err
	})
	both.Go(func() error {
		defer done()
		return m.followExport(within, to)
	})
	err := both.Wait()
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	return err
}

// ObjectsThere reports whether all objects of an export are there.
func ObjectsThere(ctx context.Context, access gcp.Access, h builders.Host, a artifact.Artifact) (bool, error) {
	api, err := access.Client(h)
	if err != nil {
		return false, err
	}
	for _, p := range a.Places {
		_, err := api.Storage.Objects.Get(p.Name, p.ID).Context(ctx).Do()
		if gcp.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for gs://%s/%s: %w", p.Name, p.ID, gcp.Explain(err))
		}
	}
	return len(a.Places) > 0, nil
}
