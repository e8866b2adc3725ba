package google

import (
	"fmt"
	"os"
	"slices"
	"strings"

	gce "google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"github.com/ingot-build/ingot/internal/hostfile"
)

// body is what instances.insert is asked for.
func (l *launch) body() (*gce.Instance, error) {
	metadata, err := l.metadata(l.WaitToAddSSHKeys == 0)
	if err != nil {
		return nil, err
	}
	i := &gce.Instance{
		Name: l.name, Description: "An image is being made of it by ingot",
		MachineType: l.zoneURL("machineTypes", l.MachineType), MinCpuPlatform: l.MinCPUPlatform,
		Labels: merged(l.Labels, l.labels), Metadata: metadata, Disks: l.disks(),
		NetworkInterfaces: []*gce.NetworkInterface{l.networkInterface()},
		Scheduling:        l.scheduling(), ServiceAccounts: l.serviceAccounts(),
	}
	if len(l.Tags) > 0 {
		i.Tags = &gce.Tags{Items: l.Tags}
	}
	if len(l.ResourceManagerTags) > 0 {
		i.Params = &gce.InstanceParams{ResourceManagerTags: l.ResourceManagerTags}
	}
	if l.AcceleratorCount > 0 {
		kind := l.AcceleratorType
		if !strings.Contains(kind, "/") {
			kind = l.zoneURL("acceleratorTypes", kind)
		}
		i.GuestAccelerators = []*gce.AcceleratorConfig{{AcceleratorType: kind, AcceleratorCount: l.AcceleratorCount}}
	}
	if r := l.ReservationAffinity; r != nil {
		i.ReservationAffinity = &gce.ReservationAffinity{ConsumeReservationType: r.ConsumeReservationType, Key: r.Key, Values: r.Values}
	}
	if l.EnableNestedVirtualization {
		i.AdvancedMachineFeatures = &gce.AdvancedMachineFeatures{EnableNestedVirtualization: true}
	}
	if l.EnableSecureBoot || l.EnableVTPM || l.EnableIntegrityMonitoring {
		i.ShieldedInstanceConfig = &gce.ShieldedInstanceConfig{
			EnableSecureBoot: l.EnableSecureBoot, EnableVtpm: l.EnableVTPM, EnableIntegrityMonitoring: l.EnableIntegrityMonitoring,
			ForceSendFields: []string{"EnableSecureBoot", "EnableVtpm", "EnableIntegrityMonitoring"},
		}
	}
	return i, nil
}

func (l *launch) networkInterface() *gce.NetworkInterface {
	n := &gce.NetworkInterface{Network: l.networkURL(), Subnetwork: l.subnetworkURL(), NetworkIP: l.NetworkIP}
	if !l.OmitExternalIP {
		n.AccessConfigs = []*gce.AccessConfig{{Name: "External NAT", Type: "ONE_TO_ONE_NAT", NatIP: l.address}}
	}
	return n
}

func (l *launch) serviceAccounts() []*gce.ServiceAccount {
	email := l.ServiceAccountEmail
	if email == "" {
		if l.DisableDefaultServiceAccount {
			return nil
		}
		email = "default"
	}
	scopes := l.Scopes
	if len(scopes) == 0 {
		const base = "https://www.googleapis.com/auth/"
		scopes = []string{base + "userinfo.email", base + "compute", base + "devstorage.full_control"}
	}
	return []*gce.ServiceAccount{{Email: email, Scopes: scopes}}
}

// scheduling says when the instance may be ended. Instances on reservations or
// sole-tenant nodes can't have a lifetime that the user did not ask for.
func (l *launch) scheduling() *gce.Scheduling {
	s := &gce.Scheduling{OnHostMaintenance: l.OnHostMaintenance, Preemptible: l.Preemptible, InstanceTerminationAction: l.InstanceTerminationAction}
	if l.Preemptible {
		s.AutomaticRestart = googleapi.Bool(false)
	}
	for _, n := range l.NodeAffinity {
		s.NodeAffinities = append(s.NodeAffinities, &gce.SchedulingNodeAffinity{Key: n.Key, Operator: n.Operator, Values: n.Values})
	}
	run, action := l.MaxRunDurationInSeconds, "STOP"
	if run == 0 && l.ReservationAffinity == nil && len(l.NodeAffinity) == 0 {
		run, action = int64(l.MaxLifetime.Seconds()), "DELETE"
	}
	if run > 0 {
		s.MaxRunDuration = &gce.Duration{Seconds: run}
		s.AutomaticRestart = googleapi.Bool(false)
		if s.InstanceTerminationAction == "" {
			s.InstanceTerminationAction = action
		}
	}
	return s
}

func (k *EncryptionKey) api() *gce.CustomerEncryptionKey {
	if k == nil {
		return nil
	}
	return &gce.CustomerEncryptionKey{KmsKeyName: k.KMSKeyName, RawKey: k.RawKey.Reveal()}
}

