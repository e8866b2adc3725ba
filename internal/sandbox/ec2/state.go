package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// state is all that there is, as it is stored.
type state struct {
	Regions  map[string]*region
	Roles    map[string]*role
	Profiles map[string]*profile
	Keys     map[string]string     // secrets of temporary access keys
	Layers   map[host.LayerID]bool // made of instances
	Files    map[string]bool       // of volumes and snapshots
	Objects  map[string]*object    // of S3, by bucket and key
	Uploads  map[string]*upload    // of S3 in parts, by id
}

// region is what there is in one region.
type region struct {
	Instances map[string]*instance
	Images    map[string]*image // own ones, and public ones that somebody has found
	Snapshots map[string]*snapshot
	Volumes   map[string]*volume
	KeyPairs  map[string]*keyPair // by name
	Groups    map[string]*group
	Templates map[string]*template
	Fleets    map[string]*fleet
	Tags      map[string]map[string]string // by id of the resource
	Tokens    map[string]token             // by action and client token
	Params    map[string]*parameter
	Secrets   map[string]*secretValue
	Imports   map[string]*importTask
}

// token is what a client token stands for.
type token struct {
	Request string // digest
	IDs     []string
}

// content is what is on a disk. Nothing is an empty disk.
type content struct {
	Base   *host.Base     `json:",omitempty"` // a file tree of the catalogue
	Layers []host.LayerID `json:",omitempty"` // file trees above it
	User   string         `json:",omitempty"` // who gets the key pair
	File   string         `json:",omitempty"` // or the bytes of a block device
}

func (c content) tree() bool { return c.Base != nil || len(c.Layers) > 0 }

type image struct {
	ID, Name, Description string
	Owner, OwnerAlias     string
	Location              string
	Public                bool // of the catalogue
	Arch                  string
	Virtualization        string
	RootDevice            string
	RootType              string // "ebs"
	Devices               []device
	ENA                   bool
	SRIOV                 string
	BootMode, TPM, IMDS   string
	UEFIData              string
	Created, Ready        time.Time
	Making                bool   // its disks are being read
	Failed                string // why it could not be made
	SourceInstance        string
	SourceImage           string
	SourceRegion          string
	Launch                []permission
	Deprecated            time.Time
	Protection            string // "disabled", "enabled-with-cooldown" …
	FastLaunch            *fastLaunch
	LastLaunched          time.Time
	Codes                 []string
	Windows               bool   // says that it is; what runs is as of the others
	Details               string // of its platform, "" for what follows from Windows
}

// permission is somebody who may launch an image or use a snapshot.
type permission struct {
	User  string `q:"UserId" xml:"userId,omitempty"`
	Group string `q:"Group" xml:"group,omitempty"`
	Org   string `q:"OrganizationArn" xml:"organizationArn,omitempty"`
	Unit  string `q:"OrganizationalUnitArn" xml:"organizationalUnitArn,omitempty"`
}

type snapshot struct {
	ID, Volume, Description string
	Size                    int // GiB
	Encrypted               bool
	KMSKey                  string
	Content                 content
	Created, Ready          time.Time
	Making                  bool
	Failed                  string
	Owner                   string
	Share                   []permission
}

type volume struct {
	ID, Zone, Type, Snapshot string
	Size, IOPS, Throughput   int
	Encrypted                bool
	KMSKey                   string
	Content                  content
	Created, Ready           time.Time
	Instance, Device         string // where it is attached
	Attached                 time.Time
	Detached                 time.Time // until when it is being detached
	DeleteWithInstance       bool
	Root                     bool
}

type keyPair struct {
	ID, Name, Type, Public, Fingerprint string
	Created                             time.Time
}

type group struct {
	ID, Name, Description, VPC string
	Ingress                    []rule
	Default                    bool
	Created                    time.Time
}

// phase is what an instance is doing or has done.
type phase string

const (
	starting    phase = "pending"
	stopping    phase = "stopping"
	terminating phase = "shutting-down"
)

type instance struct {
	ID, Reservation    string
	Index              int
	Launch             launchData
	Image              string
	Content            content // of its root disk
	Arch               string
	RootDevice         string
	Virtualization     string
	ENA                bool
	SRIOV              string
	BootMode           string
	Zone, Subnet, VPC  string
	Groups             []string
	Private, Public    netip.Addr
	WantsPublic        bool
	Six                []string // IPv6 addresses, which lead nowhere
	Created, Launched  time.Time
	Phase              phase
	Done               time.Time // when the phase is over; zero while its machine is at it
	Reason, ReasonCode string
	Removed            bool   // its machine and disks are gone
	Spot               string // id of the request
	Fleet              string
	Interrupt          time.Time // when a spot instance is taken back
	Booted             bool      // it has booted once
}

