package ec2

import "slices"

// resolveDevices lays the devices of the request over the image's.
func (l *launchPlan) resolveDevices(c *call) error {
	var err error
	l.devices, err = c.overlay(l.image.Devices, l.data.Devices)
	if err != nil {
		return err
	}
	for _, d := range l.devices {
		if d.EBS == nil || d.EBS.Snapshot == "" {
			continue
		}
		if d.Name != l.image.RootDevice && c.Snapshots[d.EBS.Snapshot].Content.tree() {
			return fail("UnsupportedOperation", "%s: the sandbox has no block device of %s, which is a root volume's: attach snapshots of data volumes", d.Name, d.EBS.Snapshot)
		}
	}
	return nil
}

// overlay returns the devices of an image as those of a request change them.
func (c *call) overlay(base, over []device) ([]device, error) {
	var all []device
	for _, d := range base {
		if d.EBS != nil {
			e := *d.EBS
			d.EBS = &e
		}
		all = append(all, d)
	}
	for _, d := range over {
		at := slices.IndexFunc(all, func(have device) bool { return have.Name == d.Name })
		switch {
		case d.None != nil:
			if at >= 0 {
				all = slices.Delete(all, at, at+1)
			}
			continue
		case d.EBS == nil:
			if d.Virtual == "" {
				return nil, fail("InvalidBlockDeviceMapping", "Device %s is neither a volume nor an ephemeral disk", d.Name)
			}
			continue // the types of the sandbox have no ephemeral disks: the service ignores them then
		}
		e := *d.EBS
		if at >= 0 && all[at].EBS != nil {
			if e.Snapshot != "" && e.Snapshot != all[at].EBS.Snapshot {
				return nil, fail("InvalidBlockDeviceMapping", "snapshotId cannot be modified on device %s of the image", d.Name)
			}
			e = all[at].EBS.over(e)
		}
		if err := c.sized(&e, d.Name); err != nil {
			return nil, err
		}
		d.EBS = &e
		if at >= 0 {
			all[at] = d
		} else {
			all = append(all, d)
		}
	}
	return all, nil
}

// over returns e with what the other says.
func (e ebs) over(with ebs) ebs {
	if with.Type == "" {
		with.Type = e.Type
	}
	if with.Snapshot == "" {
		with.Snapshot = e.Snapshot
	}
	if with.Size == nil {
		with.Size = e.Size
	}
	if with.Delete == nil {
		with.Delete = e.Delete
	}
	if with.Encrypted == nil {
		with.Encrypted = e.Encrypted
	}
	return with
}

// sized checks a volume to be made, and gives it its snapshot's size where it
// has none.
func (c *call) sized(e *ebs, device string) error {
	if err := e.check(); err != nil {
		return err
	}
	if e.Snapshot == "" {
		if e.Size == nil {
			return fail("MissingParameter", "The request must contain the parameter size or snapshotId for the device %s", device)
		}
		return nil
	}
	s := c.Snapshots[e.Snapshot]
	if s == nil {
		return notFound("snap", e.Snapshot)
	}
	if e.Size == nil {
		e.Size = &s.Size
	}
	if *e.Size < s.Size {
		return fail("InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot '%s', expect size>= %dGB", *e.Size, s.ID, s.Size)
	}
	return nil
}