// disks are the boot disk, which outlives the instance so that the image can be
// made of it, and the others.
func (l *launch) disks() []*gce.AttachedDisk {
	list := []*gce.AttachedDisk{{
		Boot: true, Type: "PERSISTENT", Mode: "READ_WRITE", AutoDelete: false,
		DiskEncryptionKey: l.DiskEncryptionKey.api(),
		InitializeParams: &gce.AttachedDiskInitializeParams{
			DiskName: l.disk, DiskSizeGb: l.DiskSize, DiskType: l.zoneURL("diskTypes", l.DiskType),
			SourceImage: l.image, Labels: merged(l.Labels, l.labels), ResourceManagerTags: l.ResourceManagerTags,
		},
	}}
	if l.again {
		list[0].InitializeParams.SourceImageEncryptionKey = l.ImageEncryptionKey.api()
	}
	for i, d := range l.DiskAttachment {
		if d.SourceVolume != "" && l.env.Trial {
			continue // it is another's to write to, perhaps that of the build, which is just ending
		}
		list = append(list, l.attached(i))
	}
	return list
}

// keeps reports whether a disk stays when the instance ends. Nothing stays of
// a test.
func (l *launch) keeps(d DiskAttachment) bool { return d.KeepDevice && !l.env.Trial }

// attachedName is the name of a disk of disk_attachment that is made.
func (l *launch) attachedName(i int) string {
	if name := l.DiskAttachment[i].DiskName; name != "" && !l.env.Trial {
		return name
	}
	return fmt.Sprintf("%s-%d", l.name[:min(len(l.name), 60)], i+1)
}

func (l *launch) attached(i int) *gce.AttachedDisk {
	d := l.DiskAttachment[i]
	a := &gce.AttachedDisk{
		Type: "PERSISTENT", Mode: d.AttachmentMode, Interface: d.InterfaceType, DeviceName: d.DeviceName,
		DiskEncryptionKey: d.DiskEncryptionKey.api(), Source: d.SourceVolume,
	}
	if a.Mode == "" {
		a.Mode = "READ_WRITE"
	}
	switch {
	case d.SourceVolume != "":
		return a
	case d.VolumeType == scratch:
		a.Type, a.AutoDelete = "SCRATCH", true
		a.InitializeParams = &gce.AttachedDiskInitializeParams{DiskType: l.zoneURL("diskTypes", "local-ssd"), DiskSizeGb: d.VolumeSize}
		return a
	}
	a.AutoDelete = !l.keeps(d) && !d.CreateImage
	p := &gce.AttachedDiskInitializeParams{
		DiskName: l.attachedName(i), DiskSizeGb: d.VolumeSize, DiskType: l.zoneURL("diskTypes", d.VolumeType),
		ProvisionedIops: d.IOPS, SourceImage: d.SourceImage,
		Labels: merged(l.Labels, l.labels), ResourceManagerTags: l.ResourceManagerTags,
	}
	if l.keeps(d) {
		p.Labels = l.Labels // it stays: a sweep must not take it
	}
	if len(d.ReplicaZones) > 0 {
		p.DiskType = "regions/" + l.Region + "/diskTypes/" + d.VolumeType
		for _, zone := range append([]string{l.Zone}, d.ReplicaZones...) {
			p.ReplicaZones = append(p.ReplicaZones, "projects/"+l.ProjectID+"/zones/"+zone)
		}
	}
	a.InitializeParams = p
	return a
}

// Keys of metadata that mean something to the guest agent.
const (
	osLoginKey       = "enable-oslogin"
	sshKeysKey       = "ssh-keys"
	startupScriptKey = "startup-script"
)

// metadata is the instance's metadata, with the key for the login or without.
func (l *launch) metadata(withKey bool) (*gce.Metadata, error) {
	values := map[string]string{}
	for k, v := range l.Metadata {
		values[k] = v.Reveal()
	}
	for k, file := range l.MetadataFiles {
		text, err := os.ReadFile(hostfile.Path(l.host.Dir, file))
		if err != nil {
			return nil, fmt.Errorf("metadata_files: %w", err)
		}
		values[k] = string(text)
	}
	if l.StartupScriptFile != "" {
		text, err := os.ReadFile(hostfile.Path(l.host.Dir, l.StartupScriptFile))
		if err != nil {
			return nil, fmt.Errorf("startup_script_file: %w", err)
		}
		values[startupScriptKey] = string(text)
	}
	if script := values[startupScriptKey]; script != "" && l.waitsForStartup() {
		values[startupScriptKey] = wrapStartup(script, l.name)
	}
	if l.UseOSLogin != nil {
		values[osLoginKey] = strings.ToUpper(fmt.Sprint(*l.UseOSLogin))
	}
	if keys := l.sshKeys(values[sshKeysKey]); withKey && keys != "" {
		values[sshKeysKey] = keys
	}
	if l.windows != nil {
		if err := l.addWindowsKey(values); err != nil {
			return nil, err
		}
	}
	return metadataOf(values), nil
}

// sshKeys adds the key for the login to those that the template gives.
func (l *launch) sshKeys(given string) string {
	if l.public == "" || l.osLogin {
		return given
	}
	return strings.TrimSpace(l.user + ":" + l.public + "\n" + given)
}

func metadataOf(values map[string]string) *gce.Metadata {
	m := &gce.Metadata{}
	for k, v := range values {
		m.Items = append(m.Items, &gce.MetadataItems{Key: k, Value: &v})
	}
	slices.SortFunc(m.Items, func(a, b *gce.MetadataItems) int { return strings.Compare(a.Key, b.Key) })
	return m
}
