package ec2

import (
	"slices"
	"time"
)

type createVolumeIn struct {
	Zone       string    `q:"AvailabilityZone,required"`
	Size       *int      `q:"Size"`
	Snapshot   string    `q:"SnapshotId,id=snap"`
	Type       string    `q:"VolumeType"`
	IOPS       *int      `q:"Iops"`
	Throughput *int      `q:"Throughput"`
	Encrypted  *bool     `q:"Encrypted"`
	KMSKey     string    `q:"KmsKeyId"`
	Token      string    `q:"ClientToken"`
	Tags       []tagSpec `q:"TagSpecification"`
}

type attachmentOut struct {
	Volume   string `xml:"volumeId"`
	Instance string `xml:"instanceId"`
	Device   string `xml:"device"`
	Status   string `xml:"status"`
	Since    stamp  `xml:"attachTime"`
	Delete   bool   `xml:"deleteOnTermination"`
}

type volumeOut struct {
	ID          string              `xml:"volumeId"`
	Size        int                 `xml:"size"`
	Snapshot    string              `xml:"snapshotId"`
	Zone        string              `xml:"availabilityZone"`
	Status      string              `xml:"status"`
	Created     stamp               `xml:"createTime"`
	Attachments list[attachmentOut] `xml:"attachmentSet"`
	Tags        list[tagOut]        `xml:"tagSet"`
	Type        string              `xml:"volumeType"`
	IOPS        int                 `xml:"iops"`
	Throughput  int                 `xml:"throughput,omitempty"`
	Encrypted   bool                `xml:"encrypted"`
	KMSKey      string              `xml:"kmsKeyId,omitempty"`
}

func (c *call) describeVolume(v *volume) volumeOut {
	o := volumeOut{
		ID: v.ID, Size: v.Size, Snapshot: v.Snapshot, Zone: v.Zone, Status: v.status(c.now), Created: stamp(v.Created),
		Tags: c.tagsOf(v.ID), Type: v.Type, IOPS: v.IOPS, Throughput: v.Throughput, Encrypted: v.Encrypted, KMSKey: v.KMSKey,
	}
	if v.Instance != "" {
		o.Attachments.Items = []attachmentOut{c.attachment(v)}
	}
	return o
}

func (c *call) attachment(v *volume) attachmentOut {
	o := attachmentOut{v.ID, v.Instance, v.Device, "attached", stamp(v.Attached), v.DeleteWithInstance}
	if c.now.Before(v.Attached.Add(c.Timing.Volume)) {
		o.Status = "attaching"
	}
	return o
}

func createVolume(c *call, in *createVolumeIn) (volumeOut, error) {
	if ids, err := c.token(in.Token); err != nil {
		return volumeOut{}, err
	} else if ids != nil && c.Volumes[ids[0]] != nil {
		return c.describeVolume(c.Volumes[ids[0]]), nil
	}
	if !slices.ContainsFunc(zonesOf(c.name), func(z zoneOut) bool { return z.Name == in.Zone }) {
		return volumeOut{}, fail("InvalidZone.NotFound", "The zone '%s' does not exist.", in.Zone)
	}
	e := ebs{Size: in.Size, Snapshot: in.Snapshot, Type: in.Type, IOPS: in.IOPS, Throughput: in.Throughput, Encrypted: in.Encrypted, KMSKey: in.KMSKey}
	if err := c.sized(&e, "of the request"); err != nil {
		return volumeOut{}, err
	}
	if s := c.Snapshots[e.Snapshot]; s != nil && s.status(c.now) != "completed" {
		return volumeOut{}, fail("IncorrectState", "Snapshot %s is not completed", s.ID)
	}
	if err := checkTags(in.Tags, "volume"); err != nil {
		return volumeOut{}, err
	}
	if err := c.ready(); err != nil {
		return volumeOut{}, err
	}
	v := c.makeVolume(e, in.Zone)
	v.Ready = c.now.Add(c.Timing.Volume)
	c.tag(v.ID, "volume", in.Tags)
	c.remember(in.Token, []string{v.ID})
	return c.describeVolume(v), nil
}

type attachVolumeIn struct {
	Volume   string `q:"VolumeId,required,id=vol"`
	Instance string `q:"InstanceId,required,id=i"`
	Device   string `q:"Device,required"`
}

// attachVolume attaches a volume to a stopped instance. As the root device it
// is what the instance boots from.
func attachVolume(c *call, in *attachVolumeIn) (attachmentOut, error) {
	v, i := c.Volumes[in.Volume], c.Instances[in.Instance]
	switch {
	case v == nil:
		return attachmentOut{}, notFound("vol", in.Volume)
	case i == nil:
		return attachmentOut{}, notFound("i", in.Instance)
	case v.status(c.now) != "available":
		return attachmentOut{}, fail("VolumeInUse", "%s is already attached to an instance, or %s", v.ID, v.status(c.now))
	case v.Zone != i.Zone:
		return attachmentOut{}, fail("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", v.ID, i.ID)
	case i.status(c.now) == "running":
		return attachmentOut{}, fail("UnsupportedOperation", "The sandbox attaches volumes to stopped instances: '%s' is running", i.ID)
	case i.status(c.now) != "stopped":
		return attachmentOut{}, wrongState(i, i.status(c.now), "given a volume")
	case slices.ContainsFunc(c.volumesOf(i.ID), func(o *volume) bool { return o.Device == in.Device }):
		return attachmentOut{}, fail("InvalidParameterValue", "Invalid value '%s' for unixDevice. Attachment point %s is already in use", in.Device, in.Device)
	case v.Content.tree() && in.Device != i.RootDevice:
		return attachmentOut{}, fail("UnsupportedOperation", "The sandbox has no block device of %s, which is a root volume", v.ID)
	}
	if err := c.ready(); err != nil {
		return attachmentOut{}, err
	}
	v.Instance, v.Device, v.Attached, v.DeleteWithInstance = i.ID, in.Device, c.now, false
	if in.Device == i.RootDevice {
		v.Root = true
		i.Content = c.onDisk(v)
	}
	return c.attachment(v), nil
}

