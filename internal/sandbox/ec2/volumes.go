package ec2

import (
	"cmp"
	"slices"
	"time"
)

// status is the name of the state at a time.
func (v *volume) status(now time.Time) string {
	switch {
	case now.Before(v.Ready):
		return "creating"
	case v.Instance != "" || now.Before(v.Detached):
		return "in-use"
	}
	return "available"
}

// makeVolume makes a volume.
func (c *call) makeVolume(e ebs, zone string) *volume {
	v := &volume{
		ID: newID("vol"), Zone: zone, Type: e.Type, Snapshot: e.Snapshot, KMSKey: e.KMSKey, Created: c.now,
		Encrypted: e.Encrypted != nil && *e.Encrypted,
	}
	if e.Size != nil {
		v.Size = *e.Size
	}
	if s := c.Snapshots[e.Snapshot]; s != nil {
		v.Content, v.Encrypted = s.Content, v.Encrypted || s.Encrypted
		if v.KMSKey == "" {
			v.KMSKey = s.KMSKey
		}
	}
	if v.Encrypted && v.KMSKey == "" {
		v.KMSKey = defaultKMSKey(c.name)
	}
	switch v.IOPS = 100; {
	case e.IOPS != nil:
		v.IOPS = *e.IOPS
	case v.Type == "gp3":
		v.IOPS = 3000
	}
	if v.Type == "gp3" {
		v.Throughput = 125
	}
	if e.Throughput != nil {
		v.Throughput = *e.Throughput
	}
	c.Volumes[v.ID] = v
	return v
}

func volumesOf(r *region, id string) []*volume {
	var all []*volume
	for _, v := range r.Volumes {
		if v.Instance == id {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b *volume) int { return cmp.Compare(a.Device, b.Device) })
	return all
}

// volumesOf returns the volumes that are attached to an instance, by device.
func (r *region) volumesOf(id string) []*volume { return volumesOf(r, id) }
