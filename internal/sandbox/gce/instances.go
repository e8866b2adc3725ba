package gce

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/api/compute/v1"
)

func (c *call) instance() (string, *resource, error) {
	return c.state.get(c.target())
}

func deleteInstance(c *call, path string, r *resource) error {
	if r.Instance.DeletionProtection {
		return badRequest("Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion: %s'.", path)
	}
	c.setStatus(r, "STOPPING")
	return nil
}

func stopInstance(c *call, _ string, r *resource) error {
	if r.Instance.Status != "TERMINATED" {
		c.setStatus(r, "STOPPING")
	}
	return nil
}

func startInstance(c *call, path string, r *resource) error {
	switch r.Instance.Status {
	case "TERMINATED":
		c.setStatus(r, "PROVISIONING")
	case "STOPPING":
		return notReady(path)
	}
	return nil
}

func resetInstance(c *call, path string, r *resource) error {
	if r.Instance.Status != "RUNNING" {
		return notReady(path)
	}
	return nil
}

func (s *Server) setStatus(r *resource, status string) {
	r.Instance.Status, s.dirty = status, true
}

func setMetadata(c *call, _ string, r *resource) error {
	var m compute.Metadata
	if err := c.into(&m); err != nil {
		return err
	}
	if err := replaceMetadata(&r.Instance.Metadata, &m); err != nil {
		return err
	}
	c.metadataChanged()
	return nil
}

func setProjectMetadata(c *call) (any, error) {
	p := c.openProject()
	var m compute.Metadata
	if err := c.into(&m); err != nil {
		return nil, err
	}
	if err := replaceMetadata(&p.Metadata, &m); err != nil {
		return nil, err
	}
	c.metadataChanged()
	return c.begin("projects/"+c.param("project"), p.Number)
}

func replaceMetadata(old **compute.Metadata, m *compute.Metadata) error {
	if err := checkMetadata(m); err != nil {
		return err
	}
	if m.Fingerprint != (*old).Fingerprint {
		return &apiError{Code: 412, Reason: "conditionNotMet", Message: "Supplied fingerprint does not match current metadata fingerprint."}
	}
	m.Kind, m.Fingerprint = "compute#metadata", fingerprint(m.Items)
	*old = m
	return nil
}

// Limits of metadata, in bytes.
const (
	maxMetadataValue = 256 << 10
	maxMetadata      = 512 << 10
)

func checkMetadata(m *compute.Metadata) error {
	if m == nil {
		return nil
	}
	total := 0
	seen := map[string]bool{}
	for i, item := range m.Items {
		if item.Key == "" {
			return &apiError{Code: 400, Reason: "required", Message: fmt.Sprintf("Required field 'resource.metadata.items[%d].key' not specified", i)}
		}
		if seen[item.Key] {
			return invalid("metadata.items", item.Key, "Metadata has duplicate key: %s", item.Key)
		}
		seen[item.Key] = true
		n := len(value(item))
		total += n + len(item.Key)
		if n > maxMetadataValue {
			return invalid("metadata.items", item.Key, "Value for metadata key '%s' is too large: maximum size is %d bytes.", item.Key, maxMetadataValue)
		}
	}
	if total > maxMetadata {
		return invalid("metadata", "", "Metadata is too large: maximum size is %d bytes.", maxMetadata)
	}
	return nil
}

func value(item *compute.MetadataItems) string {
	if item.Value == nil {
		return ""
	}
	return *item.Value
}

// attachDisk gives an instance another disk. A machine that runs has it from
// its next boot on.
func attachDisk(c *call, path string, r *resource) error {
	var d compute.AttachedDisk
	if err := c.into(&d); err != nil {
		return err
	}
	at, disk, err := c.disk(d.Source, "resource.source")
	if err != nil {
		return err
	}
	if len(disk.Disk.Users) > 0 && d.Mode != "READ_ONLY" {
		return inUse("disk", at, strings.TrimPrefix(disk.Disk.Users[0], link("")))
	}
	if err := r.newDevice(d.DeviceName, "resource.deviceName"); err != nil {
		return err
	}
	n := len(r.Instance.Disks)
	for r.newDevice(fmt.Sprintf("persistent-disk-%d", n), "") != nil {
		n++
	}
	completeAttached(&d, n, disk, at)
	if d.Boot {
		if r.Instance.Status != "TERMINATED" || len(r.Instance.Disks) > 0 && r.Instance.Disks[0].Boot {
			return badRequest("Invalid resource usage: 'A boot disk can only be attached to a stopped instance that has none'.")
		}
		r.Instance.Disks = append([]*compute.AttachedDisk{&d}, r.Instance.Disks...)
	} else {
		r.Instance.Disks = append(r.Instance.Disks, &d)
	}
	disk.attached(path, true)
	c.dirty = true
	return nil
}

