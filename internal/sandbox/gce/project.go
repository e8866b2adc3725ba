package gce

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/api/compute/v1"
)

// openProject returns the call's project: any there is, with a default network
// from the start.
func (c *call) openProject() *project {
	name := c.param("project")
	if p := c.state.Projects[name]; p != nil {
		return p
	}
	p := &project{Number: fixedID("project "+name)/1e7 + 1, Metadata: &compute.Metadata{Kind: "compute#metadata", Fingerprint: fingerprint(nil)}}
	c.state.Projects[name] = p
	c.dirty = true
	if publicProject(name) {
		return p
	}
	global := "projects/" + name + "/global/"
	network := &resource{ID: newID(), Given: true, Network: &compute.Network{Description: "Default network for the project", AutoCreateSubnetworks: true}}
	c.addNetwork(global+"networks/default", network)
	for _, rule := range []struct {
		name, protocol string
		ports, from    []string
	}{
		{"default-allow-ssh", "tcp", []string{"22"}, []string{"0.0.0.0/0"}},
		{"default-allow-rdp", "tcp", []string{"3389"}, []string{"0.0.0.0/0"}},
		{"default-allow-icmp", "icmp", nil, []string{"0.0.0.0/0"}},
		{"default-allow-internal", "tcp", []string{"0-65535"}, []string{"10.128.0.0/9"}},
	} {
		f := &resource{ID: newID(), Given: true, Firewall: &compute.Firewall{Name: rule.name, Network: link(global + "networks/default"), Priority: 65534,
			SourceRanges: rule.from, Allowed: []*compute.FirewallAllowed{{IPProtocol: rule.protocol, Ports: rule.ports}}}}
		completeFirewall(global+"firewalls/"+rule.name, f)
		c.state.Resources[global+"firewalls/"+rule.name] = f
	}
	return p
}

func getProject(c *call) (any, error) {
	p := c.openProject()
	name := c.param("project")
	number := p.Number
	return &compute.Project{Kind: "compute#project", Id: number, Name: name, SelfLink: link("projects/" + name), CreationTimestamp: founded(),
		CommonInstanceMetadata: p.Metadata, DefaultServiceAccount: fmt.Sprintf("%d-compute@developer.gserviceaccount.com", number),
		DefaultNetworkTier: "PREMIUM", XpnProjectStatus: "UNSPECIFIED_XPN_PROJECT_STATUS",
		Quotas: []*compute.Quota{{Metric: "IMAGES", Limit: 2000, Usage: float64(len(c.state.paths("projects/" + name + "/global/images/")))}}}, nil
}

func getIamPolicy(c *call) (any, error) {
	_, r, err := c.state.get(c.target())
	if err != nil {
		return nil, err
	}
	if r.Policy == nil {
		return &compute.Policy{Etag: "ACAB", Version: 1}, nil
	}
	return r.Policy, nil
}

