package gce

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

// imagePath is that of the image that the call names.
func (c *call) image() (string, *resource, error) {
	path := c.target()
	found, r, err := c.state.get(path)
	if err == nil {
		return found, r, nil
	}
	if r := c.public(c.param("project"), last(path), ""); r != nil {
		return path, r, nil
	}
	return "", nil, err
}

func getImage(c *call) (any, error) {
	_, r, err := c.image()
	if err != nil {
		return nil, err
	}
	return r.Image, nil
}

func getFromFamily(c *call) (any, error) {
	r, err := c.ofFamily()
	if err != nil {
		return nil, err
	}
	return r.Image, nil
}

// getFamilyView is getFromFamily as a zone sees it: images are rolled out in
// all zones at once.
func getFamilyView(c *call) (any, error) {
	r, err := c.ofFamily()
	if err != nil {
		return nil, err
	}
	return &compute.ImageFamilyView{Image: r.Image}, nil
}

// ofFamily is the newest image of the family that the call names.
func (c *call) ofFamily() (*resource, error) {
	_, r := c.newest(c.param("project"), c.param("family"))
	if r == nil {
		return nil, notFound("projects/" + c.param("project") + "/global/images/family/" + c.param("family"))
	}
	return r, nil
}

// newest returns the latest image of a family that is not deprecated.
func (s *Server) newest(project, family string) (string, *resource) {
	var at string
	var newest *resource
	for _, path := range s.state.paths("projects/" + project + "/global/images/") {
		r := s.state.Resources[path]
		if r.Image.Family != family || r.Image.Status != "READY" {
			continue
		}
		if d := r.Image.Deprecated; d != nil && d.State != "" && d.State != "ACTIVE" {
			continue
		}
		if newest == nil || r.Image.CreationTimestamp >= newest.Image.CreationTimestamp {
			at, newest = path, r
		}
	}
	if newest == nil {
		if newest = s.public(project, "", family); newest != nil {
			at = strings.TrimPrefix(newest.Image.SelfLink, link(""))
		}
	}
	return at, newest
}

// sourceImage finds the image that a disk is to be made of.
func (c *call) sourceImage(text, field string) (string, *resource, error) {
	path := reference(text, "projects/"+c.param("project"))
	parts := strings.Split(path, "/")
	// gcloud names a family as a zone sees it.
	if len(parts) == 6 && (parts[4] == "family" || parts[2] == "zones" && parts[4] == "imageFamilyViews") {
		at, r := c.newest(parts[1], parts[5])
		if r == nil {
			return "", nil, notFound(path)
		}
		return at, r, nil
	}
	if len(parts) != 5 || parts[2] != "global" || parts[3] != "images" {
		return "", nil, invalid(field, text, "The URL is malformed.")
	}
	at, r, err := c.state.get(path)
	if err != nil {
		if r = c.public(parts[1], parts[4], ""); r == nil {
			return "", nil, invalid(field, link(path), "The referenced image resource cannot be found.")
		}
		at = path
	}
	if r.Image.Status != "READY" {
		return "", nil, notReady(path)
	}
	if d := r.Image.Deprecated; d != nil && (d.State == "OBSOLETE" || d.State == "DELETED") {
		return "", nil, invalid(field, link(path), "The referenced image is %s.", strings.ToLower(d.State))
	}
	return at, r, nil
}

func insertImage(c *call) (any, error) {
	var img compute.Image
	if err := c.into(&img); err != nil {
		return nil, err
	}
	c.openProject()
	path := c.target()
	if publicProject(c.param("project")) {
		return nil, forbidden("Required 'compute.images.create' permission for '%s'", path)
	}
	if c.state.Resources[path] != nil {
		return nil, exists(path)
	}
	if err := c.checkImage(&img); err != nil {
		return nil, err
	}
	r := &resource{ID: newID(), Image: &img}
	if err := c.imageSource(r); err != nil {
		return nil, err
	}
	c.completeImage(path, r)
	if err := c.add(path, r); err != nil {
		return nil, err
	}
	return c.begin(path, r.ID)
}

