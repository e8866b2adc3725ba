package fix

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const amazon = "amazon-*"

var (
	parallels     = []string{"parallels-iso", "parallels-pvm"}
	createTimeRef = regexp.MustCompile(`{{\s*\.CreateTime\s*}}`)
	cleanCall     = regexp.MustCompile(`clean_(image|ami)_name`)
)

func isoMD5(o options) error {
	if sum, ok := o["iso_md5"].(string); ok {
		delete(o, "iso_md5")
		o["iso_checksum"], o["iso_checksum_type"] = sum, "md5"
	}
	return nil
}

func createTime(o options) error {
	for _, name := range []string{"ami_name", "bundle_prefix", "snapshot_name"} {
		if s, ok := o[name].(string); ok {
			o[name] = createTimeRef.ReplaceAllString(s, "{{timestamp}}")
		}
	}
	return nil
}

func guestAdditions(o options) error {
	if attach, ok := o["guest_additions_attach"].(bool); ok {
		delete(o, "guest_additions_attach")
		o["guest_additions_mode"] = "upload"
		if attach {
			o["guest_additions_mode"] = "attach"
		}
	}
	return nil
}

func vagrantOverride(o options) error {
	overrides := options{}
	for _, provider := range []string{"aws", "digitalocean", "virtualbox", "vmware"} {
		if v, ok := o[provider]; ok {
			overrides[provider] = v
			delete(o, provider)
		}
	}
	if len(overrides) > 0 {
		o["override"] = overrides
	}
	return nil
}

func virtualBoxRename(t *template) error {
	for _, p := range t.objects("provisioners") {
		if override, ok := p["override"].(options); ok {
			_ = move("virtualbox", "virtualbox-iso")(override)
		}
	}
	return builders(renameType("virtualbox-iso"), "virtualbox")(t)
}

func parallelsDeprecations(o options) error {
	delete(o, "parallels_tools_host_path")
	return move("guest_os_distribution", "guest_os_type")(o)
}

func manifestFilename(o options) error {
	if _, ok := o["filename"].(string); ok {
		return move("filename", "output")(o)
	}
	return nil
}

func enhancedNetworking(o options) error {
	if _, ok := o["enhanced_networking"].(bool); ok {
		return move("enhanced_networking", "ena_support")(o)
	}
	return nil
}

func privateIP(o options) error {
	v, ok := o["ssh_private_ip"]
	if _, set := o["ssh_interface"]; set || !ok {
		return nil
	}
	private, err := strconv.ParseBool(fmt.Sprint(v))
	if err != nil {
		return fmt.Errorf(`"ssh_private_ip" is true or false, not %v`, v)
	}
	delete(o, "ssh_private_ip")
	o["ssh_interface"] = "public_ip"
	if private {
		o["ssh_interface"] = "private_ip"
	}
	return nil
}

func sourceCIDRs(o options) error {
	if cidr, ok := o["temporary_security_group_source_cidr"].(string); ok {
		delete(o, "temporary_security_group_source_cidr")
		o["temporary_security_group_source_cidrs"] = []any{cidr}
	}
	return nil
}

func dockerEmail(t *template) error {
	for _, o := range append(t.objects("builders"), t.postProcessors()...) {
		delete(o, "login_email")
	}
	return nil
}

