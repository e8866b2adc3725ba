package ec2

import (
	"encoding/json"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
)

// Owners of public images that have a name.
var aliases = map[string]string{"amazon": "137112412989", "aws-marketplace": "679593333241", "aws-backup-vault": "137112412990"}

const rootSize = 8 // GiB, of public images

// publicByID returns the image of the catalogue that stands for an id; nil
// where none does.
func (c *call) publicByID(id string) *image {
	if strings.HasPrefix(id, "ami-5") && len(id) == len("ami-")+17 || query.CheckID("ami", id) != nil {
		return nil
	}
	if _, ok := c.entry(id); !ok {
		return nil
	}
	m := c.blankPublic(id)
	m.Name = "sandbox/" + id
	return c.keepPublic(m, id)
}

// blankPublic returns a public image as most are.
func (c *call) blankPublic(id string) *image {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &image{
		ID: id, Owner: aliases["amazon"], OwnerAlias: "amazon", Public: true, Arch: hostArch(), Virtualization: "hvm",
		RootDevice: "/dev/xvda", RootType: "ebs", ENA: true, SRIOV: "simple", Created: made, Ready: made,
		Protection: "disabled",
	}
}

// hostArch is the architecture that machines have.
func hostArch() string {
	if goruntime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// keepPublic remembers a public image with its snapshot, under the names that
// the catalogue knows it by.
func (c *call) keepPublic(m *image, names ...string) *image {
	entry, _ := c.entry(append(names, m.Name)...)
	m.Windows = m.Windows || strings.HasPrefix(m.Name, "Windows_")
	base := entry.Base
	s := &snapshot{
		ID: idFor("snap", c.name+m.ID), Volume: "vol-ffffffff", Size: rootSize, Owner: m.Owner,
		Created: m.Created, Ready: m.Created, Content: content{Base: &base, User: entry.User},
	}
	size, encrypted, deleted := s.Size, false, true
	kind := "gp3"
	if root := m.root(); root != nil {
		kind = root.EBS.Type
	}
	m.Devices = []device{{Name: m.RootDevice, EBS: &ebs{Snapshot: s.ID, Size: &size, Type: kind, Encrypted: &encrypted, Delete: &deleted}}}
	if m.Location == "" {
		m.Location = m.OwnerAlias + "/" + m.Name
	}
	c.Snapshots[s.ID], c.Images[m.ID] = s, m
	c.changed = true
	return m
}

// publicLike returns the one image of the catalogue that a search finds, with
// attributes as the filters want them; nil where there is none.
func (c *call) publicLike(owners []string, filters []filter) *image {
	var names []string
	for _, f := range filters {
		if f.Name == "name" {
			names = f.Values
		}
		if f.Name == "image-id" {
			return nil // those are looked up by their ids
		}
	}
	if _, ok := c.entry(names...); !ok || len(owners)+len(names) == 0 {
		return nil
	}
	query, _ := json.Marshal([]any{c.name, owners, filters}) // strings can be written
	id := idFor("ami", string(query))
	if m := c.Images[id]; m != nil {
		return m
	}
	m := c.blankPublic(id)
	m.Name = "sandbox/" + id
	if len(owners) > 0 && owners[0] != "self" {
		m.own(owners[0])
	}
	for _, f := range filters {
		m.suit(f, c.tag)
	}
	if m.Owner == account || m.Owner == "self" {
		return nil
	}
	return c.keepPublic(m, names...)
}

func (m *image) own(by string) {
	m.Owner, m.OwnerAlias = by, ""
	if id, ok := aliases[by]; ok {
		m.Owner, m.OwnerAlias = id, by
	}
	for alias, id := range aliases {
		if id == by {
			m.OwnerAlias = alias
		}
	}
}

// suit gives an image the attribute that a filter asks for. What no attribute
// is set by here the image has or has not: the filters are asked afterwards.
func (m *image) suit(f filter, tag func(id, kind string, specs []tagSpec)) {
	if len(f.Values) == 0 {
		return
	}
	v := fill(f.Values[0])
	if key, ok := strings.CutPrefix(f.Name, "tag:"); ok {
		tag(m.ID, "image", []tagSpec{{Kind: "image", Tags: []tagIn{{key, v}}}})
		return
	}
	switch f.Name {
	case "name":
		m.Name = v
	case "architecture":
		m.Arch = v
	case "virtualization-type":
		m.Virtualization = v
	case "description":
		m.Description = v
	case "owner-id", "owner-alias":
		m.own(v)
	case "root-device-name":
		m.RootDevice = v
	case "manifest-location":
		m.Location = v
	case "boot-mode":
		m.BootMode = v
	case "tpm-support":
		m.TPM = v
	case "imds-support":
		m.IMDS = v
	case "ena-support":
		m.ENA = v == "true"
	case "creation-date":
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", v); err == nil {
			m.Created, m.Ready = at, at
			m.Deprecated = at.AddDate(2, 0, 0) // as EC2 does with public images
		}
	case "block-device-mapping.volume-type":
		m.Devices = []device{{Name: m.RootDevice, EBS: &ebs{Type: v}}}
	case "platform":
		m.Windows = v == "windows"
	case "platform-details":
		m.Details, m.Windows = v, strings.HasPrefix(v, "Windows")
	case "product-code":
		m.Codes = []string{v}
	}
}