var familyName = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$`)

func (c *call) checkImage(img *compute.Image) error {
	if img.Family != "" && !familyName.MatchString(img.Family) {
		return invalid("resource.family", img.Family, "Must be a match of regex '%s'", `(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)`)
	}
	if err := checkLabels(img.Labels); err != nil {
		return err
	}
	if len(img.StorageLocations) > 1 {
		return invalid("resource.storageLocations", strings.Join(img.StorageLocations, ","), "At most one storage location can be given.")
	}
	for _, at := range img.StorageLocations {
		if !slices.Contains([]string{"us", "eu", "asia"}, at) && regions()[at] == "" {
			return invalid("resource.storageLocations", at, "The storage location does not exist.")
		}
	}
	if limit := c.options.Faults.Account().Images; limit > 0 {
		have := 0
		for _, path := range c.state.paths("projects/" + c.param("project") + "/global/images/") {
			if !c.state.Resources[path].Given {
				have++
			}
		}
		if have >= limit {
			return quota("IMAGES", limit, "globally")
		}
	}
	return nil
}

// imageSource fills in what the image is made of.
func (c *call) imageSource(r *resource) error {
	img := r.Image
	given := 0
	for _, is := range []bool{img.SourceDisk != "", img.SourceImage != "", img.SourceSnapshot != "", img.RawDisk != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return invalid("resource", "", "Exactly one of sourceDisk, sourceImage, sourceSnapshot and rawDisk must be given.")
	}
	switch {
	case img.RawDisk != nil:
		return c.rawDisk(r)
	case img.SourceDisk != "":
		path, d, err := c.sourceDisk(img.SourceDisk, "resource.sourceDisk", c.param("forceCreate") == "true")
		if err != nil {
			return err
		}
		if err := sameKey(d.Disk.DiskEncryptionKey, img.SourceDiskEncryptionKey, "disk", path); err != nil {
			return err
		}
		r.Content = d.Content.copy()
		img.SourceDisk, img.SourceDiskId, img.DiskSizeGb = link(path), fmt.Sprint(d.ID), d.Disk.SizeGb
		inherit(img, d.Disk.Licenses, d.Disk.GuestOsFeatures, d.Disk.Architecture)
	case img.SourceImage != "":
		path, from, err := c.sourceImage(img.SourceImage, "resource.sourceImage")
		if err != nil {
			return err
		}
		r.Content = from.Content.copy()
		img.SourceImage, img.SourceImageId, img.DiskSizeGb = link(path), fmt.Sprint(from.ID), from.Image.DiskSizeGb
		inherit(img, from.Image.Licenses, from.Image.GuestOsFeatures, from.Image.Architecture)
	default:
		path, from, err := c.sourceSnapshot(img.SourceSnapshot, "resource.sourceSnapshot")
		if err != nil {
			return err
		}
		if err := sameKey(from.Snapshot.SnapshotEncryptionKey, img.SourceSnapshotEncryptionKey, "snapshot", path); err != nil {
			return err
		}
		r.Content = from.Content.copy()
		img.SourceSnapshot, img.SourceSnapshotId, img.DiskSizeGb = link(path), fmt.Sprint(from.ID), from.Snapshot.DiskSizeGb
		inherit(img, from.Snapshot.Licenses, from.Snapshot.GuestOsFeatures, from.Snapshot.Architecture)
	}
	return nil
}

// inherit gives the image what its source has, beside what was asked for.
func inherit(img *compute.Image, licenses []string, features []*compute.GuestOsFeature, arch string) {
	for _, l := range licenses {
		if !slices.ContainsFunc(img.Licenses, func(have string) bool { return last(have) == last(l) }) {
			img.Licenses = append(img.Licenses, l)
		}
	}
	for _, f := range features {
		if !slices.ContainsFunc(img.GuestOsFeatures, func(have *compute.GuestOsFeature) bool { return have.Type == f.Type }) {
			img.GuestOsFeatures = append(img.GuestOsFeatures, f)
		}
	}
	if img.Architecture == "" {
		img.Architecture = arch
	}
}

func (c *call) completeImage(path string, r *resource) {
	img := r.Image
	img.Kind, img.Id, img.SelfLink, img.Status = "compute#image", r.ID, link(path), "PENDING"
	img.CreationTimestamp, img.SourceType, img.Deprecated = stamp(time.Now()), "RAW", nil
	img.LabelFingerprint = fingerprint(img.Labels)
	img.ImageEncryptionKey = hideKey(img.ImageEncryptionKey)
	img.SourceDiskEncryptionKey = hideKey(img.SourceDiskEncryptionKey)
	img.SourceSnapshotEncryptionKey = hideKey(img.SourceSnapshotEncryptionKey)
	img.Params = nil
	if len(img.StorageLocations) == 0 {
		img.StorageLocations = []string{"us"}
	}
	for i, l := range img.Licenses {
		img.Licenses[i] = link(reference(l, "projects/"+c.param("project")))
	}
}

// makeImage freezes the disk of a new image.
func makeImage(s *Server, op *operation) error {
	if err := s.freeze(op.Target); err != nil {
		return err
	}
	if err := s.unpack(op.Target); err != nil {
		s.locked(func() {
			if r := s.state.Resources[op.Target]; r != nil {
				r.Image.Status, s.dirty = "FAILED", true
			}
		})
		return err
	}
	if err := s.pause(op.Began.Add(s.options.Timing.Image)); err != nil {
		return err
	}
	s.locked(func() {
		if r := s.state.Resources[op.Target]; r != nil {
			r.Image.Status = "READY"
			r.Image.ArchiveSizeBytes = r.Image.DiskSizeGb << 24
			s.dirty = true
		}
	})
	return nil
}

func deleteImage(c *call, path string, r *resource) error {
	if r.Given {
		return forbidden("Required 'compute.images.delete' permission for '%s'", path)
	}
	r.Image.Status = "DELETING"
	c.dirty = true
	return nil
}

func deprecateImage(c *call, _ string, r *resource) error {
	var d compute.DeprecationStatus
	if err := c.into(&d); err != nil {
		return err
	}
	if err := setDeprecation(r, &d); err != nil {
		return err
	}
	c.dirty = true
	return nil
}

func setDeprecation(r *resource, d *compute.DeprecationStatus) error {
	for field, at := range map[string]string{"deprecated": d.Deprecated, "obsolete": d.Obsolete, "deleted": d.Deleted} {
		if _, err := time.Parse(time.RFC3339, at); at != "" && err != nil {
			return invalid("resource."+field, at, "Must be an RFC3339 timestamp.")
		}
	}
	r.Image.Deprecated = nil
	if d.State+d.Deprecated+d.Obsolete+d.Deleted+d.Replacement != "" {
		r.Image.Deprecated = d
	}
	return nil
}

// patchImage changes the three things that can be changed.
func patchImage(c *call, _ string, r *resource) error {
	var change struct {
		Family      *string                    `json:"family"`
		Description *string                    `json:"description"`
		Deprecated  *compute.DeprecationStatus `json:"deprecated"`
	}
	if err := c.into(&change); err != nil {
		return err
	}
	if change.Deprecated != nil {
		if err := setDeprecation(r, change.Deprecated); err != nil {
			return err
		}
	}
	if change.Family != nil {
		if *change.Family != "" && !familyName.MatchString(*change.Family) {
			return invalid("resource.family", *change.Family, "Must be a match of regex '%s'", familyName)
		}
		r.Image.Family = *change.Family
	}
	if change.Description != nil {
		r.Image.Description = *change.Description
	}
	c.dirty = true
	return nil
}
