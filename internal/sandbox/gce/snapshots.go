package gce

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

func (c *call) sourceSnapshot(text, field string) (string, *resource, error) {
	path, r, err := c.state.get(reference(text, "projects/"+c.param("project")))
	if err != nil || r.Snapshot == nil {
		return "", nil, invalid(field, text, "The referenced snapshot resource cannot be found.")
	}
	if r.Snapshot.Status != "READY" {
		return "", nil, notReady(path)
	}
	return path, r, nil
}

// createSnapshot makes a snapshot of the disk that the path names, or of the
// one that the body does.
func createSnapshot(c *call) (any, error) {
	var snap compute.Snapshot
	if err := c.into(&snap); err != nil {
		return nil, err
	}
	c.openProject()
	source := snap.SourceDisk
	if c.name != "snapshots.insert" {
		source = c.target()
	}
	if source == "" {
		return nil, invalid("resource.sourceDisk", "", "A snapshot needs a source disk.")
	}
	disk, from, err := c.disk(source, "resource.sourceDisk")
	if err != nil {
		return nil, err
	}
	if err := checkLabels(snap.Labels); err != nil {
		return nil, err
	}
	if err := sameKey(from.Disk.DiskEncryptionKey, snap.SourceDiskEncryptionKey, "disk", disk); err != nil {
		return nil, err
	}
	path := "projects/" + c.param("project") + "/global/snapshots/" + snap.Name
	r := &resource{ID: newID(), Snapshot: &snap, Content: from.Content.copy()}
	snap.Kind, snap.Id, snap.SelfLink, snap.Status = "compute#snapshot", r.ID, link(path), "CREATING"
	snap.CreationTimestamp, snap.SourceDisk, snap.SourceDiskId = stamp(time.Now()), link(disk), fmt.Sprint(from.ID)
	snap.DiskSizeGb, snap.Licenses, snap.Architecture = from.Disk.SizeGb, from.Disk.Licenses, from.Disk.Architecture
	snap.GuestOsFeatures = from.Disk.GuestOsFeatures
	snap.LabelFingerprint = fingerprint(snap.Labels)
	snap.SnapshotEncryptionKey = hideKey(snap.SnapshotEncryptionKey)
	snap.SourceDiskEncryptionKey = hideKey(snap.SourceDiskEncryptionKey)
	if len(snap.StorageLocations) == 0 {
		snap.StorageLocations = []string{"us"}
	}
	if err := c.add(path, r); err != nil {
		return nil, err
	}
	return c.begin(path, r.ID)
}

func makeSnapshot(s *Server, op *operation) error {
	if err := s.freeze(op.Target); err != nil {
		return err
	}
	s.locked(func() { s.snapshotIs(op.Target, "UPLOADING") }) // from here on the disk may change
	if err := s.pause(op.Began.Add(s.options.Timing.Snapshot)); err != nil {
		return err
	}
	s.locked(func() { s.snapshotIs(op.Target, "READY") })
	return nil
}

func (s *Server) snapshotIs(path, status string) {
	if r := s.state.Resources[path]; r != nil && r.Snapshot.Status != "DELETING" {
		r.Snapshot.Status, s.dirty = status, true
	}
}

func deleteSnapshot(c *call, path string, r *resource) error {
	if by := c.beingCopied(path); by != "" {
		return inUse("snapshot", path, by)
	}
	r.Snapshot.Status = "DELETING"
	c.dirty = true
	return nil
}

// setLabels replaces the labels of a resource.
func setLabels(c *call, path string, r *resource) error {
	var asked struct {
		Labels           map[string]string `json:"labels"`
		LabelFingerprint string            `json:"labelFingerprint"`
	}
	if err := c.into(&asked); err != nil {
		return err
	}
	if err := checkLabels(asked.Labels); err != nil {
		return err
	}
	labels, print := r.labels()
	if labels == nil {
		return badRequest("The resource '%s' has no labels", path)
	}
	if asked.LabelFingerprint != *print {
		return &apiError{Code: 412, Reason: "conditionNotMet", Message: "Labels fingerprint either invalid or resource labels have changed"}
	}
	*labels, *print = asked.Labels, fingerprint(asked.Labels)
	c.dirty = true
	return nil
}

func (r *resource) labels() (*map[string]string, *string) {
	switch {
	case r.Instance != nil:
		return &r.Instance.Labels, &r.Instance.LabelFingerprint
	case r.Disk != nil:
		return &r.Disk.Labels, &r.Disk.LabelFingerprint
	case r.Image != nil:
		return &r.Image.Labels, &r.Image.LabelFingerprint
	case r.Snapshot != nil:
		return &r.Snapshot.Labels, &r.Snapshot.LabelFingerprint
	}
	return nil, nil
}

// checkLabels checks keys and values as the service does.
func checkLabels(labels map[string]string) error {
	if len(labels) > 64 {
		return invalid("resource.labels", "", "A resource has at most 64 labels.")
	}
	for key, value := range labels {
		if key == "" || !(key[0] >= 'a' && key[0] <= 'z') || !labelText(key) {
			return invalid("resource.labels", "", "Label key '%s' violates format constraints. The key must start with a lowercase character, can only contain lowercase letters, numeric characters, underscores and dashes. The key can be at most 63 characters long. International characters are allowed.", key)
		}
		if !labelText(value) {
			return invalid("resource.labels", "", "Label value '%s' violates format constraints. The value can only contain lowercase letters, numeric characters, underscores and dashes. The value can be at most 63 characters long. International characters are allowed.", value)
		}
	}
	return nil
}

func labelText(s string) bool {
	return len([]rune(s)) <= 63 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r > 0x7f)
	})
}
