package ec2

import (
	"cmp"
	"slices"
	"time"
)

type copyImageIn struct {
	Source      string    `q:"SourceImageId,required,id=ami"`
	Region      string    `q:"SourceRegion,required"`
	Name        string    `q:"Name,required"`
	Description string    `q:"Description"`
	Encrypted   bool      `q:"Encrypted"`
	KMSKey      string    `q:"KmsKeyId"`
	CopyTags    bool      `q:"CopyImageTags"`
	Minutes     int       `q:"SnapshotCopyCompletionDurationMinutes"`
	Token       string    `q:"ClientToken"`
	Tags        []tagSpec `q:"TagSpecification"`
}

// copyImage copies an image of the same or another region to the one that is
// called. It shares what is on its disks.
func copyImage(c *call, in *copyImageIn) (imageIDOut, error) {
	if ids, err := c.token(in.Token); err != nil || ids != nil {
		return imageIDOut{cmp.Or(ids...)}, err
	}
	from, err := c.other(in.Region)
	if err != nil {
		return imageIDOut{}, err
	}
	there := &call{Server: c.Server, region: from, name: in.Region, now: c.now}
	source := there.findImage(in.Source)
	if source == nil {
		return imageIDOut{}, fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", in.Source)
	}
	if source.status(c.now) != "available" {
		return imageIDOut{}, fail("InvalidRequest", "The storage for the ami is not available in the source Region: %s is %s", source.ID, source.status(c.now))
	}
	if err := c.newImageName(in.Name); err != nil {
		return imageIDOut{}, err
	}
	if in.Minutes < 0 || in.Minutes%15 != 0 || in.Minutes > 2880 {
		return imageIDOut{}, fail("InvalidParameterValue", "Invalid value '%d' for SnapshotCopyCompletionDurationMinutes: 15 minute steps up to 2880", in.Minutes)
	}
	if err := checkKey(in.KMSKey, in.Encrypted || source.encrypted()); err != nil {
		return imageIDOut{}, err
	}
	if err := checkTags(in.Tags, "image", "snapshot"); err != nil {
		return imageIDOut{}, err
	}
	if err := c.ready(); err != nil {
		return imageIDOut{}, err
	}
	m := c.copyOf(there, source, in)
	c.remember(in.Token, []string{m.ID})
	return imageIDOut{m.ID}, nil
}

func (m *image) encrypted() bool {
	return slices.ContainsFunc(m.Devices, func(d device) bool { return d.EBS != nil && d.EBS.Encrypted != nil && *d.EBS.Encrypted })
}

func (c *call) copyOf(there *call, source *image, in *copyImageIn) *image {
	m := clone(source)
	m.ID, m.Name, m.Location = newID("ami"), in.Name, account+"/"+in.Name
	m.Description = cmp.Or(in.Description, source.Description)
	m.Owner, m.OwnerAlias, m.Public, m.Launch, m.Codes = account, "", false, nil, nil
	m.Created, m.Ready = c.now, c.now.Add(c.Timing.Copy)
	m.SourceImage, m.SourceRegion, m.SourceInstance = source.ID, in.Region, ""
	m.Deprecated, m.LastLaunched, m.Protection, m.FastLaunch = time.Time{}, time.Time{}, "disabled", nil
	for n, d := range m.Devices {
		if d.EBS == nil || there.Snapshots[d.EBS.Snapshot] == nil {
			continue
		}
		s := c.copied(there.Snapshots[d.EBS.Snapshot], in.Encrypted, in.KMSKey,
			"Copied for DestinationAmi "+m.ID+" from SourceAmi "+source.ID+" for SourceSnapshot "+d.EBS.Snapshot+". Task created on "+itoa(int(c.now.UnixMilli()))+".")
		m.Devices[n].EBS.Snapshot = s.ID
		encrypted := s.Encrypted
		m.Devices[n].EBS.Encrypted = &encrypted
		c.tag(s.ID, "snapshot", in.Tags)
	}
	c.Images[m.ID] = m
	if in.CopyTags {
		for k, v := range there.Tags[source.ID] {
			c.setTags(m.ID, []tagIn{{k, v}})
		}
	}
	c.tag(m.ID, "image", in.Tags)
	return m
}

type registerImageIn struct {
	Name           string    `q:"Name,required"`
	Description    string    `q:"Description"`
	Arch           string    `q:"Architecture"`
	RootDevice     string    `q:"RootDeviceName"`
	Devices        []device  `q:"BlockDeviceMapping"`
	Virtualization string    `q:"VirtualizationType"`
	SRIOV          string    `q:"SriovNetSupport"`
	ENA            bool      `q:"EnaSupport"`
	BootMode       string    `q:"BootMode"`
	TPM            string    `q:"TpmSupport"`
	UEFIData       string    `q:"UefiData"`
	IMDS           string    `q:"ImdsSupport"`
	Tags           []tagSpec `q:"TagSpecification"`
}

