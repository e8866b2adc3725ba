package ec2

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

type fleet struct {
	ID, Type, Token string
	Created         time.Time
	Instances       []string
	Errors          []fleetError
	Capacity        int
	Spot            bool
	Deleted         bool
}

type createFleetIn struct {
	Token    string        `q:"ClientToken"`
	Type     string        `q:"Type"`
	Configs  []fleetConfig `q:"LaunchTemplateConfigs,required"`
	Capacity struct {
		Total    int    `q:"TotalTargetCapacity,required"`
		OnDemand int    `q:"OnDemandTargetCapacity"`
		Spot     int    `q:"SpotTargetCapacity"`
		Default  string `q:"DefaultTargetCapacityType"`
		Unit     string `q:"TargetCapacityUnitType"`
	} `q:"TargetCapacitySpecification,required"`
	Spot     fleetMarket `q:"SpotOptions"`
	OnDemand fleetMarket `q:"OnDemandOptions"`
	Tags     []tagSpec   `q:"TagSpecification"`
}

type fleetMarket struct {
	Strategy     string `q:"AllocationStrategy"`
	Interruption string `q:"InstanceInterruptionBehavior"`
	Pools        int    `q:"InstancePoolsToUseCount"`
	SingleType   bool   `q:"SingleInstanceType"`
	SingleZone   bool   `q:"SingleAvailabilityZone"`
	Least        int    `q:"MinTargetCapacity"`
	MaxPrice     string `q:"MaxTotalPrice"`
}

type fleetConfig struct {
	Template  templateRef     `q:"LaunchTemplateSpecification"`
	Overrides []fleetOverride `q:"Overrides"`
}

type fleetOverride struct {
	Type     string   `q:"InstanceType" xml:"instanceType,omitempty"`
	MaxPrice string   `q:"MaxPrice" xml:"maxPrice,omitempty"`
	Subnet   string   `q:"SubnetId,id=subnet" xml:"subnetId,omitempty"`
	Zone     string   `q:"AvailabilityZone" xml:"availabilityZone,omitempty"`
	Weight   float64  `q:"WeightedCapacity" xml:"weightedCapacity,omitempty"`
	Priority *float64 `q:"Priority" xml:"priority"`
	Image    string   `q:"ImageId,id=ami" xml:"imageId,omitempty"`
}

// fleetPool is a place where an instance of a fleet can run.
type fleetPool struct {
	Template templateRef   `xml:"launchTemplateSpecification"`
	Override fleetOverride `xml:"overrides"`
	data     launchData
}

type fleetError struct {
	Pool      fleetPool `xml:"launchTemplateAndOverrides"`
	Lifecycle string    `xml:"lifecycle"`
	Code      string    `xml:"errorCode"`
	Message   string    `xml:"errorMessage"`
}

type fleetInstance struct {
	Pool      fleetPool    `xml:"launchTemplateAndOverrides"`
	Lifecycle string       `xml:"lifecycle"`
	IDs       list[string] `xml:"instanceIds"`
	Type      string       `xml:"instanceType"`
}

type createFleetOut struct {
	ID        string              `xml:"fleetId"`
	Errors    list[fleetError]    `xml:"errorSet"`
	Instances list[fleetInstance] `xml:"fleetInstanceSet"`
}

// createFleet launches the instances of an instant fleet in the first of its
// pools that has room.
func createFleet(c *call, in *createFleetIn) (createFleetOut, error) {
	if in.Type != "instant" {
		return createFleetOut{}, fail("UnsupportedOperation", "The sandbox has instant fleets only, not %q", cmp.Or(in.Type, "maintain"))
	}
	if in.Capacity.Total < 1 {
		return createFleetOut{}, fail("InvalidParameterValue", "TotalTargetCapacity must be 1 or more")
	}
	for _, err := range []error{
		oneOf("DefaultTargetCapacityType", in.Capacity.Default, "spot", "on-demand"),
		oneOf("SpotOptions.AllocationStrategy", in.Spot.Strategy, "lowest-price", "lowestPrice", "diversified", "capacity-optimized",
			"capacityOptimized", "capacity-optimized-prioritized", "price-capacity-optimized"),
		oneOf("OnDemandOptions.AllocationStrategy", in.OnDemand.Strategy, "lowest-price", "lowestPrice", "prioritized"),
		checkTags(in.Tags, "fleet", "instance", "volume", "network-interface", "spot-instances-request"),
	} {
		if err != nil {
			return createFleetOut{}, err
		}
	}
	if ids, err := c.token(in.Token); err != nil {
		return createFleetOut{}, err
	} else if ids != nil && c.Fleets[ids[0]] != nil {
		return c.fleetOut(c.Fleets[ids[0]]), nil
	}
	pools, err := c.pools(in)
	if err != nil {
		return createFleetOut{}, err
	}
	if err := c.ready(); err != nil {
		return createFleetOut{}, err
	}
	id := requestID()
	f := &fleet{ID: "fleet-" + id, Type: in.Type, Token: in.Token, Created: c.now, Capacity: in.Capacity.Total, Spot: in.Capacity.Default == "spot" || in.Capacity.Spot > 0}
	c.Fleets[f.ID] = f
	c.tag(f.ID, "fleet", in.Tags)
	c.remember(in.Token, []string{f.ID})
	return c.fill(f, in, pools), nil
}

