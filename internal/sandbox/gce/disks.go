package gce

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

const maxDisk = 65536 // GB

// sourceDisk finds the disk that something is to be made of. One that a
// running machine has is only taken by force.
func (c *call) sourceDisk(text, field string, force bool) (string, *resource, error) {
	path, r, err := c.disk(text, field)
	if err != nil {
		return "", nil, err
	}
	for _, user := range r.Disk.Users {
		by := strings.TrimPrefix(user, link(""))
		if i := c.state.Resources[by]; i != nil && i.Instance.Status != "TERMINATED" && !force {
			return "", nil, inUse("disk", path, by)
		}
	}
	return path, r, nil
}

func (c *call) disk(text, field string) (string, *resource, error) {
	path, r, err := c.state.get(reference(text, c.relative(text)))
	if err != nil || r.Disk == nil {
		return "", nil, invalid(field, text, "The referenced disk resource cannot be found.")
	}
	if r.Disk.Status != "READY" {
		return "", nil, notReady(path)
	}
	return path, r, nil
}

// relative is what a partial URL is relative to: "disks/d" to the scope of the
// call, "zones/z/disks/d" to its project.
func (c *call) relative(text string) string {
	if first, _, _ := strings.Cut(text, "/"); first == "zones" || first == "regions" || first == "global" {
		return "projects/" + c.param("project")
	}
	return c.scope()
}

func insertDisk(c *call) (any, error) {
	var d compute.Disk
	if err := c.into(&d); err != nil {
		return nil, err
	}
	c.openProject()
	if from := c.param("sourceImage"); from != "" && d.SourceImage == "" {
		d.SourceImage = from
	}
	path := strings.Replace(c.target(), "/regionDisks/", "/disks/", 1)
	r, err := c.newDisk(path, &d, "resource.")
	if err != nil {
		return nil, err
	}
	if err := c.add(path, r); err != nil {
		return nil, err
	}
	return c.begin(path, r.ID)
}

// newDisk completes a disk that was asked for. field is in front of the names
// of its fields in errors.
func (c *call) newDisk(path string, d *compute.Disk, field string) (*resource, error) {
	r := &resource{ID: newID(), Disk: d, Content: &content{}}
	if c.state.Resources[path] != nil {
		return nil, exists(path)
	}
	if err := checkLabels(d.Labels); err != nil {
		return nil, err
	}
	least, err := c.diskSource(r, field)
	if err != nil {
		return nil, err
	}
	if err := c.diskType(path, d, field); err != nil {
		return nil, err
	}
	switch {
	case d.SizeGb == 0 && least > 0:
		d.SizeGb = least
	case d.SizeGb == 0:
		d.SizeGb = 500
	case d.SizeGb < least:
		return nil, invalid(field+"sizeGb", strconv.FormatInt(d.SizeGb, 10), "Requested disk size cannot be smaller than the image size (%d GB)", least)
	case d.SizeGb > maxDisk:
		return nil, invalid(field+"sizeGb", strconv.FormatInt(d.SizeGb, 10), "Value is out of bounds.")
	}
	if !r.Content.bootable() && r.Content.From == "" {
		r.Content.File = fmt.Sprintf("%d.img", r.ID)
	}
	d.Kind, d.Id, d.Name, d.SelfLink, d.Status = "compute#disk", r.ID, last(path), link(path), "CREATING"
	d.CreationTimestamp, d.LabelFingerprint = stamp(time.Now()), fingerprint(d.Labels)
	d.DiskEncryptionKey, d.SourceImageEncryptionKey = hideKey(d.DiskEncryptionKey), hideKey(d.SourceImageEncryptionKey)
	d.SourceSnapshotEncryptionKey = hideKey(d.SourceSnapshotEncryptionKey)
	d.PhysicalBlockSizeBytes = cmp.Or(d.PhysicalBlockSizeBytes, 4096)
	d.Users, d.LastAttachTimestamp, d.LastDetachTimestamp, d.Params = nil, "", "", nil
	scope, _, _ := strings.Cut(path, "/disks/")
	if strings.Contains(scope, "/regions/") {
		d.Region = link(scope)
	} else {
		d.Zone = link(scope)
	}
	return r, nil
}

