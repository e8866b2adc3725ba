package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// rule lets traffic in.
type rule struct {
	Protocol string    `q:"IpProtocol" xml:"ipProtocol"`
	From     *int      `q:"FromPort" xml:"fromPort"`
	To       *int      `q:"ToPort" xml:"toPort"`
	Groups   []peer    `q:"Groups" xml:"groups>item"`
	IPv4     []ipv4    `q:"IpRanges" xml:"ipRanges>item"`
	IPv6     []ipv6    `q:"Ipv6Ranges" xml:"ipv6Ranges>item"`
	Prefixes []prefixe `q:"PrefixListIds" xml:"prefixListIds>item"`
}

type peer struct {
	Description string `q:"Description" xml:"description,omitempty"`
	User        string `q:"UserId" xml:"userId,omitempty"`
	Name        string `q:"GroupName" xml:"groupName,omitempty"`
	ID          string `q:"GroupId,id=sg" xml:"groupId,omitempty"`
	VPC         string `q:"VpcId,id=vpc" xml:"vpcId,omitempty"`
}

type ipv4 struct {
	Description string `q:"Description" xml:"description,omitempty"`
	CIDR        string `q:"CidrIp" xml:"cidrIp"`
}

type ipv6 struct {
	Description string `q:"Description" xml:"description,omitempty"`
	CIDR        string `q:"CidrIpv6" xml:"cidrIpv6"`
}

type prefixe struct {
	Description string `q:"Description" xml:"description,omitempty"`
	ID          string `q:"PrefixListId" xml:"prefixListId"`
}

// single is a rule about one port range and one source.
type single struct {
	Protocol string
	From, To int
	Source   string
}

func (s single) String() string {
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", s.Source, s.Protocol, s.From, s.To)
}

func (r rule) singles() []single {
	s := single{Protocol: r.Protocol, From: -1, To: -1}
	if r.From != nil {
		s.From = *r.From
	}
	if r.To != nil {
		s.To = *r.To
	}
	var all []single
	add := func(source string) {
		s.Source = source
		all = append(all, s)
	}
	for _, x := range r.IPv4 {
		add(x.CIDR)
	}
	for _, x := range r.IPv6 {
		add(x.CIDR)
	}
	for _, x := range r.Groups {
		add(x.ID)
	}
	for _, x := range r.Prefixes {
		add(x.ID)
	}
	return all
}

// defaultGroup is the group that each VPC has: it lets in its own members.
func defaultGroup(region string) *group {
	id := idFor("sg", region)
	return &group{
		ID: id, Name: "default", Description: "default VPC security group", VPC: idFor("vpc", region), Default: true,
		Ingress: []rule{{Protocol: "-1", Groups: []peer{{User: account, ID: id}}}},
	}
}

type createGroupIn struct {
	Name        string    `q:"GroupName,required"`
	Description string    `q:"GroupDescription,required"`
	VPC         string    `q:"VpcId,id=vpc"`
	Tags        []tagSpec `q:"TagSpecification"`
}

type createGroupOut struct {
	ID   string       `xml:"groupId"`
	ARN  string       `xml:"securityGroupArn"`
	Tags list[tagOut] `xml:"tagSet"`
}

func createGroup(c *call, in *createGroupIn) (createGroupOut, error) {
	v := c.vpc()
	switch {
	case in.Name == "" || len(in.Name) > 255 || strings.HasPrefix(in.Name, "sg-"):
		return createGroupOut{}, fail("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid.", in.Name)
	case in.VPC == "" && !v.Default:
		return createGroupOut{}, fail("VPCIdNotSpecified", "No default VPC for this user")
	case in.VPC != "" && in.VPC != v.ID:
		return createGroupOut{}, notFound("vpc", in.VPC)
	}
	for _, g := range c.Groups {
		if g.Name == in.Name {
			return createGroupOut{}, fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", in.Name, v.ID)
		}
	}
	if err := checkTags(in.Tags, "security-group"); err != nil {
		return createGroupOut{}, err
	}
	if err := c.ready(); err != nil {
		return createGroupOut{}, err
	}
	g := &group{ID: newID("sg"), Name: in.Name, Description: in.Description, VPC: v.ID, Created: c.now}
	c.Groups[g.ID] = g
	c.tag(g.ID, "security-group", in.Tags)
	return createGroupOut{g.ID, c.arn("security-group/" + g.ID), c.tagsOf(g.ID)}, nil
}