var devices = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62})$`)

// newDevice refuses a device name that is none, or that the instance has.
func (r *resource) newDevice(name, field string) error {
	if name != "" && !devices.MatchString(name) {
		return invalid(field, name, "Must be a match of regex '%s'", devices)
	}
	if _, err := r.device(name); err == nil {
		return invalid(field, name, "The device name is used by another disk of the instance.")
	}
	return nil
}

// device finds a disk of the instance by its device name.
func (r *resource) device(name string) (int, error) {
	for i, d := range r.Instance.Disks {
		if d.DeviceName == name {
			return i, nil
		}
	}
	return 0, invalid("deviceName", name, "No attached disk found with device name '%s'", name)
}

func detachDisk(c *call, path string, r *resource) error {
	i, err := r.device(c.param("deviceName"))
	if err != nil {
		return err
	}
	d := r.Instance.Disks[i]
	if d.Boot && r.Instance.Status != "TERMINATED" {
		return badRequest("Invalid resource usage: 'Cannot detach the boot disk of a running instance'.")
	}
	r.Instance.Disks = slices.Delete(r.Instance.Disks, i, i+1)
	if disk := c.state.Resources[strings.TrimPrefix(d.Source, link(""))]; disk != nil {
		disk.attached(path, false)
	}
	c.dirty = true
	return nil
}

func setDiskAutoDelete(c *call, _ string, r *resource) error {
	i, err := r.device(c.param("deviceName"))
	if err != nil {
		return err
	}
	r.Instance.Disks[i].AutoDelete, c.dirty = c.param("autoDelete") == "true", true
	return nil
}

func addAccessConfig(c *call, path string, r *resource) error {
	var a compute.AccessConfig
	if err := c.into(&a); err != nil {
		return err
	}
	for _, n := range r.Instance.NetworkInterfaces {
		if n.Name != c.param("networkInterface") {
			continue
		}
		if len(n.AccessConfigs) > 0 {
			return badRequest("At most one access config currently supported.")
		}
		if err := c.accessConfig(&a, path, "resource."); err != nil {
			return err
		}
		n.AccessConfigs, c.dirty = []*compute.AccessConfig{&a}, true
		return nil
	}
	return invalid("networkInterface", c.param("networkInterface"), "The instance has no such network interface.")
}

func serialPort(c *call) (any, error) {
	path, r, err := c.instance()
	if err != nil {
		return nil, err
	}
	if port := c.param("port"); port == "4" {
		text, err := agentPort(r.Instance)
		from := min(c.number("start"), int64(len(text)))
		return &compute.SerialPortOutput{Kind: "compute#serialPortOutput", SelfLink: link(path + "/serialPort"),
			Contents: text[from:], Start: from, Next: int64(len(text))}, err
	} else if port != "1" {
		return &compute.SerialPortOutput{Kind: "compute#serialPortOutput", SelfLink: link(path + "/serialPort")}, nil
	}
	boot, err := c.bootDisk(r)
	if err != nil {
		return nil, err
	}
	text, err := c.options.Host.Console(boot.machine())
	if err != nil {
		text = nil // it has not booted yet
	}
	from := min(c.number("start"), int64(len(text)))
	return &compute.SerialPortOutput{Kind: "compute#serialPortOutput", SelfLink: link(path + "/serialPort"),
		Contents: strings.ToValidUTF8(string(text[from:]), "\uFFFD"), Start: from, Next: int64(len(text))}, nil
}

// number is a parameter that is a number from 0; it is 0 where it is not given.
func (c *call) number(name string) int64 {
	n, _ := strconv.ParseInt(c.param(name), 10, 64)
	return max(n, 0)
}

func guestAttributes(c *call) (any, error) {
	path, r, err := c.instance()
	if err != nil {
		return nil, err
	}
	if !c.enabled(r, "enable-guest-attributes") {
		return nil, notFound(path + "/guestAttributes/")
	}
	query := strings.Trim(c.param("queryPath")+c.param("variableKey"), "/")
	out := &compute.GuestAttributes{Kind: "compute#guestAttributes", QueryPath: c.param("queryPath"), VariableKey: c.param("variableKey"),
		SelfLink: link(path + "/guestAttributes/" + query)}
	var items []*compute.GuestAttributesEntry
	for _, key := range sortedKeys(r.Guest) {
		namespace, name, _ := strings.Cut(key, "/")
		if query == "" || key == query || namespace == query {
			items = append(items, &compute.GuestAttributesEntry{Namespace: namespace, Key: name, Value: r.Guest[key]})
		}
	}
	if len(items) == 0 {
		return nil, notFound(path + "/guestAttributes/" + query)
	}
	if len(items) == 1 && strings.Contains(query, "/") {
		out.VariableValue = items[0].Value
	}
	out.QueryValue = &compute.GuestAttributesValue{Items: items}
	return out, nil
}