// dockerTags makes one list of "tag" and "tags", each of which may be a list
// or text with commas.
func dockerTags(o options) error {
	tags := []any{}
	found := false
	for _, name := range []string{"tag", "tags"} {
		v, ok := o[name]
		found = found || ok
		list, _ := v.([]any)
		if s, ok := v.(string); ok {
			for part := range strings.SplitSeq(s, ",") {
				list = append(list, strings.TrimSpace(part))
			}
		}
		for _, tag := range list {
			if _, ok := tag.(string); !ok || !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
	}
	if found {
		delete(o, "tag")
		o["tags"] = tags
	}
	return nil
}

func powerShellEscapes(o options) error {
	unescape := strings.NewReplacer("`$", "$", "`\"", "\"", "``", "`", "`'", "'")
	for _, name := range []string{"elevated_user", "elevated_password"} {
		if s, ok := o[name].(string); ok {
			o[name] = unescape.Replace(s)
		}
	}
	vars, _ := o["environment_vars"].([]any)
	for i, v := range vars {
		if s, ok := v.(string); ok {
			vars[i] = unescape.Replace(s)
		}
	}
	return nil
}

// vmwareCompaction: compacting is for thin disks only, which are not the
// default on ESXi.
func vmwareCompaction(o options) error {
	if o["remote_type"] != "esx5" {
		return nil
	}
	disk, set := o["disk_type_id"]
	if !set {
		disk = "zeroedthick"
		o["disk_type_id"] = disk
	}
	if s, ok := disk.(string); !ok || s == "thin" {
		return nil
	}
	skip, set := o["skip_compaction"]
	if _, ok := skip.(bool); ok || !set {
		o["skip_compaction"] = true
	}
	return nil
}

func hyperV(o options) error {
	_ = move("cpu", "cpus")(o)
	return move("ram_size", "memory")(o)
}

func cleanImageName(o options) error {
	for name, v := range o {
		switch v := v.(type) {
		case string:
			o[name] = cleanCall.ReplaceAllString(v, "clean_resource_name")
		case options:
			for k, inner := range v {
				if s, ok := inner.(string); ok {
					v[k] = cleanCall.ReplaceAllString(s, "clean_resource_name")
				}
			}
		}
	}
	return nil
}

func qemuDiskSize(o options) error {
	if n, ok := o["disk_size"].(json.Number); ok {
		size, err := n.Float64()
		if err != nil {
			return err
		}
		o["disk_size"] = fmt.Sprintf("%dM", int64(size))
	}
	return nil
}

func virtualBoxPorts(o options) error {
	for _, name := range []string{"host_port_min", "host_port_max"} {
		_ = rename[any]("ssh_"+name, name)(o)
	}
	if _, there := o["skip_nat_mapping"]; there {
		delete(o, "ssh_skip_nat_mapping")
	}
	return renameBool("ssh_skip_nat_mapping", "skip_nat_mapping")(o)
}

func qemuPorts(o options) error {
	_ = move("ssh_host_port_min", "host_port_min")(o)
	return move("ssh_host_port_max", "host_port_max")(o)
}

func vSphere(o options) error {
	// "networkCard" is how the option was called before the builder was Packer's.
	_ = rename[any]("networkCard", "network_card")(o)
	if err := gather(o, "network_adapters", "network", "network_card"); err != nil {
		return err
	}
	return gather(o, "storage", "disk_size", "disk_thin_provisioned", "disk_eagerly_scrub")
}

// gather moves options into an object that becomes the first of a list.
func gather(o options, into string, names ...string) error {
	first := options{}
	for _, name := range names {
		if v, ok := o[name]; ok {
			first[name] = v
			delete(o, name)
		}
	}
	if len(first) == 0 {
		return nil
	}
	rest, ok := o[into].([]any)
	if _, set := o[into]; set && !ok {
		return fmt.Errorf("%q is a list, not %v", into, o[into])
	}
	o[into] = append([]any{first}, rest...)
	return nil
}

func isoChecksum(o options) error {
	get := func(name string) string {
		s, _ := o[name].(string)
		return s
	}
	url, typ, sum := get("iso_checksum_url"), get("iso_checksum_type"), get("iso_checksum")
	delete(o, "iso_checksum_url")
	delete(o, "iso_checksum_type")
	switch {
	case url != "":
		o["iso_checksum"] = "file:" + url
	case sum != "" && typ != "":
		o["iso_checksum"] = typ + ":" + sum
	}
	return nil
}

func azureExclude(o options) error {
	if dest, ok := o["shared_image_destination"].(options); ok {
		return move("exlude_from_latest", "exclude_from_latest")(dest)
	}
	return nil
}
