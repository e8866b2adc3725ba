// Package fix changes JSON templates that were written for old versions of
// Packer: what was renamed and removed since. Its fixes, their names and their
// order are those of `packer fix`.
package fix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Fixer changes one thing.
type Fixer struct {
	Name string
	Does string // what it changes, in a sentence without a full stop
	fix  func(*template) error
}

// List returns the fixers in the order they are run.
func List() []Fixer {
	return []Fixer{
		{"iso-md5", `Replaces "iso_md5" by "iso_checksum" and "iso_checksum_type"`, builders(isoMD5)},
		{"createtime", `Replaces {{.CreateTime}} in names by {{timestamp}}`, builders(createTime)},
		{"virtualbox-gaattach", `Replaces "guest_additions_attach" of VirtualBox builders by "guest_additions_mode"`, builders(guestAdditions, "virtualbox")},
		{"pp-vagrant-override", `Moves what the vagrant post-processor has for a provider into "override"`, postProcessors(vagrantOverride, "vagrant")},
		{"virtualbox-rename", `Calls "virtualbox" builders "virtualbox-iso", in overrides too`, virtualBoxRename},
		{"vmware-rename", `Calls "vmware" builders "vmware-iso"`, builders(renameType("vmware-iso"), "vmware")},
		{"parallels-headless", `Removes "headless" from Parallels builders`, builders(remove("headless"), parallels...)},
		{"parallels-deprecations", `Removes "parallels_tools_host_path" from Parallels builders, and calls "guest_os_distribution" "guest_os_type"`, builders(parallelsDeprecations, parallels...)},
		{"sshkeypath", `Calls "ssh_key_path" "ssh_private_key_file"`, builders(renameText("ssh_key_path", "ssh_private_key_file"))},
		{"sshdisableagent", `Calls "ssh_disable_agent" "ssh_disable_agent_forwarding"`, builders(renameBool("ssh_disable_agent", "ssh_disable_agent_forwarding"))},
		{"scaleway-access-key", `Calls "access_key" of scaleway builders "organization_id"`, builders(renameText("access_key", "organization_id"), "scaleway")},
		{"manifest-filename", `Calls "filename" of the manifest post-processor "output"`, postProcessors(manifestFilename, "manifest")},
		{"amazon-shutdown_behavior", `Calls "shutdown_behaviour" of Amazon builders "shutdown_behavior"`, builders(move("shutdown_behaviour", "shutdown_behavior"), amazon)},
		{"amazon-enhanced-networking", `Calls "enhanced_networking" of Amazon builders "ena_support"`, builders(enhancedNetworking, amazon)},
		{"amazon-private-ip", `Replaces "ssh_private_ip" of Amazon builders by "ssh_interface"`, builders(privateIP, amazon)},
		{"amazon-temp-sec-cidrs", `Replaces "temporary_security_group_source_cidr" by "temporary_security_group_source_cidrs", a list`, builders(sourceCIDRs, amazon)},
		{"docker-email", `Removes "login_email" from docker builders and post-processors`, dockerEmail},
		{"docker-tag-tags", `Calls "tag" of the docker-tag post-processor "tags", a list`, postProcessors(dockerTags, "docker-tag")},
		{"powershell-escapes", `Removes the escapes of PowerShell from environment variables, user names and passwords`, provisioners(powerShellEscapes, "powershell")},
		{"vmware-compaction", `Adds "skip_compaction" to vmware-iso builders with disks that can't be compacted`, builders(vmwareCompaction, "vmware-iso")},
		{"hyperv-deprecations", `Removes "vhd_temp_path" from hyperv-iso builders`, builders(remove("vhd_temp_path"), "hyperv-iso")},
		{"hyperv-vmxc-typo", `Calls "clone_from_vmxc_path" of hyperv-vmcx builders "clone_from_vmcx_path"`, builders(move("clone_from_vmxc_path", "clone_from_vmcx_path"), "hyperv-vmcx")},
		{"hyperv-cpu-and-ram", `Calls "cpu" and "ram_size" of Hyper-V builders "cpus" and "memory"`, builders(hyperV, "hyperv-vmcx", "hyperv-iso")},
		{"clean-image-name", `Replaces clean_ami_name and clean_image_name by clean_resource_name`, builders(cleanImageName)},
		{"spot-price-auto-product", `Removes "spot_price_auto_product" from Amazon builders`, builders(remove("spot_price_auto_product"), "amazon-ebs", "amazon-ebssurrogate", "amazon-ebsvolume", "amazon-instance")},
		{"qemu-disk-size", `Gives "disk_size" of qemu builders its unit`, builders(qemuDiskSize, "qemu")},
		{"galaxy-command", `Calls "galaxycommand" of the ansible-local provisioner "galaxy_command"`, provisioners(renameText("galaxycommand", "galaxy_command"), "ansible-local")},
		{"comm-config", `Removes "ssh_" from the options of VirtualBox builders for port forwarding`, builders(virtualBoxPorts, "virtualbox*")},
		{"ssh-wait-timeout", `Calls "ssh_wait_timeout" "ssh_timeout"`, builders(renameText("ssh_wait_timeout", "ssh_timeout"))},
		{"vsphere-iso-net-disk", `Moves network and disk of vsphere-iso builders into "network_adapters" and "storage"`, builders(vSphere, "vsphere-iso")},
		{"iso-checksum-type-and-url", `Puts "iso_checksum_type" and "iso_checksum_url" into "iso_checksum"`, builders(isoChecksum)},
		{"qemu-host-port", `Removes "ssh_" from the options of qemu builders for port forwarding`, builders(qemuPorts, "qemu")},
		{"azure-exclude_from_latest", `Calls "exlude_from_latest" of azure-chroot builders "exclude_from_latest"`, builders(azureExclude, "azure-chroot*")},
		{"proxmox-type", `Calls "proxmox" builders "proxmox-iso"`, builders(renameType("proxmox-iso"), "proxmox")},
	}
}