// pools returns where the fleet may launch, in the order of its strategy.
func (c *call) pools(in *createFleetIn) ([]fleetPool, error) {
	var all []fleetPool
	for _, cfg := range in.Configs {
		t, n, err := c.template(cfg.Template)
		if err != nil {
			return nil, err
		}
		named := templateRef{t.ID, t.Name, itoa(n)}
		data := t.Versions[n-1].Data
		if len(cfg.Overrides) == 0 {
			all = append(all, fleetPool{Template: named, data: data})
		}
		for _, o := range cfg.Overrides {
			all = append(all, fleetPool{Template: named, Override: o, data: data})
		}
	}
	price := func(p fleetPool) string {
		t, _ := instanceType(cmp.Or(p.Override.Type, p.data.Type))
		return t.spotPrice()
	}
	strategy := cmp.Or(in.Spot.Strategy, in.OnDemand.Strategy, "lowest-price")
	slices.SortStableFunc(all, func(a, b fleetPool) int {
		switch strategy {
		case "lowest-price", "lowestPrice", "price-capacity-optimized":
			return cmp.Compare(number(price(a)), number(price(b)))
		case "prioritized", "capacity-optimized-prioritized":
			return cmp.Compare(priority(a), priority(b))
		}
		return 0
	})
	return all, nil
}

func priority(p fleetPool) float64 {
	if p.Override.Priority == nil {
		return 1e9 // after those that have one
	}
	return *p.Override.Priority
}

// fill launches what the fleet is for.
func (c *call) fill(f *fleet, in *createFleetIn, pools []fleetPool) createFleetOut {
	out := createFleetOut{ID: f.ID}
	for _, p := range pools {
		if len(f.Instances) == f.Capacity {
			break
		}
		lifecycle := "on-demand"
		if f.Spot {
			lifecycle = "spot"
		}
		l, err := c.planPool(p, f, in)
		var ids []string
		for err == nil && len(f.Instances) < f.Capacity {
			var i *instance
			if i, err = c.launch(l, newID("r"), len(f.Instances)); err == nil {
				ids = append(ids, i.ID)
				f.Instances = append(f.Instances, i.ID)
			}
		}
		if err != nil {
			e := asError(err)
			f.Errors = append(f.Errors, fleetError{p, lifecycle, e.Code, e.Message})
			continue
		}
		out.Instances.Items = append(out.Instances.Items, fleetInstance{p, lifecycle, listOf(ids), l.data.Type})
	}
	if len(f.Instances) > 0 {
		f.Errors = nil
	}
	out.Errors = listOf(f.Errors)
	return out
}

func (c *call) planPool(p fleetPool, f *fleet, in *createFleetIn) (*launchPlan, error) {
	d := p.data
	d.Type = cmp.Or(p.Override.Type, d.Type)
	d.Image = cmp.Or(p.Override.Image, d.Image)
	d.Placement.Zone = cmp.Or(p.Override.Zone, d.Placement.Zone)
	d.Tags = append(slices.Clone(d.Tags), slices.DeleteFunc(slices.Clone(in.Tags), func(s tagSpec) bool { return s.Kind == "fleet" })...)
	d.Market = nil
	if f.Spot {
		d.Market = &market{Type: "spot", Spot: &spotOptions{MaxPrice: cmp.Or(p.Override.MaxPrice, in.Spot.MaxPrice)}}
	}
	subnet := p.Override.Subnet
	if subnet != "" && len(d.Interfaces) > 0 {
		d.Interfaces = slices.Clone(d.Interfaces)
		d.Interfaces[0].Subnet, subnet = subnet, ""
	}
	l, err := c.plan(d, subnet)
	if err == nil {
		l.fleet = f.ID
		l.system = []tagIn{
			{"aws:ec2:fleet-id", f.ID}, {"aws:ec2launchtemplate:id", p.Template.ID}, {"aws:ec2launchtemplate:version", p.Template.Version},
		}
	}
	return l, err
}

// fleetOut answers a request for a fleet that has been made before.
func (c *call) fleetOut(f *fleet) createFleetOut {
	out := createFleetOut{ID: f.ID, Errors: listOf(f.Errors)}
	for _, id := range f.Instances {
		if i := c.Instances[id]; i != nil {
			out.Instances.Items = append(out.Instances.Items, fleetInstance{Lifecycle: c.describe(i).Lifecycle, IDs: listOf([]string{id}), Type: i.Launch.Type})
		}
	}
	return out
}

// gone reports whether nothing is left of a fleet: an instant one has only its
// instances.
func (r *region) gone(f *fleet) bool {
	return f.Deleted || !slices.ContainsFunc(f.Instances, func(id string) bool {
		return r.Instances[id] != nil && !r.Instances[id].Removed
	})
}

