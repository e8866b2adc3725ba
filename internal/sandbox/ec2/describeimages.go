package ec2

import (
	"slices"
	"strconv"
	"time"
)

type describeImagesIn struct {
	paging
	IDs        []string `q:"ImageId"`
	Owners     []string `q:"Owner"`
	Executable []string `q:"ExecutableBy"`
	Deprecated bool     `q:"IncludeDeprecated"`
	Disabled   bool     `q:"IncludeDisabled"`
	Filters    []filter `q:"Filter"`
}

type imageOut struct {
	ID             string            `xml:"imageId"`
	Location       string            `xml:"imageLocation"`
	State          string            `xml:"imageState"`
	Owner          string            `xml:"imageOwnerId"`
	Alias          string            `xml:"imageOwnerAlias,omitempty"`
	Created        string            `xml:"creationDate"`
	Public         bool              `xml:"isPublic"`
	Codes          list[productCode] `xml:"productCodes"`
	Arch           string            `xml:"architecture"`
	Type           string            `xml:"imageType"`
	Platform       string            `xml:"platform,omitempty"`
	Details        string            `xml:"platformDetails"`
	Usage          string            `xml:"usageOperation"`
	SRIOV          string            `xml:"sriovNetSupport,omitempty"`
	Name           string            `xml:"name"`
	Description    string            `xml:"description,omitempty"`
	RootType       string            `xml:"rootDeviceType"`
	RootDevice     string            `xml:"rootDeviceName"`
	Devices        list[device]      `xml:"blockDeviceMapping"`
	Virtualization string            `xml:"virtualizationType"`
	Tags           list[tagOut]      `xml:"tagSet"`
	Hypervisor     string            `xml:"hypervisor"`
	ENA            bool              `xml:"enaSupport"`
	BootMode       string            `xml:"bootMode,omitempty"`
	TPM            string            `xml:"tpmSupport,omitempty"`
	IMDS           string            `xml:"imdsSupport,omitempty"`
	Deprecated     string            `xml:"deprecationTime,omitempty"`
	Protection     string            `xml:"deregistrationProtection,omitempty"`
	StateReason    *reasonOut        `xml:"stateReason"`
	SourceInstance string            `xml:"sourceInstanceId,omitempty"`
	SourceImage    string            `xml:"sourceImageId,omitempty"`
	SourceRegion   string            `xml:"sourceImageRegion,omitempty"`
	LastLaunched   string            `xml:"lastLaunchedTime,omitempty"`
}

type productCode struct {
	Code string `xml:"productCode"`
	Type string `xml:"type"`
}

type describeImagesOut struct {
	Next   string         `xml:"nextToken,omitempty"`
	Images list[imageOut] `xml:"imagesSet"`
}

func describeImages(c *call, in *describeImagesIn) (describeImagesOut, error) {
	all, err := c.search(in)
	if err != nil {
		return describeImagesOut{}, err
	}
	if !in.Deprecated && len(in.IDs) == 0 {
		all = slices.DeleteFunc(all, func(m *image) bool { return m.Owner != account && m.deprecated(c.now) })
	}
	if len(in.Executable) > 0 {
		all = slices.DeleteFunc(all, func(m *image) bool { return !m.executable(in.Executable) })
	}
	all, next, err := page(in.paging, all, in.IDs)
	if err != nil {
		return describeImagesOut{}, err
	}
	out := describeImagesOut{Next: next}
	for _, m := range all {
		out.Images.Items = append(out.Images.Items, c.describeImage(m))
	}
	return out, nil
}

func (m *image) deprecated(now time.Time) bool {
	return !m.Deprecated.IsZero() && now.After(m.Deprecated)
}

// executable reports whether one of these may launch the image.
func (m *image) executable(by []string) bool {
	return slices.ContainsFunc(by, func(who string) bool {
		if who == "self" {
			who = account
		}
		if who == "all" && m.public() {
			return true
		}
		return slices.ContainsFunc(m.Launch, func(p permission) bool { return p.User == who })
	})
}

// public reports whether anybody may launch the image.
func (m *image) public() bool {
	return m.Public || slices.ContainsFunc(m.Launch, func(p permission) bool { return p.Group == "all" })
}

// platform is empty for what is no Windows, as in EC2.
func (m *image) platform() string {
	if m.Windows {
		return "windows"
	}
	return ""
}

func (m *image) platformDetails() string {
	switch {
	case m.Details != "":
		return m.Details
	case m.Windows:
		return "Windows"
	}
	return "Linux/UNIX"
}