func (c *call) arn(what string) string {
	return "arn:aws:ec2:" + c.name + ":" + account + ":" + what
}

// which is how calls name a group.
type which struct {
	ID   string `q:"GroupId,id=sg"`
	Name string `q:"GroupName"`
}

func (c *call) group(w which) (*group, error) {
	if w.ID == "" && w.Name == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter GroupName or GroupId")
	}
	for _, g := range c.Groups {
		if g.ID == w.ID || w.ID == "" && g.Name == w.Name {
			return g, nil
		}
	}
	return nil, notFound("sg", w.ID+w.Name)
}

type deleteGroupIn struct{ which }

type deleteGroupOut struct {
	Return bool   `xml:"return"`
	ID     string `xml:"groupId"`
}

func deleteGroup(c *call, in *deleteGroupIn) (deleteGroupOut, error) {
	g, err := c.group(in.which)
	if err != nil {
		return deleteGroupOut{}, err
	}
	if g.Default {
		return deleteGroupOut{}, fail("CannotDelete", "the specified group: %q name: %q cannot be deleted by a user", g.ID, g.Name)
	}
	for _, i := range c.Instances {
		if slices.Contains(i.Groups, g.ID) && i.status(c.now) != "terminated" {
			return deleteGroupOut{}, fail("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
	}
	for _, other := range c.Groups {
		for _, r := range other.Ingress {
			if other != g && slices.ContainsFunc(r.Groups, func(p peer) bool { return p.ID == g.ID }) {
				return deleteGroupOut{}, fail("DependencyViolation", "resource %s has a dependent object", g.ID)
			}
		}
	}
	if err := c.ready(); err != nil {
		return deleteGroupOut{}, err
	}
	delete(c.Groups, g.ID)
	delete(c.Tags, g.ID)
	return deleteGroupOut{true, g.ID}, nil
}

// changeRules is the request of Authorize and Revoke.
type changeRules struct {
	which
	Rules    []rule    `q:"IpPermissions"`
	Protocol string    `q:"IpProtocol"`
	From     *int      `q:"FromPort"`
	To       *int      `q:"ToPort"`
	CIDR     string    `q:"CidrIp"`
	Tags     []tagSpec `q:"TagSpecification"`
}

// rules returns the rules meant, those of the short form too.
func (in changeRules) rules(c *call) ([]rule, error) {
	all := in.Rules
	if in.Protocol != "" || in.CIDR != "" {
		all = append(all, rule{Protocol: in.Protocol, From: in.From, To: in.To, IPv4: []ipv4{{CIDR: in.CIDR}}})
	}
	if len(all) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter IpPermissions")
	}
	for i := range all {
		if err := all[i].check(c); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// numbers of protocols that have names.
var protocolNames = map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}

func (r *rule) check(c *call) error {
	r.Protocol = strings.ToLower(r.Protocol)
	if name, ok := protocolNames[r.Protocol]; ok {
		r.Protocol = name
	}
	switch r.Protocol {
	case "tcp", "udp":
		if r.From == nil || r.To == nil || *r.From < 0 || *r.To > 65535 || *r.From > *r.To {
			return fail("InvalidParameterValue", "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
		}
	case "-1":
		r.From, r.To = nil, nil
	case "icmp", "icmpv6":
	default:
		return fail("InvalidPermission.Malformed", "Unsupported IP protocol %q - supported: [tcp, udp, icmp, icmpv6, -1]", r.Protocol)
	}
	for _, x := range r.IPv4 {
		if p, err := netip.ParsePrefix(x.CIDR); err != nil || !p.Addr().Is4() {
			return fail("InvalidParameterValue", "CIDR block %s is malformed", x.CIDR)
		}
	}
	for _, x := range r.IPv6 {
		if p, err := netip.ParsePrefix(x.CIDR); err != nil || !p.Addr().Is6() {
			return fail("InvalidParameterValue", "CIDR block %s is malformed", x.CIDR)
		}
	}
	for i, p := range r.Groups {
		g, err := c.group(which{ID: p.ID, Name: p.Name})
		if err != nil {
			return err
		}
		r.Groups[i] = peer{Description: p.Description, User: account, ID: g.ID}
	}
	if len(r.singles()) == 0 {
		return fail("MissingParameter", "The request must contain a source of the rule: IpRanges, Ipv6Ranges, Groups or PrefixListIds")
	}
	return nil
}

type groupRule struct {
	ID       string       `xml:"securityGroupRuleId"`
	Group    string       `xml:"groupId"`
	Owner    string       `xml:"groupOwnerId"`
	Egress   bool         `xml:"isEgress"`
	Protocol string       `xml:"ipProtocol"`
	From     int          `xml:"fromPort"`
	To       int          `xml:"toPort"`
	IPv4     string       `xml:"cidrIpv4,omitempty"`
	IPv6     string       `xml:"cidrIpv6,omitempty"`
	Tags     list[tagOut] `xml:"tagSet"`
}

type authorizeOut struct {
	Return bool            `xml:"return"`
	Rules  list[groupRule] `xml:"securityGroupRuleSet"`
}

func authorizeIngress(c *call, in *changeRules) (authorizeOut, error) {
	g, err := c.group(in.which)
	if err != nil {
		return authorizeOut{}, err
	}
	rules, err := in.rules(c)
	if err != nil {
		return authorizeOut{}, err
	}
	if err := checkTags(in.Tags, "security-group-rule"); err != nil {
		return authorizeOut{}, err
	}
	have := map[single]bool{}
	for _, r := range g.Ingress {
		for _, s := range r.singles() {
			have[s] = true
		}
	}
	out := authorizeOut{Return: true}
	for _, r := range rules {
		for _, s := range r.singles() {
			if have[s] {
				return authorizeOut{}, fail("InvalidPermission.Duplicate", "the specified rule %q already exists", s)
			}
			have[s] = true
			o := groupRule{ID: idFor("sgr", g.ID+s.String()), Group: g.ID, Owner: account, Protocol: s.Protocol, From: s.From, To: s.To}
			if strings.Contains(s.Source, ":") {
				o.IPv6 = s.Source
			} else if strings.Contains(s.Source, "/") {
				o.IPv4 = s.Source
			}
			out.Rules.Items = append(out.Rules.Items, o)
		}
	}
	if err := c.ready(); err != nil {
		return authorizeOut{}, err
	}
	g.Ingress = append(g.Ingress, rules...)
	for i, o := range out.Rules.Items {
		c.tag(o.ID, "security-group-rule", in.Tags)
		out.Rules.Items[i].Tags = c.tagsOf(o.ID)
	}
	c.reopen(g.ID)
	return out, nil
}

func revokeIngress(c *call, in *changeRules) (done, error) {
	g, err := c.group(in.which)
	if err != nil {
		return done{}, err
	}
	rules, err := in.rules(c)
	if err != nil {
		return done{}, err
	}
	gone := map[single]bool{}
	for _, r := range rules {
		for _, s := range r.singles() {
			gone[s] = true
		}
	}
	var left []rule
	found := 0
	for _, r := range g.Ingress {
		kept := r.without(gone)
		found += len(r.singles()) - len(kept.singles())
		if len(kept.singles()) > 0 {
			left = append(left, kept)
		}
	}
	if found < len(gone) {
		return done{}, fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	g.Ingress = left
	c.reopen(g.ID)
	return done{true}, nil
}

// without returns the rule without those sources of it.
func (r rule) without(gone map[single]bool) rule {
	has := func(source string) bool {
		s := rule{Protocol: r.Protocol, From: r.From, To: r.To, IPv4: []ipv4{{CIDR: source}}}.singles()[0]
		return gone[s]
	}
	r.IPv4 = slices.DeleteFunc(slices.Clone(r.IPv4), func(x ipv4) bool { return has(x.CIDR) })
	r.IPv6 = slices.DeleteFunc(slices.Clone(r.IPv6), func(x ipv6) bool { return has(x.CIDR) })
	r.Groups = slices.DeleteFunc(slices.Clone(r.Groups), func(x peer) bool { return has(x.ID) })
	r.Prefixes = slices.DeleteFunc(slices.Clone(r.Prefixes), func(x prefixe) bool { return has(x.ID) })
	return r
}

// widest is the widest range of ports that is opened.
const widest = 100

// ports returns the TCP ports that groups let in from anywhere outside: sources
// do not count, as all clients are on this host. Of wider ranges it is SSH's.
func (r *region) ports(groups []string) []int {
	open := map[int]bool{}
	for _, id := range groups {
		g := r.Groups[id]
		if g == nil {
			continue
		}
		for _, rule := range g.Ingress {
			if len(rule.IPv4)+len(rule.IPv6)+len(rule.Prefixes) == 0 {
				continue
			}
			from, to := 0, 65535
			if rule.Protocol == "tcp" {
				from, to = *rule.From, *rule.To
			} else if rule.Protocol != "-1" {
				continue
			}
			if to-from >= widest {
				if from <= 22 && 22 <= to {
					open[22] = true
				}
				continue
			}
			for p := max(from, 1); p <= to; p++ {
				open[p] = true
			}
		}
	}
	var all []int
	for p := range open {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

type describeGroupsIn struct {
	paging
	IDs     []string `q:"GroupId,id=sg"`
	Names   []string `q:"GroupName"`
	Filters []filter `q:"Filter"`
}

type groupOut struct {
	ID          string       `xml:"groupId"`
	ARN         string       `xml:"securityGroupArn"`
	Name        string       `xml:"groupName"`
	Description string       `xml:"groupDescription"`
	VPC         string       `xml:"vpcId"`
	Owner       string       `xml:"ownerId"`
	Ingress     list[rule]   `xml:"ipPermissions"`
	Egress      list[rule]   `xml:"ipPermissionsEgress"`
	Tags        list[tagOut] `xml:"tagSet"`
}

type describeGroupsOut struct {
	Next   string         `xml:"nextToken,omitempty"`
	Groups list[groupOut] `xml:"securityGroupInfo"`
}

func describeGroups(c *call, in *describeGroupsIn) (describeGroupsOut, error) {
	made := func(g *group) time.Time { return g.Created }
	all, err := byID(c, c.Groups, in.IDs, "sg", made)
	if err != nil {
		return describeGroupsOut{}, err
	}
	for _, name := range in.Names {
		if !slices.ContainsFunc(all, func(g *group) bool { return g.Name == name }) {
			return describeGroupsOut{}, notFound("sg", name)
		}
	}
	if len(in.Names) > 0 {
		all = slices.DeleteFunc(all, func(g *group) bool { return !slices.Contains(in.Names, g.Name) })
	}
	if all, err = pick(all, in.Filters, groupAttrs(), func(g *group) map[string]string { return c.Tags[g.ID] }); err != nil {
		return describeGroupsOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	if err != nil {
		return describeGroupsOut{}, err
	}
	out := describeGroupsOut{Next: next}
	for _, g := range all {
		out.Groups.Items = append(out.Groups.Items, groupOut{
			ID: g.ID, ARN: c.arn("security-group/" + g.ID), Name: g.Name, Description: g.Description, VPC: g.VPC, Owner: account,
			Ingress: listOf(g.Ingress), Egress: listOf([]rule{{Protocol: "-1", IPv4: []ipv4{{CIDR: "0.0.0.0/0"}}}}), Tags: c.tagsOf(g.ID),
		})
	}
	return out, nil
}

func groupAttrs() attrs[*group] {
	return attrs[*group]{
		"group-id":    one(func(g *group) string { return g.ID }),
		"group-name":  one(func(g *group) string { return g.Name }),
		"description": one(func(g *group) string { return g.Description }),
		"vpc-id":      one(func(g *group) string { return g.VPC }),
		"owner-id":    one(func(*group) string { return account }),
		"ip-permission.cidr": func(g *group) []string {
			var all []string
			for _, r := range g.Ingress {
				for _, x := range r.IPv4 {
					all = append(all, x.CIDR)
				}
			}
			return all
		},
		"ip-permission.from-port": func(g *group) []string {
			var all []string
			for _, r := range g.Ingress {
				if r.From != nil {
					all = append(all, itoa(*r.From))
				}
			}
			return all
		},
		"ip-permission.to-port": func(g *group) []string {
			var all []string
			for _, r := range g.Ingress {
				if r.To != nil {
					all = append(all, itoa(*r.To))
				}
			}
			return all
		},
		"ip-permission.protocol": func(g *group) []string {
			var all []string
			for _, r := range g.Ingress {
				all = append(all, r.Protocol)
			}
			return all
		},
	}
}
