package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
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
