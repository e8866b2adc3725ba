package ec2

import (
	"cmp"
	"slices"
	"time"
)

// spotInstance returns the instance of a spot request; nil is none.
func (c *call) spotInstance(request string) *instance {
	for _, i := range c.Instances {
		if i.Spot == request {
			return i
		}
	}
	return nil
}

type spotRequestsIn struct {
	paging
	IDs     []string `q:"SpotInstanceRequestId,id=sir"`
	Filters []filter `q:"Filter"`
}

type spotRequest struct {
	ID       string       `xml:"spotInstanceRequestId"`
	Instance string       `xml:"instanceId"`
	State    string       `xml:"state"`
	Type     string       `xml:"type"`
	Price    string       `xml:"spotPrice"`
	Created  stamp        `xml:"createTime"`
	Code     string       `xml:"status>code"`
	Message  string       `xml:"status>message"`
	Zone     string       `xml:"launchedAvailabilityZone"`
	Tags     list[tagOut] `xml:"tagSet"`
}

type spotRequestsOut struct {
	Next string            `xml:"nextToken,omitempty"`
	All  list[spotRequest] `xml:"spotInstanceRequestSet"`
}

func describeSpotRequests(c *call, in *spotRequestsIn) (spotRequestsOut, error) {
	var all []spotRequest
	for _, i := range c.Instances {
		if i.Spot == "" || len(in.IDs) > 0 && !slices.Contains(in.IDs, i.Spot) {
			continue
		}
		r := spotRequest{
			ID: i.Spot, Instance: i.ID, State: "active", Type: "one-time", Created: stamp(i.Created), Code: "fulfilled",
			Message: "Your spot request is fulfilled.", Zone: i.Zone, Tags: c.tagsOf(i.Spot),
		}
		if t, ok := instanceType(i.Launch.Type); ok {
			r.Price = t.spotPrice()
		}
		if m := i.Launch.Market; m != nil && m.Spot != nil {
			r.Price = cmp.Or(m.Spot.MaxPrice, r.Price)
		}
		if i.Phase == terminating {
			r.State, r.Code = "closed", "instance-terminated-by-user"
			if i.ReasonCode == "Server.SpotInstanceTermination" {
				r.Code = "instance-terminated-no-capacity"
			}
		}
		all = append(all, r)
	}
	for _, id := range in.IDs {
		if !slices.ContainsFunc(all, func(r spotRequest) bool { return r.ID == id }) {
			return spotRequestsOut{}, notFound("sir", id)
		}
	}
	slices.SortFunc(all, func(a, b spotRequest) int { return time.Time(a.Created).Compare(time.Time(b.Created)) })
	all, err := pick(all, in.Filters, attrs[spotRequest]{
		"spot-instance-request-id": one(func(r spotRequest) string { return r.ID }),
		"instance-id":              one(func(r spotRequest) string { return r.Instance }),
		"state":                    one(func(r spotRequest) string { return r.State }),
		"status-code":              one(func(r spotRequest) string { return r.Code }),
	}, func(r spotRequest) map[string]string { return c.Tags[r.ID] })
	if err != nil {
		return spotRequestsOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	return spotRequestsOut{next, listOf(all)}, err
}

type cancelSpotIn struct {
	IDs []string `q:"SpotInstanceRequestId,required,id=sir"`
}

type cancelledSpot struct {
	ID    string `xml:"spotInstanceRequestId"`
	State string `xml:"state"`
}

type cancelSpotOut struct {
	All list[cancelledSpot] `xml:"spotInstanceRequestSet"`
}

// cancelSpotRequests does nothing to instances that run, as the service: one
// that is fulfilled has nothing left to cancel.
func cancelSpotRequests(c *call, in *cancelSpotIn) (cancelSpotOut, error) {
	var out cancelSpotOut
	for _, id := range in.IDs {
		if c.spotInstance(id) == nil {
			return cancelSpotOut{}, notFound("sir", id)
		}
		out.All.Items = append(out.All.Items, cancelledSpot{id, "cancelled"})
	}
	return out, c.ready()
}

type accountAttributesIn struct {
	Names []string `q:"AttributeName"`
}

type attributeValue struct {
	Value string `xml:"attributeValue"`
}

type accountAttribute struct {
	Name   string               `xml:"attributeName"`
	Values list[attributeValue] `xml:"attributeValueSet"`
}

type accountAttributesOut struct {
	All list[accountAttribute] `xml:"accountAttributeSet"`
}

func accountAttributes(c *call, in *accountAttributesIn) (accountAttributesOut, error) {
	v, platform := c.vpc(), "VPC"
	id := "none"
	if v.Default {
		id = v.ID
	}
	var out accountAttributesOut
	for _, a := range [][2]string{
		{"supported-platforms", platform}, {"default-vpc", id}, {"max-instances", "1000"}, {"max-elastic-ips", "5"},
		{"vpc-max-security-groups-per-interface", "5"}, {"vpc-max-elastic-ips", "5"},
	} {
		if len(in.Names) == 0 || slices.Contains(in.Names, a[0]) {
			out.All.Items = append(out.All.Items, accountAttribute{a[0], listOf([]attributeValue{{a[1]}})})
		}
	}
	return out, nil
}

type encryptionOut struct {
	Enabled bool   `xml:"ebsEncryptionByDefault"`
	Type    string `xml:"sseType"`
}

func encryptionByDefault(*call, *struct{}) (encryptionOut, error) {
	return encryptionOut{false, "none"}, nil
}