type describeFleetsIn struct {
	paging
	IDs     []string `q:"FleetId,id=fleet"`
	Filters []filter `q:"Filter"`
}

type fleetData struct {
	ID        string           `xml:"fleetId"`
	State     string           `xml:"fleetState"`
	Activity  string           `xml:"activityStatus"`
	Created   stamp            `xml:"createTime"`
	Token     string           `xml:"clientToken"`
	Type      string           `xml:"type"`
	Fulfilled float64          `xml:"fulfilledCapacity"`
	Target    int              `xml:"targetCapacitySpecification>totalTargetCapacity"`
	Tags      list[tagOut]     `xml:"tagSet"`
	Errors    list[fleetError] `xml:"errorSet"`
}

type describeFleetsOut struct {
	Next string          `xml:"nextToken,omitempty"`
	All  list[fleetData] `xml:"fleetSet"`
}

func (f *fleet) state() string {
	if f.Deleted {
		return "deleted"
	}
	return "active"
}

func describeFleets(c *call, in *describeFleetsIn) (describeFleetsOut, error) {
	all, err := byID(c, c.Fleets, in.IDs, "fleet", func(f *fleet) time.Time { return f.Created })
	if err != nil {
		return describeFleetsOut{}, err
	}
	if len(in.IDs) == 0 { // the service lists no instant fleets either, unless asked by id
		all = slices.DeleteFunc(all, func(f *fleet) bool { return c.gone(f) })
	}
	all, err = pick(all, in.Filters, attrs[*fleet]{
		"fleet-state": one(func(f *fleet) string { return f.state() }),
		"type":        one(func(f *fleet) string { return f.Type }),
	}, func(f *fleet) map[string]string { return c.Tags[f.ID] })
	if err != nil {
		return describeFleetsOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	out := describeFleetsOut{Next: next}
	for _, f := range all {
		out.All.Items = append(out.All.Items, fleetData{
			f.ID, f.state(), "fulfilled", stamp(f.Created), f.Token, f.Type, float64(len(f.Instances)), f.Capacity, c.tagsOf(f.ID), listOf(f.Errors),
		})
	}
	return out, err
}

type fleetInstancesIn struct {
	paging
	ID      string   `q:"FleetId,required,id=fleet"`
	Filters []filter `q:"Filter"`
}

type activeInstance struct {
	ID   string `xml:"instanceId"`
	Type string `xml:"instanceType"`
	Spot string `xml:"spotInstanceRequestId,omitempty"`
}

type fleetInstancesOut struct {
	ID  string               `xml:"fleetId"`
	All list[activeInstance] `xml:"activeInstanceSet"`
}

func describeFleetInstances(c *call, in *fleetInstancesIn) (fleetInstancesOut, error) {
	f := c.Fleets[in.ID]
	if f == nil {
		return fleetInstancesOut{}, notFound("fleet", in.ID)
	}
	out := fleetInstancesOut{ID: f.ID}
	for _, id := range f.Instances {
		if i := c.Instances[id]; i != nil && !i.Removed {
			out.All.Items = append(out.All.Items, activeInstance{i.ID, i.Launch.Type, i.Spot})
		}
	}
	all, err := pick(out.All.Items, in.Filters, attrs[activeInstance]{
		"instance-type": one(func(a activeInstance) string { return a.Type }),
	}, nil)
	out.All = listOf(all)
	return out, err
}

type deleteFleetsIn struct {
	IDs       []string `q:"FleetId,required,id=fleet"`
	Terminate *bool    `q:"TerminateInstances,required"`
}

type deletedFleet struct {
	ID  string `xml:"fleetId"`
	Now string `xml:"currentFleetState"`
	Was string `xml:"previousFleetState"`
}

type undeletedFleet struct {
	ID      string `xml:"fleetId"`
	Code    string `xml:"error>code"`
	Message string `xml:"error>message"`
}

type deleteFleetsOut struct {
	Done   list[deletedFleet]   `xml:"successfulFleetDeletionSet"`
	Failed list[undeletedFleet] `xml:"unsuccessfulFleetDeletionSet"`
}

func deleteFleets(c *call, in *deleteFleetsIn) (deleteFleetsOut, error) {
	if err := c.ready(); err != nil {
		return deleteFleetsOut{}, err
	}
	var out deleteFleetsOut
	for _, id := range in.IDs {
		f := c.Fleets[id]
		switch {
		case f == nil:
			out.Failed.Items = append(out.Failed.Items, undeletedFleet{id, "fleetIdDoesNotExist", fmt.Sprintf("The fleet ID '%s' does not exist", id)})
			continue
		case !*in.Terminate:
			out.Failed.Items = append(out.Failed.Items, undeletedFleet{id, "unexpectedError", "Instant fleets are deleted with their instances: set TerminateInstances"})
			continue
		}
		for _, i := range f.Instances {
			if inst := c.Instances[i]; inst != nil && inst.Phase != terminating {
				c.terminate(inst)
			}
		}
		out.Done.Items = append(out.Done.Items, deletedFleet{id, "deleted_terminating", f.state()})
		f.Deleted = true
	}
	return out, nil
}