// status is the name of the state at a time.
func (i *instance) status(now time.Time) string {
	over := !i.Done.IsZero() && !now.Before(i.Done)
	switch {
	case !over:
		return string(i.Phase)
	case i.Phase == starting:
		return "running"
	case i.Phase == stopping:
		return "stopped"
	}
	return "terminated"
}

func (s *state) init() {
	if s.Regions == nil {
		*s = state{
			Regions: map[string]*region{}, Roles: map[string]*role{}, Profiles: map[string]*profile{},
			Keys: map[string]string{}, Layers: map[host.LayerID]bool{}, Files: map[string]bool{},
		}
	}
	if s.Objects == nil { // also in a state from before there were any
		s.Objects, s.Uploads = map[string]*object{}, map[string]*upload{}
	}
}

// in returns a region, made with its default security group when nobody has
// asked for it yet.
func (s *state) in(name string) *region {
	r := s.Regions[name]
	if r == nil {
		r = &region{
			Instances: map[string]*instance{}, Images: map[string]*image{}, Snapshots: map[string]*snapshot{},
			Volumes: map[string]*volume{}, KeyPairs: map[string]*keyPair{}, Groups: map[string]*group{},
			Templates: map[string]*template{}, Fleets: map[string]*fleet{}, Tags: map[string]map[string]string{},
			Tokens: map[string]token{}, Params: map[string]*parameter{}, Secrets: map[string]*secretValue{},
		}
		g := defaultGroup(name)
		r.Groups[g.ID] = g
		s.Regions[name] = r
	}
	if r.Imports == nil {
		r.Imports = map[string]*importTask{}
	}
	return r
}

// forget drops instances that are terminated for long.
func (c *call) forget(now time.Time) {
	for id, i := range c.Instances {
		if i.Removed && i.status(now) == "terminated" && now.After(i.Done.Add(c.Timing.Terminated)) {
			delete(c.Instances, id)
			delete(c.Tags, id)
			delete(c.runtimes, id)
		}
	}
}

// visible reports whether what was made then is already found by those who ask.
func (c *call) visible(made time.Time) bool {
	return c.Timing.Consistency == 0 || c.now.After(made.Add(c.Timing.Consistency))
}

// Inventory returns what there is, a line each, without what every account has.
func (s *Server) Inventory() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var all []string
	add := func(where, kind, id, note string) {
		line := fmt.Sprintf("ec2 %s %s %s", where, kind, id)
		if note != "" {
			line += " (" + note + ")"
		}
		all = append(all, line)
	}
	for name, r := range s.state.Regions {
		r.inventory(now, func(kind, id, note string) { add(name, kind, id, note) })
	}
	for name := range s.state.Roles {
		add("iam", "role", name, "")
	}
	for name := range s.state.Profiles {
		add("iam", "instance-profile", name, "")
	}
	for name := range s.state.Objects {
		add("s3", "object", name, "")
	}
	for _, u := range s.state.Uploads {
		add("s3", "upload", u.Name, "")
	}
	slices.Sort(all)
	return all
}

func (r *region) inventory(now time.Time, add func(kind, id, note string)) {
	for id, i := range r.Instances {
		if !i.Removed {
			add("instance", id, i.status(now))
		}
	}
	for id, i := range r.Images {
		if !i.Public {
			add("image", id, i.Name+", "+i.status(now))
		}
	}
	for id, s := range r.Snapshots {
		if s.Owner == account {
			add("snapshot", id, s.status(now))
		}
	}
	for id, t := range r.Imports {
		if t.Status == importing {
			add("import-task", id, t.Status)
		}
	}
	for id, v := range r.Volumes {
		add("volume", id, v.status(now))
	}
	for name, k := range r.KeyPairs {
		add("key-pair", k.ID, name)
	}
	for id, g := range r.Groups {
		if !g.Default {
			add("security-group", id, g.Name)
		}
	}
	for id, t := range r.Templates {
		add("launch-template", id, t.Name)
	}
	for id, f := range r.Fleets {
		if !r.gone(f) {
			add("fleet", id, f.Type)
		}
	}
	for name := range r.Params {
		add("parameter", name, "")
	}
	for name := range r.Secrets {
		add("secret", name, "")
	}
}
