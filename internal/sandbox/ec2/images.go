package ec2

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"
)

// status is the name of the state at a time.
func (m *image) status(now time.Time) string {
	switch {
	case m.Failed != "":
		return "failed"
	case m.Making || now.Before(m.Ready):
		return "pending"
	}
	return "available"
}

// root returns the mapping of the root device, nil when there is none yet.
func (m *image) root() *device {
	for i, d := range m.Devices {
		if d.Name == m.RootDevice && d.EBS != nil {
			return &m.Devices[i]
		}
	}
	return nil
}

var imageName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9 ()\[\]./\-'@_]{3,128}$`) })

// newImageName checks the name of an image to be made, and that there is room
// for one more.
func (c *call) newImageName(name string) error {
	if !imageName().MatchString(name) {
		return fail("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'")
	}
	own := 0
	for _, m := range c.Images {
		if m.Public {
			continue
		}
		own++
		if m.Name == name && m.Failed == "" {
			return fail("InvalidAMIName.Duplicate", "AMI name %s is already in use by AMI %s", name, m.ID)
		}
	}
	if most := c.Faults.Account().Images; most > 0 && own >= most {
		return fail("ResourceLimitExceeded", "You have reached your quota of %d AMIs in this Region. Deregister AMIs that you don't use, or ask for a higher quota of AMIs.", most)
	}
	return nil
}

// findImage returns an image of the account or of the catalogue; nil is none.
func (c *call) findImage(id string) *image {
	if m := c.Images[id]; m != nil {
		return m
	}
	return c.publicByID(id)
}

// ownImage returns an image of the account.
func (c *call) ownImage(id string) (*image, error) {
	m := c.findImage(id)
	if m == nil {
		return nil, fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	}
	if m.Public {
		return nil, fail("AuthFailure", "Not authorized for image:%s", id)
	}
	return m, nil
}

type imageIDOut struct {
	ID string `xml:"imageId"`
}

type createImageIn struct {
	Instance    string    `q:"InstanceId,required,id=i"`
	Name        string    `q:"Name,required"`
	Description string    `q:"Description"`
	NoReboot    bool      `q:"NoReboot"`
	Devices     []device  `q:"BlockDeviceMapping"`
	Tags        []tagSpec `q:"TagSpecification"`
}

// createImage begins to make an image of an instance.
func createImage(c *call, in *createImageIn) (imageIDOut, error) {
	i := c.Instances[in.Instance]
	if i == nil {
		return imageIDOut{}, notFound("i", in.Instance)
	}
	if st := i.status(c.now); st != "running" && st != "stopped" {
		return imageIDOut{}, fail("IncorrectInstanceState", "Instance '%s' is not in a state from which an image can be created: it is '%s'", i.ID, st)
	}
	if err := c.newImageName(in.Name); err != nil {
		return imageIDOut{}, err
	}
	if err := checkTags(in.Tags, "image", "snapshot"); err != nil {
		return imageIDOut{}, err
	}
	if err := checkDevices(in.Devices); err != nil {
		return imageIDOut{}, err
	}
	devices, err := c.overlay(c.mappings(i), in.Devices)
	if err != nil {
		return imageIDOut{}, err
	}
	if err := c.ready(); err != nil {
		return imageIDOut{}, err
	}
	m := &image{
		ID: newID("ami"), Name: in.Name, Description: in.Description, Owner: account, Location: account + "/" + in.Name,
		Arch: i.Arch, Virtualization: i.Virtualization, RootDevice: i.RootDevice, RootType: "ebs",
		ENA: i.ENA, SRIOV: i.SRIOV, BootMode: i.BootMode, Created: c.now, Making: true,
		SourceInstance: i.ID, Protection: "disabled",
	}
	if source := c.Images[i.Image]; source != nil {
		m.SourceImage, m.SourceRegion = source.ID, c.name
		m.IMDS, m.TPM, m.Windows = source.IMDS, source.TPM, source.Windows
	}
	c.Images[m.ID] = m
	c.tag(m.ID, "image", in.Tags)
	c.capture(i, m, devices, in)
	return imageIDOut{m.ID}, nil
}

// mappings returns the volumes of an instance as a new image's devices.
func (c *call) mappings(i *instance) []device {
	var all []device
	for _, v := range c.volumesOf(i.ID) {
		size, encrypted, deleted := v.Size, v.Encrypted, v.DeleteWithInstance
		e := &ebs{Size: &size, Type: v.Type, Encrypted: &encrypted, Delete: &deleted, KMSKey: v.KMSKey}
		if v.IOPS > 0 {
			e.IOPS = &v.IOPS
		}
		if v.Throughput > 0 {
			e.Throughput = &v.Throughput
		}
		all = append(all, device{Name: v.Device, EBS: e})
	}
	return all
}