// fill puts something in the place of a filter's wildcards.
func fill(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch ch := pattern[i]; {
		case ch == '\\' && i+1 < len(pattern):
			i++
			b.WriteByte(pattern[i])
		case ch == '*':
			b.WriteString("20260101")
		case ch == '?':
			b.WriteByte('0')
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}

// search returns the account's images, and those of the catalogue that a
// DescribeImages call is about.
func (c *call) search(in *describeImagesIn) ([]*image, error) {
	if len(in.IDs) > 0 {
		return c.imagesByID(in.IDs)
	}
	own := slices.DeleteFunc(c.sortedImages(), func(m *image) bool { return m.Public || !c.visible(m.Created) })
	tags := func(m *image) map[string]string { return c.Tags[m.ID] }
	found, err := pick(c.owned(own, in.Owners), in.Filters, c.imageAttrs(), tags)
	if err != nil || len(found) > 0 || onlySelf(in.Owners) {
		return found, err
	}
	for _, f := range in.Filters {
		if f.Name == "image-id" {
			for _, id := range f.Values {
				if m := c.findImage(id); m != nil && m.Public {
					found = append(found, m)
				}
			}
		}
	}
	if m := c.publicLike(in.Owners, in.Filters); m != nil {
		found = append(found, m)
	}
	return pick(c.owned(found, in.Owners), in.Filters, c.imageAttrs(), tags)
}

func (c *call) imagesByID(ids []string) ([]*image, error) {
	var all []*image
	for _, id := range ids {
		if err := query.CheckID("ami", id); err != nil {
			return nil, fail("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", id)
		}
		m := c.findImage(id)
		if m == nil || !m.Public && !c.visible(m.Created) {
			return nil, fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
		}
		all = append(all, m)
	}
	return all, nil
}

func (c *call) sortedImages() []*image {
	var all []*image
	for _, m := range c.Images {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *image) int { return a.Created.Compare(b.Created) })
	return all
}

func onlySelf(owners []string) bool {
	return len(owners) > 0 && !slices.ContainsFunc(owners, func(o string) bool { return o != "self" && o != account })
}

// owned returns the images of these owners; none are all.
func (c *call) owned(all []*image, owners []string) []*image {
	if len(owners) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(m *image) bool {
		return !slices.ContainsFunc(owners, func(o string) bool {
			return o == m.Owner || o == m.OwnerAlias && o != "" || o == "self" && m.Owner == account
		})
	})
}
