package ec2

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// status is the name of the state at a time.
func (s *snapshot) status(now time.Time) string {
	switch {
	case s.Failed != "":
		return "error"
	case s.Making || now.Before(s.Ready):
		return "pending"
	}
	return "completed"
}

// newSnapshot makes the snapshot of a volume, which is yet to be read.
func (c *call) newSnapshot(v *volume, description string) *snapshot {
	s := &snapshot{
		ID: newID("snap"), Volume: v.ID, Description: description, Size: v.Size, Encrypted: v.Encrypted, KMSKey: v.KMSKey,
		Created: c.now, Making: true, Owner: account,
	}
	c.Snapshots[s.ID] = s
	return s
}

// readFile copies the disk of a data volume to a file of the snapshot's. A
// volume that was never written is as what it was made from.
func (s *Server) readFile(v *volume, id string) (content, error) {
	from := s.volumeFile(v.ID)
	if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
		return v.Content, nil
	}
	to := filepath.Join(s.Dir, id+".img")
	return content{File: to}, copySparse(from, to, int64(v.Size)<<30)
}

type snapshotOut struct {
	ID          string       `xml:"snapshotId"`
	Volume      string       `xml:"volumeId"`
	Status      string       `xml:"status"`
	Message     string       `xml:"statusMessage,omitempty"`
	Started     stamp        `xml:"startTime"`
	Completed   *stamp       `xml:"completionTime"`
	Progress    string       `xml:"progress"`
	Owner       string       `xml:"ownerId"`
	Description string       `xml:"description"`
	Size        int          `xml:"volumeSize"`
	Encrypted   bool         `xml:"encrypted"`
	KMSKey      string       `xml:"kmsKeyId,omitempty"`
	Tier        string       `xml:"storageTier"`
	Tags        list[tagOut] `xml:"tagSet"`
}

func (c *call) describeSnapshot(s *snapshot) snapshotOut {
	o := snapshotOut{
		ID: s.ID, Volume: s.Volume, Status: s.status(c.now), Message: s.Failed, Started: stamp(s.Created), Progress: "0%",
		Owner: s.Owner, Description: s.Description, Size: s.Size, Encrypted: s.Encrypted, KMSKey: s.KMSKey, Tier: "standard",
		Tags: c.tagsOf(s.ID),
	}
	if o.Status == "completed" {
		at := stamp(s.Ready)
		o.Progress, o.Completed = "100%", &at
	}
	return o
}

type createSnapshotIn struct {
	Volume      string    `q:"VolumeId,required,id=vol"`
	Description string    `q:"Description"`
	Tags        []tagSpec `q:"TagSpecification"`
}

func createSnapshot(c *call, in *createSnapshotIn) (snapshotOut, error) {
	v := c.Volumes[in.Volume]
	if v == nil {
		return snapshotOut{}, notFound("vol", in.Volume)
	}
	if err := checkTags(in.Tags, "snapshot"); err != nil {
		return snapshotOut{}, err
	}
	if err := c.ready(); err != nil {
		return snapshotOut{}, err
	}
	s := c.newSnapshot(v, in.Description)
	c.tag(s.ID, "snapshot", in.Tags)
	c.readLater(v, s)
	return c.describeSnapshot(s), nil
}

// readLater reads a volume into its snapshot, in turn with what else is done to
// the instance that it is attached to. What was never written is read at once.
func (c *call) readLater(v *volume, sn *snapshot) {
	s := c.Server
	if id := v.Instance; id != "" {
		s.queue(id, func() { s.logged("snapshot", s.freeze(id, []*snapshot{sn})) })
		return
	}
	from := *v
	if _, err := os.Stat(s.volumeFile(v.ID)); err != nil {
		sn.Making, sn.Content, sn.Ready = false, v.Content, c.now.Add(c.Timing.Snapshot)
		return
	}
	s.work.Go(func() {
		got, err := s.readFile(&from, sn.ID)
		s.taken(sn, got, err)
		s.logged("snapshot", err)
	})
}

func (s *Server) logged(what string, err error) {
	if err != nil {
		s.Log.Error(what, "error", err)
	}
}

type createSnapshotsIn struct {
	Instance struct {
		ID      string   `q:"InstanceId,required,id=i"`
		NoBoot  bool     `q:"ExcludeBootVolume"`
		Without []string `q:"ExcludeDataVolumeId,id=vol"`
	} `q:"InstanceSpecification,required"`
	Description string    `q:"Description"`
	CopyTags    string    `q:"CopyTagsFromSource"`
	Tags        []tagSpec `q:"TagSpecification"`
}

type snapshotInfo struct {
	snapshotOut
	State string `xml:"state"`
}

