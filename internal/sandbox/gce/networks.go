package gce

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

// addNetwork completes a network, with a subnetwork in each region where it
// makes them itself.
func (c *call) addNetwork(path string, r *resource) {
	n := r.Network
	n.Kind, n.Id, n.Name, n.SelfLink, n.CreationTimestamp = "compute#network", r.ID, last(path), link(path), stamp(time.Now())
	if n.RoutingConfig == nil {
		n.RoutingConfig = &compute.NetworkRoutingConfig{RoutingMode: "REGIONAL"}
	}
	n.Subnetworks = nil
	c.state.Resources[path], c.dirty = r, true
	if !n.AutoCreateSubnetworks {
		return
	}
	for i, region := range regionNames() {
		at := "projects/" + c.param("project") + "/regions/" + region + "/subnetworks/" + n.Name
		s := &resource{ID: newID(), Given: true, Subnetwork: &compute.Subnetwork{Network: link(path), IpCidrRange: fmt.Sprintf("10.%d.%d.0/20", 128+i/8, i%8*32)}}
		c.addSubnetwork(at, s)
	}
}

func (c *call) addSubnetwork(path string, r *resource) {
	s := r.Subnetwork
	scope, _, _ := strings.Cut(path, "/subnetworks/")
	s.Kind, s.Id, s.Name, s.SelfLink, s.CreationTimestamp = "compute#subnetwork", r.ID, last(path), link(path), stamp(time.Now())
	s.Region, s.Fingerprint, s.Purpose, s.StackType = link(scope), fingerprint(s.IpCidrRange), cmp.Or(s.Purpose, "PRIVATE"), "IPV4_ONLY"
	if p, err := netip.ParsePrefix(s.IpCidrRange); err == nil {
		s.GatewayAddress = p.Masked().Addr().Next().String()
	}
	c.state.Resources[path], c.dirty = r, true
	if n := c.state.Resources[strings.TrimPrefix(s.Network, link(""))]; n != nil {
		n.Network.Subnetworks = append(n.Network.Subnetworks, link(path))
	}
}

func insertNetwork(c *call) (any, error) {
	c.openProject()
	r := &resource{ID: newID(), Network: &compute.Network{}}
	if err := c.into(r.Network); err != nil {
		return nil, err
	}
	path := c.target()
	if c.state.Resources[path] != nil {
		return nil, exists(path)
	}
	c.addNetwork(path, r)
	return c.begin(path, r.ID)
}

// usersOf returns a resource that refers to a network or subnetwork.
func (s *Server) usersOf(path string, of func(*resource) []string) string {
	for _, at := range s.state.paths("projects/") {
		if slices.Contains(of(s.state.Resources[at]), link(path)) {
			return at
		}
	}
	return ""
}

func deleteNetwork(c *call) (any, error) {
	c.openProject()
	path, r, err := c.state.get(c.target())
	if err != nil {
		return nil, err
	}
	if by := c.usersOf(path, func(r *resource) []string {
		switch {
		case r.Instance != nil:
			var all []string
			for _, n := range r.Instance.NetworkInterfaces {
				all = append(all, n.Network)
			}
			return all
		case r.Firewall != nil:
			return []string{r.Firewall.Network}
		case r.Subnetwork != nil && !r.Given:
			return []string{r.Subnetwork.Network}
		}
		return nil
	}); by != "" {
		return nil, inUse("network", path, by)
	}
	for _, s := range r.Network.Subnetworks {
		delete(c.state.Resources, strings.TrimPrefix(s, link("")))
	}
	return c.begin(path, r.ID)
}

func insertSubnetwork(c *call) (any, error) {
	c.openProject()
	r := &resource{ID: newID(), Subnetwork: &compute.Subnetwork{}}
	if err := c.into(r.Subnetwork); err != nil {
		return nil, err
	}
	s := r.Subnetwork
	path := c.target()
	if c.state.Resources[path] != nil {
		return nil, exists(path)
	}
	at, n, err := c.state.get(reference(s.Network, "projects/"+c.param("project")))
	if err != nil || n.Network == nil {
		return nil, invalid("resource.network", s.Network, "The referenced network resource cannot be found.")
	}
	if p, err := netip.ParsePrefix(s.IpCidrRange); err != nil || p != p.Masked() {
		return nil, invalid("resource.ipCidrRange", s.IpCidrRange, "Must be a CIDR address range.")
	}
	s.Network = link(at)
	c.addSubnetwork(path, r)
	return c.begin(path, r.ID)
}