// Apply runs all fixers on src, a JSON object, and returns the result
// indented by two spaces, with sorted keys.
func Apply(src []byte) ([]byte, error) { return apply(src, List()) }

func apply(src []byte, fixers []Fixer) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	var t template
	if err := dec.Decode(&t.root); err != nil {
		return nil, err
	}
	for _, f := range fixers {
		if err := f.fix(&t); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(t.root); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// template is one that is being changed.
type template struct{ root options }

// options are those of a component, or a whole template.
type options = map[string]any

func (t *template) objects(key string) []options {
	list, _ := t.root[key].([]any)
	var out []options
	for _, v := range list {
		if m, ok := v.(options); ok {
			out = append(out, m)
		}
	}
	return out
}

// postProcessors are those with options, also in chains.
func (t *template) postProcessors() []options {
	list, _ := t.root["post-processors"].([]any)
	var out []options
	for _, v := range list {
		chain, ok := v.([]any)
		if !ok {
			chain = []any{v}
		}
		for _, p := range chain {
			if m, ok := p.(options); ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// edit changes the options of one component.
type edit func(options) error

// builders edits the builders of some types; no types are all. A type that
// ends in "*" stands for all that start like it.
func builders(do edit, types ...string) func(*template) error {
	return func(t *template) error { return each(t.objects("builders"), do, types) }
}

func provisioners(do edit, types ...string) func(*template) error {
	return func(t *template) error { return each(t.objects("provisioners"), do, types) }
}

func postProcessors(do edit, types ...string) func(*template) error {
	return func(t *template) error { return each(t.postProcessors(), do, types) }
}

func each(list []options, do edit, types []string) error {
	for _, o := range list {
		if isOf(o, types) {
			if err := do(o); err != nil {
				return err
			}
		}
	}
	return nil
}

func isOf(o options, types []string) bool {
	if len(types) == 0 {
		return true
	}
	typ, _ := o["type"].(string)
	for _, t := range types {
		if start, ok := strings.CutSuffix(t, "*"); typ == t || ok && strings.HasPrefix(typ, start) {
			return true
		}
	}
	return false
}

// move renames an option.
func move(from, to string) edit {
	return func(o options) error {
		if v, ok := o[from]; ok {
			o[to] = v
			delete(o, from)
		}
		return nil
	}
}

func remove(name string) edit {
	return func(o options) error {
		delete(o, name)
		return nil
	}
}

func renameType(to string) edit {
	return func(o options) error {
		o["type"] = to
		return nil
	}
}

// renameText renames an option that is text, and removes it where the new
// one is there already.
func renameText(from, to string) edit { return rename[string](from, to) }

func renameBool(from, to string) edit { return rename[bool](from, to) }

func rename[T any](from, to string) edit {
	return func(o options) error {
		if _, there := o[to]; there {
			delete(o, from)
			return nil
		}
		if _, ok := o[from].(T); !ok {
			return nil
		}
		return move(from, to)(o)
	}
}