const imageTime = "2006-01-02T15:04:05.000Z"

func (c *call) describeImage(m *image) imageOut {
	o := imageOut{
		ID: m.ID, Location: m.Location, State: m.status(c.now), Owner: m.Owner, Alias: m.OwnerAlias,
		Created: m.Created.UTC().Format(imageTime), Public: m.public(), Arch: m.Arch, Type: "machine",
		Platform: m.platform(), Details: m.platformDetails(), Usage: "RunInstances", SRIOV: m.SRIOV, Name: m.Name, Description: m.Description,
		RootType: m.RootType, RootDevice: m.RootDevice, Devices: listOf(m.Devices), Virtualization: m.Virtualization,
		Tags: c.tagsOf(m.ID), Hypervisor: "xen", ENA: m.ENA, BootMode: m.BootMode, TPM: m.TPM, IMDS: m.IMDS,
		Protection: m.Protection, SourceInstance: m.SourceInstance, SourceImage: m.SourceImage, SourceRegion: m.SourceRegion,
	}
	for _, code := range m.Codes {
		o.Codes.Items = append(o.Codes.Items, productCode{code, "marketplace"})
	}
	if !m.Deprecated.IsZero() {
		o.Deprecated = m.Deprecated.UTC().Format(imageTime)
	}
	if !m.LastLaunched.IsZero() && !m.Public {
		o.LastLaunched = m.LastLaunched.UTC().Format(time.RFC3339)
	}
	if m.Failed != "" {
		o.StateReason = &reasonOut{"Client.ImageFailed", m.Failed}
	}
	return o
}

func (c *call) imageAttrs() attrs[*image] {
	ofDevices := func(f func(device) string) func(*image) []string {
		return func(m *image) []string {
			var all []string
			for _, d := range m.Devices {
				if d.EBS != nil {
					all = append(all, f(d))
				}
			}
			return all
		}
	}
	return attrs[*image]{
		"architecture":        one(func(m *image) string { return m.Arch }),
		"creation-date":       one(func(m *image) string { return m.Created.UTC().Format(imageTime) }),
		"description":         one(func(m *image) string { return m.Description }),
		"ena-support":         yes(func(m *image) bool { return m.ENA }),
		"hypervisor":          one(func(*image) string { return "xen" }),
		"image-id":            one(func(m *image) string { return m.ID }),
		"image-type":          one(func(*image) string { return "machine" }),
		"is-public":           yes(func(m *image) bool { return m.public() }),
		"manifest-location":   one(func(m *image) string { return m.Location }),
		"name":                one(func(m *image) string { return m.Name }),
		"owner-alias":         one(func(m *image) string { return m.OwnerAlias }),
		"owner-id":            one(func(m *image) string { return m.Owner }),
		"platform":            one((*image).platform),
		"platform-details":    one((*image).platformDetails),
		"usage-operation":     one(func(*image) string { return "RunInstances" }),
		"product-code":        func(m *image) []string { return m.Codes },
		"root-device-name":    one(func(m *image) string { return m.RootDevice }),
		"root-device-type":    one(func(m *image) string { return m.RootType }),
		"source-instance-id":  one(func(m *image) string { return m.SourceInstance }),
		"source-image-id":     one(func(m *image) string { return m.SourceImage }),
		"source-image-region": one(func(m *image) string { return m.SourceRegion }),
		"sriov-net-support":   one(func(m *image) string { return m.SRIOV }),
		"state":               one(func(m *image) string { return m.status(c.now) }),
		"virtualization-type": one(func(m *image) string { return m.Virtualization }),
		"boot-mode":           one(func(m *image) string { return m.BootMode }),
		"tpm-support":         one(func(m *image) string { return m.TPM }),
		"imds-support":        one(func(m *image) string { return m.IMDS }),

		"block-device-mapping.device-name": ofDevices(func(d device) string { return d.Name }),
		"block-device-mapping.snapshot-id": ofDevices(func(d device) string { return d.EBS.Snapshot }),
		"block-device-mapping.volume-type": ofDevices(func(d device) string { return d.EBS.Type }),
		"block-device-mapping.volume-size": ofDevices(func(d device) string { return itoa(*d.EBS.Size) }),
		"block-device-mapping.encrypted": ofDevices(func(d device) string {
			return strconv.FormatBool(d.EBS.Encrypted != nil && *d.EBS.Encrypted)
		}),
		"block-device-mapping.delete-on-termination": ofDevices(func(d device) string {
			return strconv.FormatBool(d.EBS.Delete != nil && *d.EBS.Delete)
		}),
	}
}
