package gce

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/api/compute/v1"
)

// metadataTree is all that the metadata server has for an instance.
func (s *Server) metadataTree(path string, r *resource) folder {
	in := r.Instance
	project, _, _ := strings.Cut(strings.TrimPrefix(path, "projects/"), "/")
	p := s.state.Projects[project]
	number := strconv.FormatUint(p.Number, 10)
	name := in.Hostname
	if name == "" {
		name = fmt.Sprintf("%s.%s.c.%s.internal", in.Name, last(in.Zone), project)
	}
	instance := folder{
		"attributes":         attributes(in.Metadata),
		"cpu-platform":       in.CpuPlatform,
		"description":        in.Description,
		"disks":              diskFolders(in),
		"hostname":           name,
		"id":                 in.Id,
		"image":              s.bootImage(r),
		"machine-type":       "projects/" + number + "/machineTypes/" + last(in.MachineType),
		"maintenance-event":  "NONE",
		"name":               in.Name,
		"network-interfaces": interfaceFolders(in, number),
		"preempted":          strings.ToUpper(strconv.FormatBool(r.Preempted)),
		"scheduling": folder{
			"automatic-restart":   strings.ToUpper(strconv.FormatBool(*in.Scheduling.AutomaticRestart)),
			"on-host-maintenance": in.Scheduling.OnHostMaintenance,
			"preemptible":         strings.ToUpper(strconv.FormatBool(in.Scheduling.Preemptible)),
		},
		"service-accounts": accountFolders(in),
		"tags":             oneLine(in.Tags.Items),
		"zone":             "projects/" + number + "/zones/" + last(in.Zone),
	}
	if s.enabled(r, "enable-guest-attributes") {
		guest := folder{}
		for key, v := range r.Guest {
			namespace, key, _ := strings.Cut(key, "/")
			of, ok := guest[namespace].(folder)
			if !ok {
				of = folder{}
				guest[namespace] = of
			}
			of[key] = v
		}
		instance["guest-attributes"] = guest
	}
	return folder{"instance": instance, "project": folder{
		"attributes": attributes(p.Metadata), "numeric-project-id": p.Number, "project-id": project,
	}}
}

func attributes(m *compute.Metadata) folder {
	out := folder{}
	if m != nil {
		for _, item := range m.Items {
			out[item.Key] = value(item)
		}
	}
	return out
}

func diskFolders(in *compute.Instance) []folder {
	var all []folder
	for _, d := range in.Disks {
		all = append(all, folder{"device-name": d.DeviceName, "index": d.Index, "interface": d.Interface, "mode": d.Mode, "type": d.Type})
	}
	return all
}

func interfaceFolders(in *compute.Instance, number string) []folder {
	var all []folder
	for _, n := range in.NetworkInterfaces {
		access := []folder{}
		for _, a := range n.AccessConfigs {
			access = append(access, folder{"external-ip": a.NatIP, "type": a.Type})
		}
		all = append(all, folder{"access-configs": access, "ip": n.NetworkIP, "mtu": 1460, "mac": "42:01:0a:80:00:02",
			"network": "projects/" + number + "/networks/" + last(n.Network), "subnetmask": "255.255.240.0", "dns-servers": lines{"169.254.169.254"}})
	}
	return all
}

func accountFolders(in *compute.Instance) folder {
	out := folder{}
	for _, a := range in.ServiceAccounts {
		account := folder{"aliases": lines{"default"}, "email": a.Email, "scopes": lines(a.Scopes)}
		out["default"], out[a.Email] = account, account
	}
	return out
}

// bootImage is the path of the image that an instance was made from.
func (s *Server) bootImage(r *resource) string {
	disk, err := s.bootDisk(r)
	if err != nil || disk.Disk.SourceImage == "" {
		return ""
	}
	return strings.TrimPrefix(disk.Disk.SourceImage, link(""))
}
