package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

type runIn struct {
	launchData
	Min      int          `q:"MinCount,required"`
	Max      int          `q:"MaxCount,required"`
	Subnet   string       `q:"SubnetId,id=subnet"`
	Token    string       `q:"ClientToken"`
	Template *templateRef `q:"LaunchTemplate"`
}

// runInstances launches instances.
func runInstances(c *call, in *runIn) (reservationOut, error) {
	var system []tagIn
	if in.Template != nil {
		t, v, err := c.template(*in.Template)
		if err != nil {
			return reservationOut{}, err
		}
		given := in.Tags
		*in = runIn{launchData: t.Versions[v-1].Data}
		if err := query.Decode(c.form, in); err != nil {
			return reservationOut{}, err
		}
		if len(given) > 0 {
			in.Tags = append(slices.Clone(t.Versions[v-1].Data.Tags), given...)
		}
		system = templateTags(t.ID, v)
	}
	if in.Min < 1 || in.Max < in.Min {
		return reservationOut{}, fail("InvalidParameterValue", "Invalid value '%d' for instanceCount", in.Min)
	}
	if ids, err := c.token(in.Token); err != nil || ids != nil {
		return c.reservation(ids), err
	}
	l, err := c.plan(in.launchData, in.Subnet)
	if err != nil {
		return reservationOut{}, err
	}
	l.system = system
	if err := c.ready(); err != nil {
		return reservationOut{}, err
	}
	var ids []string
	reservation := newID("r")
	for n := range in.Max {
		i, err := c.launch(l, reservation, n)
		if err != nil {
			return reservationOut{}, err
		}
		ids = append(ids, i.ID)
	}
	c.remember(in.Token, ids)
	return c.reservation(ids), nil
}

// token returns what an earlier request with the same client token made; nil
// is nothing.
func (c *call) token(t string) ([]string, error) {
	if t == "" {
		return nil, nil
	}
	had, ok := c.Tokens[c.action+" "+t]
	if !ok {
		return nil, nil
	}
	if had.Request != c.digest() {
		return nil, fail("IdempotentParameterMismatch", "Client token already used before with different parameters")
	}
	return had.IDs, nil
}

func (c *call) remember(t string, ids []string) {
	if t != "" {
		c.Tokens[c.action+" "+t] = token{c.digest(), ids}
	}
}

func (c *call) digest() string {
	sum := sha256.Sum256([]byte(c.form.Encode()))
	return hex.EncodeToString(sum[:])
}

// launchPlan is a launch that nothing speaks against.
type launchPlan struct {
	data    launchData
	image   *image
	content content
	subnet  subnetOut
	groups  []string
	public  bool
	six     []string // IPv6 addresses
	devices []device
	fleet   string
	system  []tagIn // that the service gives the instance itself
}

