// Package googlecomputeimport is the post-processor "googlecompute-import": it
// makes an image of Compute Engine of a raw disk of this host.
package googlecomputeimport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	gcp.Access
	// Scopes are the scopes of the tokens that ingot calls Google Cloud with.
	// Default: cloud-platform.
	Scopes []string `hcl:"scopes,optional"`

	// ProjectID is the id of the project that the image is made in.
	ProjectID string `hcl:"project_id"`
	// Bucket is the bucket of Cloud Storage that the disk is put into. It must be
	// there.
	Bucket string `hcl:"bucket"`
	// Object is the name of the object in the bucket. Default "packer-import-",
	// the time, some letters and ".tar.gz".
	Object string `hcl:"gcs_object_name,optional" template:"late"`
	// SkipClean leaves the object in the bucket. Default false.
	SkipClean bool `hcl:"skip_clean,optional"`

	// ImageName is the name of the image, which must not be in use, unless
	// -force is given: then the image of that name is deleted first.
	ImageName string `hcl:"image_name"`
	// ImageFamily is the family that the image belongs to.
	ImageFamily string `hcl:"image_family,optional"`
	// ImageDescription is the description of the image.
	ImageDescription string `hcl:"image_description,optional"`
	// ImageLabels are labels of the image.
	ImageLabels map[string]string `hcl:"image_labels,optional"`
	// ImageArchitecture is "x86_64" or "arm64". Default "x86_64".
	ImageArchitecture string `hcl:"image_architecture,optional"`
	// ImageGuestOSFeatures are features of the image's system:
	// "UEFI_COMPATIBLE", "GVNIC" …
	ImageGuestOSFeatures []string `hcl:"image_guest_os_features,optional"`
	// ImageStorageLocations is where the image is stored: one region or
	// multi-region. Default: one near the bucket.
	ImageStorageLocations []string `hcl:"image_storage_locations,optional"`
	// ImagePlatformKey is a file with the platform key (PK) of Secure Boot.
	ImagePlatformKey string `hcl:"image_platform_key,optional"`
	// ImageKeyExchangeKey are files with key exchange keys (KEK).
	ImageKeyExchangeKey []string `hcl:"image_key_exchange_key,optional"`
	// ImageSignaturesDB are files with certificates of software that may boot
	// (db). It makes the image UEFI_COMPATIBLE.
	ImageSignaturesDB []string `hcl:"image_signatures_db,optional"`
	// ImageForbiddenSignaturesDB are files with certificates of software that
	// must not boot (dbx).
	ImageForbiddenSignaturesDB []string `hcl:"image_forbidden_signatures_db,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: google.ImportType, New: func() postprocessors.Processor {
		return &Config{ImageArchitecture: "x86_64"}
	}}
}

// Check looks at the options. It asks no service.
func (c *Config) Check(in postprocessors.Input) error {
	for _, o := range []struct{ name, value string }{{"project_id", c.ProjectID}, {"bucket", c.Bucket}, {"image_name", c.ImageName}} {
		if o.value == "" {
			return component.Errorf(o.name, "must not be empty")
		}
	}
	if strings.ContainsAny(c.Bucket, "/:") {
		e := component.Errorf("bucket", "%q is not the name of a bucket", c.Bucket)
		e.Advice = `it has neither "gs://" in front nor a path: gcs_object_name says what is in it`
		return e
	}
	if c.Object != "" {
		name, err := in.Render(c.Object, nil)
		if err != nil {
			return component.Errorf("gcs_object_name", "%v", err)
		}
		if !strings.HasSuffix(name, ".tar.gz") {
			return component.Errorf("gcs_object_name", "must end with .tar.gz: Compute Engine takes no other")
		}
	}
	image := c.image()
	if err := image.CheckImage(in.Dir); err != nil {
		return err
	}
	return c.Access.Check(in.Dir)
}

func (c *Config) image() google.ImageOptions {
	return google.ImageOptions{
		ImageProjectID: c.ProjectID, ImageName: c.ImageName, ImageFamily: c.ImageFamily, ImageDescription: c.ImageDescription,
		ImageLabels: c.ImageLabels, ImageArchitecture: strings.ToUpper(c.ImageArchitecture), ImageGuestOSFeatures: c.ImageGuestOSFeatures,
		ImageStorageLocations: c.ImageStorageLocations, ImagePlatformKey: c.ImagePlatformKey, ImageKeyExchangeKey: c.ImageKeyExchangeKey,
		ImageSignaturesDB: c.ImageSignaturesDB, ImageForbiddenSignaturesDB: c.ImageForbiddenSignaturesDB,
	}
}

// Reads are the files of the keys of Secure Boot.
func (c *Config) Reads() []string {
	files := slices.Concat(c.ImageKeyExchangeKey, c.ImageSignaturesDB, c.ImageForbiddenSignaturesDB)
	if c.ImagePlatformKey != "" {
		files = append(files, c.ImagePlatformKey)
	}
	return files
}

// Process imports the disk. An image that an earlier run has made of it, and
// could not finish, is finished.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	file, packed, err := disk(in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	object, err := c.object(in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	for _, text := range c.Access.Secrets() {
		in.Secrets.Add(text)
	}
	made, err := google.Import(ctx, c.Access.Scoped(c.Scopes), in.Host, google.RawDisk{
		File: file, Packed: packed, Bucket: c.Bucket, Object: object, KeepObject: c.SkipClean, Image: c.image(),
	}, builders.Env{RunID: in.RunID, Build: in.Build, Log: in.Log, Journal: in.Journal, Force: in.Force})
	if err != nil {
		return postprocessors.Result{}, err
	}
	return postprocessors.Result{Artifact: made}, nil
}

// Exists reports whether the image is still there.
func (c *Config) Exists(ctx context.Context, in postprocessors.Input, a artifact.Artifact) (bool, error) {
	return google.ImageThere(ctx, c.Access.Scoped(c.Scopes), in.Host, a)
}

// disk returns the path of the artifact's disk: an archive of one, else a raw
// disk, which is packed as it is sent.
func disk(in postprocessors.Input) (path string, packed bool, err error) {
	for _, form := range []struct {
		endings []string
		packed  bool
	}{{[]string{".tar.gz", ".tgz"}, true}, {[]string{".raw", ".img"}, false}} {
		var found []string
		for _, f := range in.Artifact.Files {
			if slices.ContainsFunc(form.endings, func(end string) bool { return strings.HasSuffix(strings.ToLower(f.Path), end) }) {
				found = append(found, f.Path)
			}
		}
		switch {
		case len(found) > 1:
			return "", false, fmt.Errorf("the artifact has %d files that end with %s: %s", len(found), form.endings[0], strings.Join(found, ", "))
		case len(found) == 1:
			path = in.Path(found[0])
			st, err := os.Stat(path)
			if err == nil && !st.Mode().IsRegular() {
				err = fmt.Errorf("%s is not a regular file", found[0])
			}
			return path, form.packed, err
		}
	}
	return "", false, builders.WithHint(errors.New("the artifact has no disk: a file that ends with .tar.gz (with disk.raw in it), .raw or .img"),
		`the post-processor "artifice" makes an artifact of a file`)
}

// object returns the name of the object in the bucket. Without a given one it is
// one that no other build has.
func (c *Config) object(in postprocessors.Input) (string, error) {
	if c.Object == "" {
		return fmt.Sprintf("packer-import-%d-%s.tar.gz", time.Now().Unix(), strings.ToLower(rand.Text())[:8]), nil
	}
	name, err := in.Render(c.Object, nil)
	if err != nil {
		return "", component.Errorf("gcs_object_name", "%v", err)
	}
	return name, nil
}