func setIamPolicy(c *call) (any, error) {
	_, r, err := c.state.get(c.target())
	if err != nil {
		return nil, err
	}
	var asked compute.GlobalSetPolicyRequest
	if err := c.into(&asked); err != nil {
		return nil, err
	}
	p := asked.Policy
	if p == nil {
		p = &compute.Policy{Bindings: asked.Bindings, Etag: asked.Etag}
	}
	if p.Etag != "" && r.Policy != nil && p.Etag != r.Policy.Etag {
		return nil, &apiError{Code: 412, Reason: "conditionNotMet", Message: "The etag does not match: the policy has changed."}
	}
	for _, b := range p.Bindings {
		if !strings.Contains(b.Role, "roles/") {
			return nil, invalid("policy.bindings.role", b.Role, "The role name must be in the form \"roles/{role}\".")
		}
		for _, m := range b.Members {
			if kind, name, _ := strings.Cut(m, ":"); m != "allUsers" && m != "allAuthenticatedUsers" && (name == "" || kind == "") {
				return nil, invalid("policy.bindings.members", m, "The member must have a type, as user:, group:, domain: or serviceAccount:.")
			}
		}
	}
	p.Version = max(p.Version, 1)
	p.Etag = fingerprint(p.Bindings)
	r.Policy, c.dirty = p, true
	return p, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// changes are the methods that change the resource which they name.
func changes() map[string]func(c *call, path string, r *resource) error {
	return map[string]func(c *call, path string, r *resource) error{
		"images.delete": deleteImage, "images.deprecate": deprecateImage, "images.patch": patchImage,
		"images.setLabels": setLabels, "instances.delete": deleteInstance, "instances.stop": stopInstance,
		"instances.start": startInstance, "instances.reset": resetInstance, "instances.setMetadata": setMetadata,
		"instances.setLabels": setLabels, "instances.attachDisk": attachDisk, "instances.detachDisk": detachDisk,
		"instances.setDiskAutoDelete": setDiskAutoDelete, "instances.addAccessConfig": addAccessConfig,
		"disks.delete": deleteDisk, "disks.setLabels": setLabels, "regionDisks.delete": deleteDisk,
		"regionDisks.setLabels": setLabels, "snapshots.delete": deleteSnapshot, "snapshots.setLabels": setLabels,
		"subnetworks.delete": deleteSubnetwork, "addresses.delete": deleteAddress,
	}
}

// handlers are all methods.
func handlers() map[string]handler {
	all := map[string]handler{
		"images.get": getImage, "images.getFromFamily": getFromFamily, "images.list": listImages,
		"images.insert": insertImage, "imageFamilyViews.get": getFamilyView,
		"images.getIamPolicy": getIamPolicy, "images.setIamPolicy": setIamPolicy,
		"instances.insert": insertInstance, "instances.getSerialPortOutput": serialPort,
		"instances.getGuestAttributes": guestAttributes, "disks.insert": insertDisk, "disks.createSnapshot": createSnapshot,
		"regionDisks.insert": insertDisk, "regionDisks.createSnapshot": createSnapshot,
		"snapshots.insert": createSnapshot, "projects.get": getProject,
		"projects.setCommonInstanceMetadata": setProjectMetadata, "networks.insert": insertNetwork,
		"networks.delete": deleteNetwork, "subnetworks.insert": insertSubnetwork,
		"addresses.insert": insertAddress, "firewalls.insert": insertFirewall, "firewalls.delete": deleteFirewall,
	}
	for name, begin := range changes() {
		all[name] = change(begin)
	}
	for _, kind := range strings.Fields("instances disks regionDisks snapshots networks subnetworks addresses firewalls") {
		all[kind+".get"], all[kind+".list"], all[kind+".aggregatedList"] = getResource, listResources, aggregated
	}
	for _, kind := range strings.Fields("zoneOperations regionOperations globalOperations") {
		all[kind+".get"], all[kind+".list"], all[kind+".wait"] = getOperation, listOperations, waitOperation
	}
	all["globalOperations.aggregatedList"] = aggregated
	for kind, g := range map[string]struct {
		names func(*call) []string
		make  func(path, name string) any
	}{
		"zone": {zoneNames, makeZone}, "region": {func(*call) []string { return regionNames() }, makeRegion},
		"machineType": {machineTypeNames, makeMachineType}, "diskType": {diskTypeNames, makeDiskType},
		"regionDiskType": {diskTypeNames, makeDiskType}, "acceleratorType": {acceleratorNames, makeAccelerator},
	} {
		all[kind+"s.get"], all[kind+"s.list"] = given(kind, g.names, g.make)
	}
	named := map[string]handler{
		"storage.objects.get": getObject, "storage.objects.delete": deleteObject, "storage.objects.insert": insertObject,
		"oslogin.users.getLoginProfile": getLoginProfile, "oslogin.users.importSshPublicKey": importKey,
		"oslogin.users.sshPublicKeys.get": getKey, "oslogin.users.sshPublicKeys.delete": deleteKey,
		"secretmanager.projects.secrets.create": createSecret, "secretmanager.projects.secrets.delete": deleteSecret,
		"secretmanager.projects.secrets.addVersion": addVersion, "secretmanager.projects.secrets.versions.access": accessVersion,
		"secretmanager.projects.locations.secrets.versions.access":       accessVersion,
		"parametermanager.projects.locations.parameters.create":          createParameter,
		"parametermanager.projects.locations.parameters.delete":          deleteParameter,
		"parametermanager.projects.locations.parameters.versions.create": createParameterVersion,
		"parametermanager.projects.locations.parameters.versions.render": renderParameterVersion,
		"iamcredentials.projects.serviceAccounts.generateAccessToken":    impersonate,
	}
	for name, h := range all {
		named["compute."+name] = h
	}
	return named
}

func zoneNames(*call) []string {
	var all []string
	for _, region := range regionNames() {
		all = append(all, zonesOf(region)...)
	}
	return all
}