// plan checks what a launch needs.
func (c *call) plan(d launchData, subnet string) (*launchPlan, error) {
	if d.Image == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter ImageId")
	}
	if d.Type == "" {
		d.Type = "m1.small"
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	l := &launchPlan{data: d}
	for _, step := range []func(*call) error{
		l.resolveImage, l.resolveType, l.resolveAccess,
		func(c *call) error { return l.resolveNetwork(c, subnet) },
		l.resolveSix, l.resolveCapacity, l.resolveDevices,
		func(*call) error {
			return checkTags(d.Tags, "instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu")
		},
	} {
		if err := step(c); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *launchPlan) resolveImage(c *call) error {
	img := c.findImage(l.data.Image)
	if img == nil {
		return fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", l.data.Image)
	}
	if st := img.status(c.now); st != "available" {
		return fail("InvalidAMIID.Unavailable", "The image ID '%s' is not available: it is %s", img.ID, st)
	}
	l.image = img
	if root := img.root(); root != nil && c.Snapshots[root.EBS.Snapshot] != nil {
		l.content = c.Snapshots[root.EBS.Snapshot].Content
	}
	if !l.content.tree() && l.content.File == "" {
		return fail("InvalidAMIID.Unavailable", "The image ID '%s' has no root disk with anything on it", img.ID)
	}
	return nil
}

func (l *launchPlan) resolveType(*call) error {
	t, ok := instanceType(l.data.Type)
	if !ok {
		return fail("InvalidParameterValue", "Invalid value '%s' for InstanceType.", l.data.Type)
	}
	if t.arch != l.image.Arch {
		return fail("InvalidParameterValue", "The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. "+
			"Specify an instance type and an AMI that have matching architectures, and try again.", t.arch, l.image.Arch)
	}
	if m := l.data.Market; m != nil && m.Spot != nil && m.Spot.MaxPrice != "" && number(m.Spot.MaxPrice) < number(t.spotPrice()) {
		return fail("SpotMaxPriceTooLow", "Your Spot request price of %s is lower than the minimum required Spot request fulfillment price of %s.", m.Spot.MaxPrice, t.spotPrice())
	}
	return nil
}

func (l *launchPlan) resolveAccess(c *call) error {
	d := l.data
	if d.Key != "" && c.KeyPairs[d.Key] == nil {
		return fail("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", d.Key)
	}
	if d.Profile == nil {
		return nil
	}
	p, err := c.profile(*d.Profile)
	if err != nil {
		return err
	}
	if p.Role == "" {
		return fail("InvalidParameterValue", "IAM Instance Profile \"%s\" has no associated IAM Roles", p.arn())
	}
	return nil
}

func (l *launchPlan) resolveNetwork(c *call, subnet string) error {
	groups, names, zone := l.data.GroupIDs, l.data.GroupNames, l.data.Placement.Zone
	var public *bool
	if n := l.data.Interfaces; len(n) > 0 {
		switch {
		case len(n) > 1:
			return fail("UnsupportedOperation", "The sandbox gives instances one network interface")
		case subnet != "":
			return fail("InvalidParameterCombination", "Network interfaces and an instance-level subnet ID may not be specified on the same request")
		case len(groups)+len(names) > 0:
			return fail("InvalidParameterCombination", "Network interfaces and an instance-level security groups may not be specified on the same request")
		}
		subnet, groups, public = n[0].Subnet, n[0].Groups, n[0].Public
	}
	all := c.subnets()
	at := slices.IndexFunc(all, func(s subnetOut) bool {
		return (subnet == "" || s.ID == subnet) && (zone == "" || s.Zone == zone)
	})
	switch {
	case subnet == "" && !all[0].Default:
		return fail("VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
	case at < 0 && subnet != "" && slices.ContainsFunc(all, func(s subnetOut) bool { return s.ID == subnet }):
		return fail("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid. The subnet '%s' is not in it.", zone, subnet)
	case at < 0 && subnet != "":
		return notFound("subnet", subnet)
	case at < 0:
		return fail("InvalidParameterValue", "Invalid availability zone: [%s]", zone)
	}
	l.subnet = all[at]
	l.public = l.subnet.Public
	if public != nil {
		l.public = *public
	}
	for _, name := range names {
		g, err := c.group(which{Name: name})
		if err != nil {
			return err
		}
		l.groups = append(l.groups, g.ID)
	}
	for _, id := range groups {
		g, err := c.group(which{ID: id})
		if err != nil {
			return err
		}
		l.groups = append(l.groups, g.ID)
	}
	if len(l.groups) == 0 {
		l.groups = []string{idFor("sg", c.name)}
	}
	return nil
}

// resolveSix gives as many IPv6 addresses of the subnet as are asked for.
func (l *launchPlan) resolveSix(*call) error {
	count := l.data.Six
	if n := l.data.Interfaces; len(n) > 0 {
		count = n[0].Six
	}
	ranges := l.subnet.Six.Items
	if count > 0 && len(ranges) == 0 {
		return fail("InvalidParameterValue", "The subnet '%s' has no IPv6 CIDR block", l.subnet.ID)
	}
	for range count {
		l.six = append(l.six, strings.TrimSuffix(ranges[0].CIDR, "/64")+hexOf(4))
	}
	return nil
}

// resolveCapacity refuses types that have no capacity in a zone.
func (l *launchPlan) resolveCapacity(c *call) error {
	none := c.Faults.Account().NoCapacity
	if !fault.In(none, l.data.Type) && !fault.In(none, l.data.Type+"@"+l.subnet.Zone) {
		return nil
	}
	return fail("InsufficientInstanceCapacity", "We currently do not have sufficient %s capacity in the Availability Zone you requested (%s). "+
		"Our system will be working on provisioning additional capacity.", l.data.Type, l.subnet.Zone)
}

// launch makes an instance and begins to boot it.
func (c *call) launch(l *launchPlan, reservation string, index int) (*instance, error) {
	private, err := c.Host.Address()
	if err != nil {
		return nil, err
	}
	var public netip.Addr
	if l.public {
		if public, err = c.Host.Address(); err != nil {
			return nil, err
		}
	}
	i := &instance{
		ID: newID("i"), Reservation: reservation, Index: index, Launch: l.data, Image: l.image.ID, Content: l.content,
		Arch: l.image.Arch, RootDevice: l.image.RootDevice, Virtualization: l.image.Virtualization,
		ENA: l.image.ENA, SRIOV: l.image.SRIOV, BootMode: l.image.BootMode,
		Zone: l.subnet.Zone, Subnet: l.subnet.ID, VPC: l.subnet.VPC, Groups: l.groups,
		Private: private, Public: public, WantsPublic: l.public, Six: l.six,
		Created: c.now, Launched: c.now, Phase: starting, Fleet: l.fleet,
	}
	if m := l.data.Market; m != nil && m.Type == "spot" {
		i.Spot = "sir-" + hexOf(8)
		c.tag(i.Spot, "spot-instances-request", l.data.Tags)
	}
	c.Instances[i.ID] = i
	l.image.LastLaunched = c.now
	c.tag(i.ID, "instance", l.data.Tags)
	c.setTags(i.ID, l.system)
	for _, d := range l.devices {
		if d.EBS == nil {
			continue
		}
		v := c.makeVolume(*d.EBS, l.subnet.Zone)
		v.Instance, v.Device, v.Attached, v.Root = i.ID, d.Name, c.now, d.Name == l.image.RootDevice
		v.DeleteWithInstance = v.Root
		if d.EBS.Delete != nil {
			v.DeleteWithInstance = *d.EBS.Delete
		}
		c.tag(v.ID, "volume", l.data.Tags)
	}
	c.begin(i)
	return i, nil
}

// begin boots an instance that is in phase starting.
func (s *Server) begin(i *instance) {
	id, ready := i.ID, i.Launched.Add(s.Timing.Running)
	s.queue(id, func() { s.boot(id, ready) })
}

func newID(prefix string) string {
	if prefix == "ami" {
		return "ami-5" + hexOf(16) // never one of the catalogue's
	}
	return prefix + "-0" + hexOf(16)
}

// clone copies what is stored as JSON.
func clone[T any](v T) T {
	var out T
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic(err) // one of our structs can't be written
	}
	return out
}