// registerImage makes an image of snapshots.
func registerImage(c *call, in *registerImageIn) (imageIDOut, error) {
	if in.RootDevice == "" {
		return imageIDOut{}, fail("MissingParameter", "The request must contain the parameter RootDeviceName")
	}
	for _, err := range []error{
		c.newImageName(in.Name), checkDevices(in.Devices), checkTags(in.Tags, "image"),
		oneOf("Architecture", in.Arch, "i386", "x86_64", "arm64"),
		oneOf("VirtualizationType", in.Virtualization, "hvm", "paravirtual"),
		oneOf("SriovNetSupport", in.SRIOV, "simple"),
		oneOf("BootMode", in.BootMode, "legacy-bios", "uefi", "uefi-preferred"),
		oneOf("TpmSupport", in.TPM, "v2.0"), oneOf("ImdsSupport", in.IMDS, "v2.0"),
	} {
		if err != nil {
			return imageIDOut{}, err
		}
	}
	if in.TPM != "" && in.BootMode != "uefi" {
		return imageIDOut{}, fail("InvalidParameterCombination", "TpmSupport needs the boot mode uefi")
	}
	devices, err := c.overlay(nil, in.Devices)
	if err != nil {
		return imageIDOut{}, err
	}
	m := &image{
		ID: newID("ami"), Name: in.Name, Description: in.Description, Owner: account, Location: account + "/" + in.Name,
		Arch: cmp.Or(in.Arch, "i386"), Virtualization: cmp.Or(in.Virtualization, "paravirtual"),
		RootDevice: in.RootDevice, RootType: "ebs", Devices: devices, ENA: in.ENA, SRIOV: in.SRIOV,
		BootMode: in.BootMode, TPM: in.TPM, UEFIData: in.UEFIData, IMDS: in.IMDS,
		Created: c.now, Ready: c.now.Add(c.Timing.Image), Protection: "disabled",
	}
	if err := c.rootSnapshot(m); err != nil {
		return imageIDOut{}, err
	}
	if err := c.ready(); err != nil {
		return imageIDOut{}, err
	}
	c.Images[m.ID] = m
	c.tag(m.ID, "image", in.Tags)
	return imageIDOut{m.ID}, nil
}

func (c *call) rootSnapshot(m *image) error {
	root := m.root()
	if root == nil || root.EBS.Snapshot == "" {
		return fail("InvalidBlockDeviceMapping", "The root device %s is not a mapping with a snapshot", m.RootDevice)
	}
	for _, d := range m.Devices {
		if s := c.Snapshots[d.EBS.Snapshot]; s != nil && s.status(c.now) != "completed" {
			return fail("IncorrectState", "The snapshot %s is not completed", s.ID)
		}
	}
	return nil
}

type deregisterIn struct {
	ID        string `q:"ImageId,required,id=ami"`
	Snapshots bool   `q:"DeleteAssociatedSnapshots"`
}

type snapshotResult struct {
	ID   string `xml:"snapshotId"`
	Code string `xml:"returnCode"`
}

type deregisterOut struct {
	Return  bool                 `xml:"return"`
	Results list[snapshotResult] `xml:"deleteSnapshotResultSet"`
}

// deregisterImage removes an image, and its snapshots where that is wanted and
// no other image has them.
func deregisterImage(c *call, in *deregisterIn) (deregisterOut, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		if asError(err).Code == "InvalidAMIID.NotFound" {
			err = fail("InvalidAMIID.Unavailable", "The image ID '%s' is no longer available", in.ID)
		}
		return deregisterOut{}, err
	}
	if m.Protection != "disabled" {
		return deregisterOut{}, fail("OperationNotPermitted", "The image %s is protected from deregistration: disable that first.", m.ID)
	}
	if err := c.ready(); err != nil {
		return deregisterOut{}, err
	}
	delete(c.Images, m.ID)
	delete(c.Tags, m.ID)
	out := deregisterOut{Return: true}
	if in.Snapshots {
		for _, d := range m.Devices {
			if d.EBS == nil || c.Snapshots[d.EBS.Snapshot] == nil {
				continue
			}
			r := snapshotResult{d.EBS.Snapshot, "success"}
			if c.imageOf(r.ID) != "" {
				r.Code = "skipped"
			} else {
				c.dropSnapshot(r.ID)
			}
			out.Results.Items = append(out.Results.Items, r)
		}
		c.collect()
	}
	return out, nil
}

// imageOf returns the id of an image that has the snapshot; "" is none.
func (r *region) imageOf(snapshot string) string {
	for _, m := range r.Images {
		for _, d := range m.Devices {
			if d.EBS != nil && d.EBS.Snapshot == snapshot {
				return m.ID
			}
		}
	}
	return ""
}

func (c *call) dropSnapshot(id string) {
	delete(c.Snapshots, id)
	delete(c.Tags, id)
}