func deleteSubnetwork(c *call, path string, r *resource) error {
	if by := c.usersOf(path, func(r *resource) []string {
		var all []string
		if r.Instance != nil {
			for _, n := range r.Instance.NetworkInterfaces {
				all = append(all, n.Subnetwork)
			}
		}
		return all
	}); by != "" {
		return inUse("subnetwork", path, by)
	}
	return nil
}

// subnet finds the network and subnetwork of an interface: those that it names,
// else the default ones.
func (c *call) subnet(n *compute.NetworkInterface, field string) error {
	project := "projects/" + c.param("project")
	region := regionOf(c.param("zone"))
	if n.Subnetwork != "" {
		at := reference(n.Subnetwork, project)
		if !strings.Contains(n.Subnetwork, "/") {
			at = project + "/regions/" + region + "/subnetworks/" + n.Subnetwork
		}
		s := c.state.Resources[at]
		if s == nil || s.Subnetwork == nil {
			return invalid(field+"subnetwork", n.Subnetwork, "The referenced subnetwork resource cannot be found.")
		}
		if last(s.Subnetwork.Region) != region {
			return invalid(field+"subnetwork", n.Subnetwork, "The subnetwork is not in the region of the instance.")
		}
		if n.Network != "" && last(n.Network) != last(s.Subnetwork.Network) {
			return invalid(field+"network", n.Network, "The network does not have the subnetwork.")
		}
		n.Subnetwork, n.Network = link(at), s.Subnetwork.Network
		return nil
	}
	asked := cmp.Or(n.Network, "global/networks/default")
	at := reference(asked, project)
	if !strings.Contains(asked, "/") {
		at = project + "/global/networks/" + asked
	}
	r := c.state.Resources[at]
	if r == nil || r.Network == nil {
		return invalid(field+"network", asked, "The referenced network resource cannot be found.")
	}
	n.Network = link(at)
	if !r.Network.AutoCreateSubnetworks {
		return badRequest("Invalid value for field '%ssubnetwork': ''. Network interface must specify a subnet if the network resource is in custom subnet mode.", field)
	}
	for _, s := range r.Network.Subnetworks {
		if strings.Contains(s, "/regions/"+region+"/") {
			n.Subnetwork = s
		}
	}
	return nil
}

func insertAddress(c *call) (any, error) {
	c.openProject()
	r := &resource{ID: newID(), Address: &compute.Address{}}
	if err := c.into(r.Address); err != nil {
		return nil, err
	}
	a := r.Address
	path := c.target()
	if a.Address == "" {
		ip, err := c.options.Host.Address()
		if err != nil {
			return nil, err
		}
		a.Address = ip.String()
	}
	if ip, err := netip.ParseAddr(a.Address); err != nil || !ip.IsLoopback() {
		return nil, invalid("resource.address", a.Address, "The sandbox chooses addresses itself.")
	}
	a.Kind, a.Id, a.SelfLink, a.Status, a.Region = "compute#address", r.ID, link(path), "RESERVED", link(c.scope())
	a.AddressType, a.NetworkTier, a.Users = cmp.Or(a.AddressType, "EXTERNAL"), cmp.Or(a.NetworkTier, "PREMIUM"), nil
	a.CreationTimestamp, a.LabelFingerprint = stamp(time.Now()), fingerprint(a.Labels)
	if err := c.add(path, r); err != nil {
		return nil, err
	}
	return c.begin(path, r.ID)
}

func deleteAddress(c *call, path string, r *resource) error {
	if len(r.Address.Users) > 0 {
		return inUse("address", path, strings.TrimPrefix(r.Address.Users[0], link("")))
	}
	return nil
}