// onDisk returns what is on a volume that is attached to nothing.
func (c *call) onDisk(v *volume) content {
	file := c.volumeFile(v.ID)
	if !v.Content.tree() && c.state.Files[file] {
		return content{File: file}
	}
	return v.Content
}

type detachVolumeIn struct {
	Volume   string `q:"VolumeId,required,id=vol"`
	Instance string `q:"InstanceId,id=i"`
	Device   string `q:"Device"`
	Force    bool   `q:"Force"`
}

// detachVolume detaches a volume from a stopped instance, also its root volume.
func detachVolume(c *call, in *detachVolumeIn) (attachmentOut, error) {
	v := c.Volumes[in.Volume]
	switch {
	case v == nil:
		return attachmentOut{}, notFound("vol", in.Volume)
	case v.Instance == "" || in.Instance != "" && v.Instance != in.Instance || in.Device != "" && v.Device != in.Device:
		return attachmentOut{}, fail("IncorrectState", "Volume '%s' is in the 'available' state.", v.ID)
	}
	i := c.Instances[v.Instance]
	switch {
	case i == nil:
	case i.status(c.now) == "running" && v.Root:
		return attachmentOut{}, fail("OperationNotPermitted", "Unable to detach root volume '%s' from instance '%s'", v.ID, i.ID)
	case i.status(c.now) == "running":
		return attachmentOut{}, fail("UnsupportedOperation", "The sandbox detaches volumes from stopped instances: '%s' is running", i.ID)
	}
	if err := c.ready(); err != nil {
		return attachmentOut{}, err
	}
	o := c.attachment(v)
	o.Status = "detaching"
	if v.Root && i != nil {
		c.detachRoot(v, i)
		return o, nil
	}
	v.Instance, v.Device, v.Detached = "", "", c.now.Add(c.Timing.Volume)
	return o, nil
}

// detachRoot takes the root volume from an instance: what is on the disk of its
// machine is the volume's from then on, and the machine has none.
func (c *call) detachRoot(v *volume, i *instance) {
	s, id, vol, ready := c.Server, i.ID, v.ID, c.now.Add(c.Timing.Volume)
	s.queue(id, func() {
		s.mu.Lock()
		from, of := *v, *i
		s.mu.Unlock()
		got, err := s.read(&from, &of, vol)
		if err == nil {
			err = s.Host.Remove(id)
		}
		s.logged("detach", err)
		s.change(id, func(r *region, i *instance) {
			v := r.Volumes[vol]
			if err != nil || v == nil || v.Instance != id {
				return
			}
			for _, l := range got.Layers {
				s.state.Layers[l] = true
			}
			v.Content, v.Instance, v.Device, v.Root, v.Detached = got, "", "", false, ready
			i.Content, i.Booted = content{}, false
		})
	})
}

type deleteVolumeIn struct {
	Volume string `q:"VolumeId,required,id=vol"`
}

func deleteVolume(c *call, in *deleteVolumeIn) (done, error) {
	v := c.Volumes[in.Volume]
	if v == nil {
		return done{}, notFound("vol", in.Volume)
	}
	if v.status(c.now) == "in-use" {
		return done{}, fail("VolumeInUse", "Volume %s is currently attached to %s", v.ID, v.Instance)
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	delete(c.Volumes, v.ID)
	delete(c.Tags, v.ID)
	c.collect()
	return done{true}, nil
}

type describeVolumesIn struct {
	paging
	IDs     []string `q:"VolumeId,id=vol"`
	Filters []filter `q:"Filter"`
}

type describeVolumesOut struct {
	Next string          `xml:"nextToken,omitempty"`
	All  list[volumeOut] `xml:"volumeSet"`
}

func describeVolumes(c *call, in *describeVolumesIn) (describeVolumesOut, error) {
	all, err := byID(c, c.Volumes, in.IDs, "vol", func(v *volume) time.Time { return v.Created })
	if err != nil {
		return describeVolumesOut{}, err
	}
	all, err = pick(all, in.Filters, attrs[*volume]{
		"volume-id":              one(func(v *volume) string { return v.ID }),
		"status":                 one(func(v *volume) string { return v.status(c.now) }),
		"availability-zone":      one(func(v *volume) string { return v.Zone }),
		"size":                   one(func(v *volume) string { return itoa(v.Size) }),
		"snapshot-id":            one(func(v *volume) string { return v.Snapshot }),
		"volume-type":            one(func(v *volume) string { return v.Type }),
		"encrypted":              yes(func(v *volume) bool { return v.Encrypted }),
		"create-time":            when(func(v *volume) time.Time { return v.Created }),
		"attachment.instance-id": one(func(v *volume) string { return v.Instance }),
		"attachment.device":      one(func(v *volume) string { return v.Device }),
		"attachment.status": func(v *volume) []string {
			if v.Instance == "" {
				return nil
			}
			return []string{c.attachment(v).Status}
		},
		"attachment.delete-on-termination": yes(func(v *volume) bool { return v.DeleteWithInstance }),
	}, func(v *volume) map[string]string { return c.Tags[v.ID] })
	if err != nil {
		return describeVolumesOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	out := describeVolumesOut{Next: next}
	for _, v := range all {
		out.All.Items = append(out.All.Items, c.describeVolume(v))
	}
	return out, err
}
