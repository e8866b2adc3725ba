package ec2

import (
	"time"
)

type describeStatusIn struct {
	paging
	IDs     []string `q:"InstanceId,id=i"`
	All     bool     `q:"IncludeAllInstances"`
	Filters []filter `q:"Filter"`
}

type statusOut struct {
	ID       string   `xml:"instanceId"`
	Zone     string   `xml:"availabilityZone"`
	State    stateOut `xml:"instanceState"`
	Instance string   `xml:"instanceStatus>status"`
	System   string   `xml:"systemStatus>status"`
}

type describeStatusOut struct {
	Next string          `xml:"nextToken,omitempty"`
	All  list[statusOut] `xml:"instanceStatusSet"`
}

func describeStatus(c *call, in *describeStatusIn) (describeStatusOut, error) {
	all, err := byID(c, c.Instances, in.IDs, "i", func(i *instance) time.Time { return i.Created })
	if err != nil {
		return describeStatusOut{}, err
	}
	var states []statusOut
	for _, i := range all {
		o := statusOut{ID: i.ID, Zone: i.Zone, State: stateNamed(i.status(c.now)), Instance: "not-applicable", System: "not-applicable"}
		if o.State.Name == "running" {
			o.Instance, o.System = "ok", "ok"
			if c.now.Before(i.Done.Add(c.Timing.SSH)) {
				o.Instance, o.System = "initializing", "initializing"
			}
		} else if !in.All {
			continue
		}
		states = append(states, o)
	}
	states, err = pick(states, in.Filters, attrs[statusOut]{
		"availability-zone":      one(func(s statusOut) string { return s.Zone }),
		"instance-state-name":    one(func(s statusOut) string { return s.State.Name }),
		"instance-state-code":    one(func(s statusOut) string { return itoa(s.State.Code) }),
		"instance-status.status": one(func(s statusOut) string { return s.Instance }),
		"system-status.status":   one(func(s statusOut) string { return s.System }),
	}, nil)
	if err != nil {
		return describeStatusOut{}, err
	}
	states, next, err := page(in.paging, states, in.IDs)
	return describeStatusOut{next, listOf(states)}, err
}
