package gce

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

func insertInstance(c *call) (any, error) {
	var in compute.Instance
	if err := c.into(&in); err != nil {
		return nil, err
	}
	c.openProject()
	path := c.target()
	if c.state.Resources[path] != nil {
		return nil, exists(path)
	}
	r := &resource{ID: newID(), Instance: &in}
	for _, check := range []func(string, *resource) error{c.machineType, c.checkInstance, c.checkScheduling, c.network, c.instanceDisks} {
		if err := check(path, r); err != nil {
			return nil, err
		}
	}
	c.completeInstance(path, r)
	if err := c.add(path, r); err != nil {
		return nil, err
	}
	return c.begin(path, r.ID)
}

func (c *call) completeInstance(path string, r *resource) {
	in := r.Instance
	scope, _, _ := strings.Cut(path, "/instances/")
	in.Kind, in.Id, in.SelfLink, in.Zone = "compute#instance", r.ID, link(path), link(scope)
	in.Status, in.CreationTimestamp = "PROVISIONING", stamp(time.Now())
	in.CpuPlatform = cmp.Or(in.MinCpuPlatform, "Intel Broadwell")
	in.LabelFingerprint, in.Fingerprint = fingerprint(in.Labels), fingerprint(in.Id)
	in.LastStartTimestamp, in.LastStopTimestamp, in.Params = "", "", nil
	if in.Metadata == nil {
		in.Metadata = &compute.Metadata{}
	}
	in.Metadata.Kind, in.Metadata.Fingerprint = "compute#metadata", fingerprint(in.Metadata.Items)
	if in.Tags == nil {
		in.Tags = &compute.Tags{}
	}
	in.Tags.Fingerprint = fingerprint(in.Tags.Items)
	c.occupy(path, in, true)
}

// occupy marks the reserved addresses of an instance as in use, or not any more.
func (s *Server) occupy(path string, in *compute.Instance, on bool) {
	for _, n := range in.NetworkInterfaces {
		for _, a := range n.AccessConfigs {
			if r := s.reserved(path, a.NatIP); r != nil && on {
				r.Address.Users, r.Address.Status = []string{link(path)}, "IN_USE"
			} else if r != nil {
				r.Address.Users, r.Address.Status = nil, "RESERVED"
			}
		}
	}
}

// reserved finds the address resource of an address in the project of a path.
func (s *Server) reserved(path, ip string) *resource {
	project, _, _ := strings.Cut(strings.TrimPrefix(path, "projects/"), "/")
	for at, r := range s.state.Resources {
		if r.Address != nil && r.Address.Address == ip && strings.HasPrefix(at, "projects/"+project+"/") {
			return r
		}
	}
	return nil
}

func (c *call) machineType(path string, r *resource) error {
	in := r.Instance
	field := "resource.machineType"
	if in.MachineType == "" {
		return invalid(field, "", "A machine type must be given.")
	}
	scope, _, _ := strings.Cut(path, "/instances/")
	name := last(in.MachineType)
	at := reference(in.MachineType, c.relative(in.MachineType))
	if at != scope+"/machineTypes/"+name {
		return invalid(field, in.MachineType, "The URL is malformed, or of another zone than the instance.")
	}
	if makeMachineType(at, name) == nil {
		return invalid(field, in.MachineType, "The referenced machine type resource cannot be found.")
	}
	in.MachineType = link(at)
	for _, a := range in.GuestAccelerators {
		kind := last(a.AcceleratorType)
		if a.AcceleratorCount < 1 || makeAccelerator(scope+"/acceleratorTypes/"+kind, kind) == nil {
			return invalid("resource.guestAccelerators[0].acceleratorType", a.AcceleratorType, "The referenced acceleratorType resource cannot be found.")
		}
		a.AcceleratorType = link(scope + "/acceleratorTypes/" + kind)
	}
	return nil
}