func completeFirewall(path string, r *resource) {
	f := r.Firewall
	f.Kind, f.Id, f.SelfLink, f.CreationTimestamp = "compute#firewall", r.ID, link(path), stamp(time.Now())
	f.Direction, f.Priority = cmp.Or(f.Direction, "INGRESS"), cmp.Or(f.Priority, 1000)
}

func insertFirewall(c *call) (any, error) {
	c.openProject()
	r := &resource{ID: newID(), Firewall: &compute.Firewall{}}
	if err := c.into(r.Firewall); err != nil {
		return nil, err
	}
	f := r.Firewall
	asked := cmp.Or(f.Network, "global/networks/default")
	at := reference(asked, "projects/"+c.param("project"))
	if n := c.state.Resources[at]; n == nil || n.Network == nil {
		return nil, invalid("resource.network", asked, "The referenced network resource cannot be found.")
	}
	f.Network = link(at)
	if len(f.Allowed) == 0 == (len(f.Denied) == 0) {
		return nil, invalid("resource", "", "Either allowed or denied must be given.")
	}
	path := c.target()
	completeFirewall(path, r)
	if err := c.add(path, r); err != nil {
		return nil, err
	}
	return c.begin(path, r.ID)
}

func deleteFirewall(c *call) (any, error) {
	c.openProject()
	path, r, err := c.state.get(c.target())
	if err != nil {
		return nil, err
	}
	delete(c.state.Resources, path)
	c.dirty = true
	return c.begin(path, r.ID)
}

// reopen opens and closes ports as rules now say.
func reopen(s *Server, op *operation) error {
	s.mu.Lock()
	machines := make([]interface{ Reopen() }, 0, len(s.machines))
	for _, m := range s.machines {
		machines = append(machines, m)
	}
	s.mu.Unlock()
	for _, m := range machines {
		m.Reopen()
	}
	return s.pause(op.Began.Add(s.options.Timing.Operation))
}

// portRange is the most ports of one rule that are opened.
const portRange = 100

// openPorts are the TCP ports of an instance that are reached: that of SSH,
// where no rule denies it, and those that rules allow.
func (s *Server) openPorts(path string) []int {
	r := s.state.Resources[path]
	if r == nil {
		return nil
	}
	open, closed := map[int]bool{22: true}, map[int]bool{}
	for _, n := range r.Instance.NetworkInterfaces {
		for _, rule := range s.state.Resources {
			if rule.Firewall == nil || !covers(rule.Firewall, n.Network, r.Instance.Tags) {
				continue
			}
			for _, a := range rule.Firewall.Allowed {
				addPorts(open, a.IPProtocol, a.Ports)
			}
			for _, d := range rule.Firewall.Denied {
				addPorts(closed, d.IPProtocol, d.Ports)
			}
		}
	}
	var all []int
	for port := range open {
		if !closed[port] {
			all = append(all, port)
		}
	}
	slices.Sort(all)
	return all
}

// covers reports whether a rule is about what comes in to instances of a
// network that have these tags.
func covers(f *compute.Firewall, network string, tags *compute.Tags) bool {
	if f.Disabled || f.Direction != "INGRESS" || f.Network != network {
		return false
	}
	return len(f.TargetTags) == 0 || slices.ContainsFunc(f.TargetTags, func(tag string) bool { return slices.Contains(tags.Items, tag) })
}

func addPorts(to map[int]bool, protocol string, ranges []string) {
	if protocol != "tcp" && protocol != "6" && protocol != "all" {
		return
	}
	if len(ranges) == 0 {
		to[22] = true // all: that of SSH is what matters
	}
	for _, text := range ranges {
		low, high, isRange := strings.Cut(text, "-")
		from, err1 := strconv.Atoi(low)
		end, err2 := from, error(nil)
		if isRange {
			end, err2 = strconv.Atoi(high)
		}
		if err1 != nil || err2 != nil {
			continue
		}
		if end-from >= portRange {
			if from <= 22 && end >= 22 {
				to[22] = true
			}
			continue
		}
		for port := from; port <= end; port++ {
			to[port] = true
		}
	}
}