// diskSource fills in what the disk is made of, and returns how large it is at
// least.
func (c *call) diskSource(r *resource, field string) (int64, error) {
	d := r.Disk
	switch {
	case d.SourceImage != "":
		path, from, err := c.sourceImage(d.SourceImage, field+"sourceImage")
		if err != nil {
			return 0, err
		}
		if err := sameKey(from.Image.ImageEncryptionKey, d.SourceImageEncryptionKey, "image", path); err != nil {
			return 0, err
		}
		r.Content = from.Content.copy()
		d.SourceImage, d.SourceImageId = link(path), fmt.Sprint(from.ID)
		d.Licenses, d.Architecture = from.Image.Licenses, from.Image.Architecture
		if d.GuestOsFeatures == nil {
			d.GuestOsFeatures = from.Image.GuestOsFeatures
		}
		return from.Image.DiskSizeGb, nil
	case d.SourceSnapshot != "":
		path, from, err := c.sourceSnapshot(d.SourceSnapshot, field+"sourceSnapshot")
		if err != nil {
			return 0, err
		}
		r.Content = from.Content.copy()
		d.SourceSnapshot, d.SourceSnapshotId = link(path), fmt.Sprint(from.ID)
		d.Licenses, d.Architecture = from.Snapshot.Licenses, from.Snapshot.Architecture
		return from.Snapshot.DiskSizeGb, nil
	case d.SourceDisk != "":
		path, from, err := c.disk(d.SourceDisk, field+"sourceDisk")
		if err != nil {
			return 0, err
		}
		r.Content = from.Content.copy()
		d.SourceDisk, d.SourceDiskId = link(path), fmt.Sprint(from.ID)
		d.Licenses, d.Architecture = from.Disk.Licenses, from.Disk.Architecture
		return from.Disk.SizeGb, nil
	}
	return 0, nil
}

func (c *call) diskType(path string, d *compute.Disk, field string) error {
	scope, _, _ := strings.Cut(path, "/disks/")
	regional := strings.Contains(scope, "/regions/")
	if d.Type == "" {
		d.Type = "pd-standard"
	}
	at := scope + "/diskTypes/" + last(d.Type)
	if strings.Contains(d.Type, "/") && reference(d.Type, "projects/"+c.param("project")) != at || makeDiskType(at, last(d.Type)) == nil {
		return invalid(field+"type", d.Type, "The referenced diskType resource cannot be found.")
	}
	d.Type = link(at)
	if regional != (len(d.ReplicaZones) > 0) {
		return invalid(field+"replicaZones", strings.Join(d.ReplicaZones, ","), "Regional disks, and only those, have two replica zones.")
	}
	for i, zone := range d.ReplicaZones {
		if regionOf(last(zone)) != last(scope) {
			return invalid(field+"replicaZones", zone, "The zone is not in the region of the disk.")
		}
		d.ReplicaZones[i] = link("projects/" + c.param("project") + "/zones/" + last(zone))
	}
	return nil
}

// makeDisk does the work of creating a disk.
func makeDisk(s *Server, op *operation) error {
	if err := s.fill(op.Target); err != nil {
		return err
	}
	return s.pause(op.Began.Add(s.options.Timing.Disk))
}

// fill gives a new disk its content.
func (s *Server) fill(path string) error {
	var c content
	var size int64
	s.locked(func() {
		if r := s.state.Resources[path]; r != nil {
			c, size = *r.Content, r.Disk.SizeGb
		}
	})
	if c.Machine != "" || c.From != "" {
		if err := s.freeze(path); err != nil {
			return err
		}
	}
	var err error
	s.locked(func() {
		r := s.state.Resources[path]
		if r == nil {
			return
		}
		if r.Content.File != "" {
			err = s.makeFile(r.Content.File, size)
		}
		r.Disk.Status, s.dirty = "READY", true
	})
	return err
}

func deleteDisk(c *call, path string, r *resource) error {
	if len(r.Disk.Users) > 0 {
		return inUse("disk", path, strings.TrimPrefix(r.Disk.Users[0], link("")))
	}
	if by := c.beingCopied(path); by != "" {
		return inUse("disk", path, by)
	}
	r.Disk.Status = "DELETING"
	c.dirty = true
	return nil
}

// beingCopied returns the image or snapshot that is being made of a disk or of
// a snapshot.
func (s *Server) beingCopied(source string) string {
	for path, r := range s.state.Resources {
		switch {
		case r.Image != nil && r.Image.Status == "PENDING" && (r.Image.SourceDisk == link(source) || r.Image.SourceSnapshot == link(source)),
			r.Snapshot != nil && r.Snapshot.Status != "READY" && r.Snapshot.SourceDisk == link(source):
			return path
		}
	}
	return ""
}

// removeWhenDone does the work of deleting anything.
func removeWhenDone(s *Server, op *operation) error {
	if err := s.pause(op.Began.Add(s.options.Timing.Operation)); err != nil {
		return err
	}
	return s.erase(op.Target)
}

// attached makes the instance one of the users of the disk, or not any more.
func (r *resource) attached(instance string, on bool) {
	by := link(instance)
	r.Disk.Users = slices.DeleteFunc(r.Disk.Users, func(u string) bool { return u == by })
	if on {
		r.Disk.Users = append(r.Disk.Users, by)
		r.Disk.LastAttachTimestamp = stamp(time.Now())
	} else {
		r.Disk.LastDetachTimestamp = stamp(time.Now())
	}
}
