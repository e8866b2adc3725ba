package gce

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

// publisher is a project with public images. Its patterns say which names are
// its own; the first publisher whose pattern fits has the image.
type publisher struct {
	project  string
	patterns []string
	families []string // that are listed
}

func publishers() []publisher {
	words := strings.Fields
	return []publisher{
		{"debian-cloud", words("debian-*"), words("debian-11 debian-12 debian-12-arm64 debian-13 debian-13-arm64")},
		{"ubuntu-os-pro-cloud", words("ubuntu-pro-*"), words("ubuntu-pro-2204-lts ubuntu-pro-2404-lts-amd64")},
		{"ubuntu-os-accelerator-images", words("ubuntu-accelerator-*"), nil},
		{"ubuntu-os-cloud", words("ubuntu-*"), words("ubuntu-2204-lts ubuntu-2204-lts-arm64 ubuntu-2404-lts-amd64 ubuntu-2404-lts-arm64 ubuntu-minimal-2404-lts-amd64")},
		{"rocky-linux-accelerator-cloud", words("rocky-linux-*-nvidia-*"), nil},
		{"rocky-linux-cloud", words("rocky-linux-*"), words("rocky-linux-8 rocky-linux-9 rocky-linux-9-arm64")},
		{"almalinux-cloud", words("almalinux-*"), words("almalinux-8 almalinux-9")},
		{"centos-cloud", words("centos-*"), words("centos-stream-9")},
		{"rhel-sap-cloud", words("rhel-*-sap*"), nil},
		{"rhel-cloud", words("rhel-*"), words("rhel-8 rhel-9")},
		{"suse-sap-cloud", words("sles-*-sap*"), nil},
		{"suse-byos-cloud", words("sles-*-byos*"), nil},
		{"suse-cloud", words("sles-*"), words("sles-15")},
		{"opensuse-cloud", words("opensuse-*"), words("opensuse-leap")},
		{"oracle-linux-cloud", words("oracle-linux-*"), words("oracle-linux-9")},
		{"fedora-coreos-cloud", words("fedora-coreos-*"), words("fedora-coreos-stable")},
		{"fedora-cloud", words("fedora-*"), nil},
		{"freebsd-org-cloud-dev", words("freebsd-*"), nil},
		{"cos-cloud", words("cos-*"), words("cos-stable cos-113-lts")},
		{"cloud-hpc-image-public", words("hpc-*"), nil},
		{"deeplearning-platform-release", words("common-* tf-* tf2-* pytorch-* c?-deeplearning-*"), nil},
		{"ml-images", words("tpu-* debian-*-tf-* tf-*-for-tpu*"), nil},
		{"windows-sql-cloud", words("sql-*"), nil},
		{"windows-cloud", words("windows-*"), nil},
		{"gce-uefi-images", nil, nil},
		{"google-containers", nil, nil},
		{"opensuse-public", nil, nil},
	}
}

func publicProject(project string) bool {
	return slices.ContainsFunc(publishers(), func(p publisher) bool { return p.project == project })
}

// publisherOf is the project that has public images of such a name: the first
// one where nobody is known for it.
func publisherOf(name string) (project string, known bool) {
	for _, p := range publishers() {
		for _, pattern := range p.patterns {
			if ok, _ := path.Match(pattern, name); ok {
				return p.project, true
			}
		}
	}
	return publishers()[0].project, false
}

// release is what the names of public images end with. It is fixed, so that
// the same template finds the same image in each sandbox.
const release = "-v20260114"

var (
	released = regexp.MustCompile(`^(.*?)-(?:v?\d{8}[a-z]?|\d+-\d+-\d+)(?:-.*)?$`) // the name of an image, not of a family
	codename = regexp.MustCompile(`^(debian-\d+)-[a-z]{4,}`)
	debian   = regexp.MustCompile(`^(debian-\d+)(.*)$`)
)