type createSnapshotsOut struct {
	All list[snapshotInfo] `xml:"snapshotSet"`
}

func createSnapshots(c *call, in *createSnapshotsIn) (createSnapshotsOut, error) {
	i := c.Instances[in.Instance.ID]
	if i == nil {
		return createSnapshotsOut{}, notFound("i", in.Instance.ID)
	}
	if err := checkTags(in.Tags, "snapshot"); err != nil {
		return createSnapshotsOut{}, err
	}
	if err := oneOf("CopyTagsFromSource", in.CopyTags, "volume"); err != nil {
		return createSnapshotsOut{}, err
	}
	if err := c.ready(); err != nil {
		return createSnapshotsOut{}, err
	}
	var out createSnapshotsOut
	var snaps []*snapshot
	for _, v := range c.volumesOf(i.ID) {
		if v.Root && in.Instance.NoBoot || slices.Contains(in.Instance.Without, v.ID) {
			continue
		}
		s := c.newSnapshot(v, in.Description)
		if in.CopyTags != "" {
			for k, val := range c.Tags[v.ID] {
				c.setTags(s.ID, []tagIn{{k, val}})
			}
		}
		c.tag(s.ID, "snapshot", in.Tags)
		snaps = append(snaps, s)
		out.All.Items = append(out.All.Items, snapshotInfo{c.describeSnapshot(s), s.status(c.now)})
	}
	s, id := c.Server, i.ID
	s.queue(id, func() { s.logged("snapshots", s.freeze(id, snaps)) })
	return out, nil
}

type copySnapshotIn struct {
	Source      string    `q:"SourceSnapshotId,required,id=snap"`
	Region      string    `q:"SourceRegion,required"`
	To          string    `q:"DestinationRegion"`
	Presigned   string    `q:"PresignedUrl"`
	Description string    `q:"Description"`
	Encrypted   bool      `q:"Encrypted"`
	KMSKey      string    `q:"KmsKeyId"`
	Minutes     int       `q:"CompletionDurationMinutes"`
	Tags        []tagSpec `q:"TagSpecification"`
}

type copySnapshotOut struct {
	ID   string       `xml:"snapshotId"`
	Tags list[tagOut] `xml:"tagSet"`
}

func copySnapshot(c *call, in *copySnapshotIn) (copySnapshotOut, error) {
	from, err := c.other(in.Region)
	if err != nil {
		return copySnapshotOut{}, err
	}
	source := from.Snapshots[in.Source]
	if source == nil {
		return copySnapshotOut{}, notFound("snap", in.Source)
	}
	if source.status(c.now) != "completed" {
		return copySnapshotOut{}, fail("IncorrectState", "Snapshot %s is not completed", source.ID)
	}
	if err := checkTags(in.Tags, "snapshot"); err != nil {
		return copySnapshotOut{}, err
	}
	if err := checkKey(in.KMSKey, in.Encrypted || source.Encrypted); err != nil {
		return copySnapshotOut{}, err
	}
	if err := c.ready(); err != nil {
		return copySnapshotOut{}, err
	}
	if in.Description == "" {
		in.Description = "[Copied " + source.ID + " from " + in.Region + "]"
	}
	s := c.copied(source, in.Encrypted, in.KMSKey, in.Description)
	c.tag(s.ID, "snapshot", in.Tags)
	return copySnapshotOut{s.ID, c.tagsOf(s.ID)}, nil
}

// copied makes a copy of a snapshot, which shares what is on it.
func (c *call) copied(source *snapshot, encrypted bool, kms, description string) *snapshot {
	s := &snapshot{
		ID: newID("snap"), Volume: "vol-ffffffff", Description: description, Size: source.Size,
		Encrypted: source.Encrypted || encrypted, KMSKey: kms, Content: source.Content,
		Created: c.now, Ready: c.now.Add(c.Timing.Copy), Owner: account,
	}
	if s.Encrypted && s.KMSKey == "" {
		s.KMSKey = defaultKMSKey(c.name)
	}
	c.Snapshots[s.ID] = s
	return s
}

func defaultKMSKey(region string) string {
	return "arn:aws:kms:" + region + ":" + account + ":key/00000000-0000-4000-8000-000000000000"
}

// checkKey refuses a KMS key for what is not encrypted.
func checkKey(key string, encrypted bool) error {
	if key != "" && !encrypted {
		return fail("InvalidParameterCombination", "KmsKeyId needs Encrypted")
	}
	return nil
}

// other returns the region that something is copied from.
func (c *call) other(name string) (*region, error) {
	if !slices.Contains(regionNames(), name) {
		return nil, fail("InvalidParameterValue", "Invalid source region: %s", name)
	}
	return c.state.in(name), nil
}
