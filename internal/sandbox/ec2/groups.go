package ec2

import (
	"slices"
	"strings"
	"time"
)

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