var hostname = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$`)

func (c *call) checkInstance(_ string, r *resource) error {
	in := r.Instance
	if err := checkLabels(in.Labels); err != nil {
		return err
	}
	if err := checkMetadata(in.Metadata); err != nil {
		return err
	}
	if len(in.ServiceAccounts) > 1 {
		return invalid("resource.serviceAccounts", "", "At most one service account can be given.")
	}
	for _, a := range in.ServiceAccounts {
		if a.Email == "" || a.Email != "default" && !strings.Contains(a.Email, "@") {
			return invalid("resource.serviceAccounts[0].email", a.Email, "It must be an email address.")
		}
		if a.Email == "default" {
			a.Email = fmt.Sprintf("%d-compute@developer.gserviceaccount.com", c.openProject().Number)
		}
		if len(a.Scopes) == 0 {
			return invalid("resource.serviceAccounts[0].scopes", "", "You must specify at least one scope for the service account.")
		}
	}
	if in.Hostname != "" && !hostname.MatchString(in.Hostname) {
		return invalid("resource.hostname", in.Hostname, "Must be a fully qualified domain name.")
	}
	if from := c.param("sourceInstanceTemplate") + c.param("sourceMachineImage"); from != "" {
		return badRequest("The sandbox has no instance templates and machine images: %s", from)
	}
	return nil
}

// Bounds of maxRunDuration, in seconds: 30 s to 120 days.
const (
	minRun = 30
	maxRun = 120 * 24 * 3600
)

func (c *call) checkScheduling(_ string, r *resource) error {
	in := r.Instance
	if in.Scheduling == nil {
		in.Scheduling = &compute.Scheduling{}
	}
	s := in.Scheduling
	spot := s.Preemptible || s.ProvisioningModel == "SPOT"
	if s.AutomaticRestart == nil {
		restart := !spot
		s.AutomaticRestart = &restart
	}
	if spot {
		if *s.AutomaticRestart {
			return invalid("resource.scheduling.automaticRestart", "true", "Automatic restart cannot be enabled for a preemptible instance.")
		}
		if s.OnHostMaintenance == "MIGRATE" {
			return invalid("resource.scheduling.onHostMaintenance", "MIGRATE", "Preemptible instances cannot live migrate: it must be TERMINATE.")
		}
		s.OnHostMaintenance, s.Preemptible = "TERMINATE", true
	}
	s.OnHostMaintenance = cmp.Or(s.OnHostMaintenance, "MIGRATE")
	s.ProvisioningModel = cmp.Or(s.ProvisioningModel, map[bool]string{true: "SPOT", false: "STANDARD"}[spot])
	if s.OnHostMaintenance == "MIGRATE" && len(in.GuestAccelerators) > 0 {
		return invalid("resource.scheduling.onHostMaintenance", "MIGRATE", "Instances with guest accelerators do not support live migration.")
	}
	if s.MaxRunDuration != nil {
		if n := s.MaxRunDuration.Seconds; n < minRun || n > maxRun {
			return invalid("resource.scheduling.maxRunDuration.seconds", strconv.FormatInt(n, 10), "It must be between %d and %d.", minRun, maxRun)
		}
		if s.InstanceTerminationAction == "" {
			return invalid("resource.scheduling.instanceTerminationAction", "", "It must be specified with maxRunDuration.")
		}
	} else if s.InstanceTerminationAction != "" && !spot {
		return invalid("resource.scheduling.instanceTerminationAction", s.InstanceTerminationAction, "It can only be specified for Spot instances, or with maxRunDuration.")
	}
	return nil
}

// instanceDisks makes the disks that the instance is to have, and takes those
// that exist.
func (c *call) instanceDisks(path string, r *resource) error {
	in := r.Instance
	if len(in.Disks) == 0 {
		return invalid("resource.disks", "", "No disks are specified.")
	}
	if !in.Disks[0].Boot {
		return invalid("resource.disks", "", "Boot disk must be the first disk attached to the instance.")
	}
	made := map[string]*resource{}
	var taken []*resource
	for i, d := range in.Disks {
		if i > 0 && d.Boot {
			return invalid(fmt.Sprintf("resource.disks[%d].boot", i), "true", "Only one boot disk can be specified.")
		}
		if d.DeviceName != "" {
			others := &resource{Instance: &compute.Instance{Disks: in.Disks[:i]}}
			if err := others.newDevice(d.DeviceName, fmt.Sprintf("resource.disks[%d].deviceName", i)); err != nil {
				return err
			}
		}
		disk, at, isNew, err := c.instanceDisk(path, r, i)
		if err != nil {
			return err
		}
		completeAttached(d, i, disk, at)
		if disk == nil {
			continue
		}
		if i == 0 && !disk.Content.bootable() {
			return invalid("resource.disks[0].source", d.Source, "The disk is not bootable: it was not made from an image.")
		}
		if isNew {
			if made[at] != nil {
				return exists(at)
			}
			made[at] = disk
		}
		taken = append(taken, disk)
	}
	for at, disk := range made {
		if err := c.add(at, disk); err != nil {
			return err
		}
	}
	for _, disk := range taken {
		disk.attached(path, true)
	}
	return nil
}

// instanceDisk returns the disk number i, nil for a local one.
func (c *call) instanceDisk(path string, r *resource, i int) (disk *resource, at string, isNew bool, err error) {
	d := r.Instance.Disks[i]
	field := fmt.Sprintf("resource.disks[%d].", i)
	scope, _, _ := strings.Cut(path, "/instances/")
	switch {
	case d.Type == "SCRATCH":
		if i == 0 {
			return nil, "", false, invalid(field+"type", d.Type, "A local SSD cannot be the boot disk.")
		}
		r.Scratch = append(r.Scratch, fmt.Sprintf("%d-%d.img", r.ID, i))
		return nil, "", false, nil
	case d.Source != "" && d.InitializeParams != nil:
		return nil, "", false, invalid(field+"source", d.Source, "Either source or initializeParams can be given, not both.")
	case d.Source != "":
		at, disk, err = c.disk(d.Source, field+"source")
		if err != nil {
			return nil, "", false, err
		}
		if len(disk.Disk.Users) > 0 && d.Mode != "READ_ONLY" {
			return nil, "", false, inUse("disk", at, strings.TrimPrefix(disk.Disk.Users[0], link("")))
		}
		return disk, at, false, sameKey(disk.Disk.DiskEncryptionKey, d.DiskEncryptionKey, "disk", at)
	case d.InitializeParams == nil:
		return nil, "", false, invalid(field+"initializeParams", "", "Either source or initializeParams must be given.")
	}
	p := d.InitializeParams
	name := cmp.Or(p.DiskName, last(path))
	if i > 0 && p.DiskName == "" {
		name = fmt.Sprintf("%s-%d", last(path), i)
	}
	if !familyName.MatchString(name) {
		return nil, "", false, invalid(field+"initializeParams.diskName", name, "Must be a match of regex '%s'", familyName)
	}
	at = scope + "/disks/" + name
	if len(p.ReplicaZones) > 0 {
		at = "projects/" + c.param("project") + "/regions/" + regionOf(last(scope)) + "/disks/" + name
	}
	disk, err = c.newDisk(at, &compute.Disk{Description: p.Description, SizeGb: cmp.Or(p.DiskSizeGb, d.DiskSizeGb), Type: p.DiskType,
		Labels: p.Labels, Licenses: p.Licenses, SourceImage: p.SourceImage, SourceSnapshot: p.SourceSnapshot,
		SourceImageEncryptionKey: p.SourceImageEncryptionKey, SourceSnapshotEncryptionKey: p.SourceSnapshotEncryptionKey,
		DiskEncryptionKey: d.DiskEncryptionKey, ReplicaZones: p.ReplicaZones, ProvisionedIops: p.ProvisionedIops,
		ProvisionedThroughput: p.ProvisionedThroughput, ResourcePolicies: p.ResourcePolicies, GuestOsFeatures: d.GuestOsFeatures,
		Architecture: p.Architecture}, field+"initializeParams.")
	return disk, at, true, err
}

// completeAttached fills in what the service does.
func completeAttached(d *compute.AttachedDisk, i int, disk *resource, at string) {
	d.Kind, d.Index, d.InitializeParams = "compute#attachedDisk", int64(i), nil
	d.Type, d.Mode = cmp.Or(d.Type, "PERSISTENT"), cmp.Or(d.Mode, "READ_WRITE")
	d.Interface = cmp.Or(d.Interface, "SCSI")
	d.DeviceName = cmp.Or(d.DeviceName, fmt.Sprintf("persistent-disk-%d", i))
	d.DiskEncryptionKey = hideKey(d.DiskEncryptionKey)
	if disk == nil {
		d.DiskSizeGb = 375
		return
	}
	d.Source, d.DiskSizeGb = link(at), disk.Disk.SizeGb
	d.Licenses, d.Architecture, d.GuestOsFeatures = disk.Disk.Licenses, disk.Disk.Architecture, disk.Disk.GuestOsFeatures
}

// network completes the network interface: where it is, and its addresses.
func (c *call) network(path string, r *resource) error {
	in := r.Instance
	if len(in.NetworkInterfaces) == 0 {
		return invalid("resource.networkInterfaces", "", "At least one network interface is required.")
	}
	for i, n := range in.NetworkInterfaces {
		field := fmt.Sprintf("resource.networkInterfaces[%d].", i)
		if err := c.subnet(n, field); err != nil {
			return err
		}
		n.Kind, n.Name = "compute#networkInterface", fmt.Sprintf("nic%d", i)
		n.Fingerprint, n.StackType = fingerprint(n.Name+path), cmp.Or(n.StackType, "IPV4_ONLY")
		if err := c.internalAddress(n, field); err != nil {
			return err
		}
		for _, a := range n.AccessConfigs {
			if err := c.accessConfig(a, path, field); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *call) accessConfig(a *compute.AccessConfig, path, field string) error {
	a.Kind, a.Type = "compute#accessConfig", cmp.Or(a.Type, "ONE_TO_ONE_NAT")
	a.Name, a.NetworkTier = cmp.Or(a.Name, "External NAT"), cmp.Or(a.NetworkTier, "PREMIUM")
	if a.NatIP == "" {
		ip, err := c.options.Host.Address()
		a.NatIP = ip.String()
		return err
	}
	if r := c.reserved(path, a.NatIP); r != nil {
		if len(r.Address.Users) > 0 {
			return badRequest("External IP address: %s is already in-use.", a.NatIP)
		}
		return nil
	}
	return invalid(field+"accessConfigs[0].natIP", a.NatIP, "The specified external IP address '%s' was not found in region '%s'.", a.NatIP, regionOf(c.param("zone")))
}

func (c *call) internalAddress(n *compute.NetworkInterface, field string) error {
	if n.NetworkIP == "" {
		ip, err := c.options.Host.Address()
		n.NetworkIP = ip.String()
		return err
	}
	at, err := netip.ParseAddr(n.NetworkIP)
	if err != nil {
		return invalid(field+"networkIP", n.NetworkIP, "Must be an IP address.")
	}
	s := c.state.Resources[strings.TrimPrefix(n.Subnetwork, link(""))]
	if s == nil {
		return nil
	}
	if within, err := netip.ParsePrefix(s.Subnetwork.IpCidrRange); err == nil && !within.Contains(at) {
		return invalid(field+"networkIP", n.NetworkIP, "Requested internal IP address is outside the subnetwork CIDR range.")
	}
	taken := slices.ContainsFunc(c.state.paths("projects/"), func(p string) bool {
		other := c.state.Resources[p].Instance
		return other != nil && slices.ContainsFunc(other.NetworkInterfaces, func(o *compute.NetworkInterface) bool {
			return o.NetworkIP == n.NetworkIP && o.Subnetwork == n.Subnetwork
		})
	})
	if taken {
		return &apiError{Code: 400, Reason: "invalid", Message: fmt.Sprintf("IP '%s' is already being used by another resource.", n.NetworkIP)}
	}
	return nil
}