// capture reads the disks of an instance into the image, with the machine shut
// down where that is wanted and it runs.
func (c *call) capture(i *instance, m *image, devices []device, in *createImageIn) {
	id, reboot := i.ID, !in.NoReboot && i.Phase == starting
	ready := c.now.Add(c.Timing.Image)
	name, tags, s := c.name, in.Tags, c.Server
	s.queue(id, func() {
		if reboot {
			s.halt(id)
		}
		var snaps []*snapshot
		s.change(id, func(r *region, i *instance) {
			if r.Images[m.ID] != m {
				return // deregistered already
			}
			snaps = (&call{Server: s, region: r, name: name, now: time.Now()}).snapshotDevices(i, m.ID, devices, tags)
		})
		err := s.freeze(id, snaps)
		s.change(id, func(_ *region, i *instance) {
			now := time.Now()
			m.Making, m.Ready = false, latest(now, ready)
			m.Devices = devices // a snapshot that the image names has all that it is to have
			if err != nil {
				m.Failed = err.Error()
				s.Log.Error("image", slog.String("instance", id), slog.Any("error", err))
			}
			if reboot && i.Phase == starting {
				s.queue(id, func() { s.boot(id, now) })
			}
		})
	})
}

// snapshotDevices gives each volume of the image its snapshot, which is yet to
// be made.
func (c *call) snapshotDevices(i *instance, image string, devices []device, tags []tagSpec) []*snapshot {
	var snaps []*snapshot
	for n, d := range devices {
		at := slices.IndexFunc(c.volumesOf(i.ID), func(v *volume) bool { return v.Device == d.Name })
		if at < 0 {
			continue // a device that only the image has
		}
		v := c.volumesOf(i.ID)[at]
		sn := c.newSnapshot(v, fmt.Sprintf("Created by CreateImage(%s) for %s", i.ID, image))
		if e := d.EBS; e.Encrypted != nil {
			sn.Encrypted, sn.KMSKey = *e.Encrypted, e.KMSKey
		}
		c.tag(sn.ID, "snapshot", tags)
		devices[n].EBS.Snapshot = sn.ID
		snaps = append(snaps, sn)
	}
	return snaps
}

// freeze reads what is on volumes of an instance into their snapshots. It runs
// from the instance's queue.
func (s *Server) freeze(id string, snaps []*snapshot) error {
	var failed error
	for _, sn := range snaps {
		s.mu.Lock()
		v, i := s.volumeOf(sn), s.instance(id)
		if v == nil || i == nil {
			sn.Making, sn.Failed = false, "the volume "+sn.Volume+" is gone"
			failed = errors.New(sn.Failed)
			s.mu.Unlock()
			continue
		}
		from, of := *v, *i
		s.mu.Unlock()
		c, err := s.read(&from, &of, sn.ID)
		s.taken(sn, c, err)
		failed = cmp.Or(failed, err)
	}
	return failed
}

// taken completes a snapshot with what was read. It may have been deleted
// meanwhile.
func (s *Server) taken(sn *snapshot, c content, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sn.Making, sn.Content = false, c
	sn.Ready = latest(time.Now(), sn.Created.Add(s.Timing.Snapshot))
	if err != nil {
		sn.Failed = err.Error()
	}
	for _, l := range c.Layers {
		s.state.Layers[l] = true
	}
	if c.File != "" {
		s.state.Files[c.File] = true
	}
	s.collect()
	s.save()
}

// read returns what is on a volume that is attached to an instance.
func (s *Server) read(v *volume, i *instance, to string) (content, error) {
	if !v.Root {
		return s.readFile(v, to)
	}
	c := i.Content
	if !i.Booted {
		return c, nil
	}
	layer, err := s.Host.Freeze(s.ctx, i.ID)
	if err != nil {
		return content{}, err
	}
	c.Layers = append(slices.Clone(c.Layers), layer)
	return c, nil
}

func (s *Server) instance(id string) *instance {
	for _, r := range s.state.Regions {
		if i := r.Instances[id]; i != nil {
			return i
		}
	}
	return nil
}

func (s *Server) volumeOf(sn *snapshot) *volume {
	for _, r := range s.state.Regions {
		if r.Snapshots[sn.ID] == sn {
			return r.Volumes[sn.Volume]
		}
	}
	return nil
}
