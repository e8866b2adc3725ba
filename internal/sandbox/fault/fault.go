// Package fault makes the sandbox's services go wrong as clouds do: by call or
// by rate.
package fault

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Action is what a rule does.
type Action string

// The actions there are.
const (
	Error     Action = "error"      // answers Code, Status and Message instead of acting
	Drop      Action = "drop"       // closes the connection without acting
	DropAfter Action = "drop-after" // acts, then closes the connection
	Delay     Action = "delay"      // waits, then acts
	Kill      Action = "kill"       // kills the client's process (SIGKILL) without acting
	KillAfter Action = "kill-after" // acts, then kills the client's process
	Spot      Action = "spot"       // acts, then takes back all spot and preemptible instances
)

// Rule is one thing that goes wrong.
type Rule struct {
	// Call is a pattern (path.Match) for calls such as "ec2.RunInstances",
	// "sts.*", "gce.instances.insert", "*"; with "@" and a pattern for the
	// region or zone behind it where only those are meant.
	Call string `json:"call" hcl:"call,label"`
	Do   Action `json:"do" hcl:"do"`
	// Nth is the first matching call that it is about, counted from 1; 0 is the
	// first. Times is how many it is about from there on: 0 is one with Nth
	// set and all without it, -1 is all.
	Nth   int `json:"nth,omitempty" hcl:"nth,optional"`
	Times int `json:"times,omitempty" hcl:"times,optional"`
	// Rate is the share of those calls that it hits, from 0 to 1; 0 is all.
	Rate float64 `json:"rate,omitempty" hcl:"rate,optional"`
	// Code, Status (HTTP) and Message are the error. Without a code it is the
	// one that the service throttles with.
	Code    string `json:"code,omitempty" hcl:"code,optional"`
	Status  int    `json:"status,omitempty" hcl:"status,optional"`
	Message string `json:"message,omitempty" hcl:"message,optional"`
	// Delay is the wait, or the notice that spot instances get, e.g. "2s".
	Delay string `json:"delay,omitempty" hcl:"delay,optional"`
}

// Wait returns Delay.
func (r Rule) Wait() time.Duration {
	d, _ := time.ParseDuration(r.Delay) // checked by Add
	return d
}

func (r Rule) check() error {
	if _, err := path.Match(r.Call, ""); err != nil || r.Call == "" {
		return fmt.Errorf("fault %q: not a pattern for calls", r.Call)
	}
	if !slices.Contains([]Action{Error, Drop, DropAfter, Delay, Kill, KillAfter, Spot}, r.Do) {
		return fmt.Errorf("fault %q: there is nothing to do named %q", r.Call, r.Do)
	}
	if r.Rate < 0 || r.Rate > 1 {
		return fmt.Errorf("fault %q: rate %g is not from 0 to 1", r.Call, r.Rate)
	}
	if d, err := time.ParseDuration(r.Delay); r.Delay != "" && (err != nil || d < 0) {
		return fmt.Errorf("fault %q: delay %q is not a duration such as 2s", r.Call, r.Delay)
	}
	if r.Do == Delay && r.Delay == "" {
		return fmt.Errorf("fault %q: a delay needs its length: delay", r.Call)
	}
	return nil
}

func (r Rule) matches(call string) bool {
	pattern, where, placed := strings.Cut(r.Call, "@")
	name, at, _ := strings.Cut(call, "@")
	ok, _ := path.Match(pattern, name)
	if ok && placed {
		ok, _ = path.Match(where, at)
	}
	return ok
}

// Account is what the account that the sandbox plays lacks. Regions are
// patterns as of path.Match.
type Account struct {
	Images         int      `json:"images,omitempty" hcl:"images,optional"` // that it may have in a region; 0 is any number
	NoDefaultVPC   []string `json:"no_default_vpc,omitempty" hcl:"no_default_vpc,optional"`
	PrivateSubnets []string `json:"private_subnets,omitempty" hcl:"private_subnets,optional"` // regions whose subnets give no public address
	IPv6           []string `json:"ipv6,omitempty" hcl:"ipv6,optional"`                       // regions whose subnets have IPv6 addresses
	// NoCapacity are instance types, "t3.micro", or types in one zone,
	// "t3.*@us-east-1a", that nothing can be launched of at the moment.
	NoCapacity      []string `json:"no_capacity,omitempty" hcl:"no_capacity,optional"`
	DisabledRegions []string `json:"disabled_regions,omitempty" hcl:"disabled_regions,optional"`
}

// In reports whether one of the patterns matches the region.
func In(patterns []string, region string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, region)
		return ok
	})
}

// keep is how many calls a Set remembers.
const keep = 100_000

// Set is the rules of a sandbox, and the calls that it has seen. Its zero value
// has no rules. It is safe for concurrent use.
type Set struct {
	mu        sync.Mutex
	rules     []*active
	account   Account
	calls     []string
	interrupt []func(notice time.Duration)
	random    *rand.Rand
}

type active struct {
	Rule
	seen, hits int
}

// Add adds rules behind those that there are: the first one that hits a call
// counts.
func (s *Set) Add(rules ...Rule) error {
	for _, r := range rules {
		if err := r.check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		s.rules = append(s.rules, &active{Rule: r})
	}
	return nil
}

// Clear removes all rules, what the account lacks, and the calls seen.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.calls, s.account = nil, nil, Account{}
}

// Rules returns the rules.
func (s *Set) Rules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Rule
	for _, r := range s.rules {
		all = append(all, r.Rule)
	}
	return all
}

// SetAccount says what the account lacks.
func (s *Set) SetAccount(a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account = a
}

// Account returns what the account lacks. A nil set lacks nothing.
func (s *Set) Account() Account {
	if s == nil {
		return Account{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account
}

// Calls returns the calls seen so far in their order, without regions: the
// last hundred thousand.
func (s *Set) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// OnInterrupt has f called when spot and preemptible instances are taken back.
func (s *Set) OnInterrupt(f func(notice time.Duration)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = append(s.interrupt, f)
}

// Interrupt takes back spot and preemptible instances, after a notice.
func (s *Set) Interrupt(notice time.Duration) {
	s.mu.Lock()
	all := slices.Clone(s.interrupt)
	s.mu.Unlock()
	for _, f := range all {
		f(notice)
	}
}

// hit notes a call and returns the rule that hits it.
func (s *Set) hit(call string) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) >= keep {
		s.calls = slices.Delete(s.calls, 0, keep/2)
	}
	name, _, _ := strings.Cut(call, "@")
	s.calls = append(s.calls, name)
	var first *active
	for _, r := range s.rules {
		if !r.matches(call) {
			continue
		}
		r.seen++
		if first == nil && r.due() && s.strikes(r.Rate) {
			first = r
			r.hits++
		}
	}
	if first == nil {
		return Rule{}, false
	}
	return first.Rule, true
}

func (r *active) due() bool {
	times := r.Times
	if times == 0 && r.Nth > 0 {
		times = 1
	}
	return r.seen >= r.Nth && (times <= 0 || r.hits < times)
}

// strikes draws from numbers that are the same in each process.
func (s *Set) strikes(rate float64) bool {
	if rate == 0 || rate == 1 {
		return true
	}
	if s.random == nil {
		s.random = rand.New(rand.NewPCG(1, 2))
	}
	return s.random.Float64() < rate
}