// public returns the public image of a name or a family, made when the
// catalogue has one for it; nil when not. A pattern as "PROJECT/NAME" is for
// images of any project; one without a project for those of the public project
// that has such names; and the one for any image for names that public images
// are known to have. What says that it is Windows runs as what stands for it.
func (s *Server) public(project, name, family string) *resource {
	asked := name + family
	if family != "" {
		name = imageName(family)
	} else if m := released.FindStringSubmatch(name); m != nil {
		family = codename.ReplaceAllString(m[1], "$1")
	}
	at := "projects/" + project + "/global/images/" + name
	if r := s.state.Resources[at]; r != nil {
		if r.Given {
			return r
		}
		return nil
	}
	names := []string{project + "/" + asked}
	if of, _ := publisherOf(asked); of == project {
		names = append(names, asked, family, name)
	}
	found, ok := s.options.Catalog().Find(names...)
	if !ok || found.Match == "*" && !usual(project, asked, family) {
		return nil
	}
	r := publicImage(at, project, name, family, names)
	s.state.Resources[at] = r
	s.dirty = true
	return r
}

// usual reports whether the project is known for images or families of such a
// name.
func usual(project, asked, family string) bool {
	of, known := publisherOf(asked)
	return known && of == project && (asked == family || released.MatchString(asked))
}

// imageName is the image of a family.
func imageName(family string) string {
	if m := debian.FindStringSubmatch(family); m != nil {
		if suite, ok := map[string]string{"debian-11": "bullseye", "debian-12": "bookworm", "debian-13": "trixie"}[m[1]]; ok {
			return m[1] + "-" + suite + m[2] + release
		}
	}
	return family + release
}

func publicImage(at, project, name, family string, names []string) *resource {
	arch := "X86_64"
	if strings.Contains(name, "arm64") {
		arch = "ARM64"
	}
	var features []*compute.GuestOsFeature
	has := []string{"UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC"}
	if strings.HasPrefix(project, "windows-") {
		has = append(has, "WINDOWS")
	}
	for _, f := range has {
		features = append(features, &compute.GuestOsFeature{Type: f})
	}
	id := fixedID(at)
	return &resource{ID: id, Given: true, Content: &content{Public: names}, Image: &compute.Image{
		Kind: "compute#image", Id: id, Name: name, SelfLink: link(at), Status: "READY", SourceType: "RAW", Family: family,
		CreationTimestamp: stamp(time.Date(2026, 1, 14, 8, 0, 0, 0, time.UTC)), Description: "Stands for " + project + "/" + name,
		DiskSizeGb: 10, ArchiveSizeBytes: 1 << 30, Architecture: arch, GuestOsFeatures: features,
		LabelFingerprint: fingerprint(nil), StorageLocations: []string{"us"},
		Licenses: []string{link("projects/" + project + "/global/licenses/" + family)}}}
}

// listImages lists the images of a project. Public projects have one for each
// family, and those that the filter names.
func listImages(c *call) (any, error) {
	c.openProject()
	project := c.param("project")
	for _, p := range publishers() {
		if p.project == project {
			for _, family := range p.families {
				c.public(project, "", family)
			}
		}
	}
	below := "projects/" + project + "/global/images/"
	if f, err := parseFilter(c.param("filter"), c.knownField); err == nil && c.param("filter") != "" && publicProject(project) {
		items, err := generic(c.below(below))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(items, func(item map[string]any) bool { return f.match(item) }) {
			c.publicFor(project, f)
		}
	}
	return c.list("compute#imageList", c.below(below))
}

// publicFor makes the public image that a filter asks for by its name or
// family, with what wildcards stand for filled in.
func (c *call) publicFor(project string, f filter) {
	var name, family string
	f.terms(func(t term) {
		if t.op != "=" && t.op != ":" && t.op != "eq" {
			return
		}
		value := strings.ReplaceAll(t.value, ".*", "*")
		switch t.field {
		case "family":
			family = strings.TrimSuffix(strings.ReplaceAll(value, "*", ""), "-")
		case "name":
			name = strings.ReplaceAll(value, "*", "")
			if strings.HasSuffix(value, "*") {
				name = strings.TrimSuffix(strings.TrimSuffix(name, "-v"), "-") + release
			}
		}
	})
	switch {
	case name != "":
		if r := c.public(project, name, ""); r != nil && family != "" && r.Given {
			r.Image.Family = family
		}
	case family != "":
		c.public(project, "", family)
	}
}
