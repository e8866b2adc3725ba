package ec2

import (
	"maps"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
)

type tagIn struct {
	Key   string `q:"Key" xml:"key"`
	Value string `q:"Value" xml:"value"`
}

// tagSpec is the tags that a resource gets as it is made.
type tagSpec struct {
	Kind string  `q:"ResourceType" xml:"resourceType"`
	Tags []tagIn `q:"Tag" xml:"tagSet>item"`
}

type tagOut = tagIn

// tagsOf returns the tags of a resource for an answer.
func (c *call) tagsOf(id string) list[tagOut] {
	tags := c.Tags[id]
	var out []tagOut
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tagOut{k, tags[k]})
	}
	return listOf(out)
}

// checkTags refuses tags of kinds that the call does not make.
func checkTags(specs []tagSpec, kinds ...string) error {
	for _, s := range specs {
		if !slices.Contains(kinds, s.Kind) {
			return fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", s.Kind)
		}
		if err := validTags(s.Tags); err != nil {
			return err
		}
	}
	return nil
}

const mostTags = 50

func validTags(tags []tagIn) error {
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256:
			return fail("InvalidParameterValue", "Tag key %q or its value is not of a valid length", t.Key)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case seen[t.Key]:
			return fail("InvalidParameterValue", "Duplicate tag key '%s' specified.", t.Key)
		}
		seen[t.Key] = true
	}
	if len(tags) > mostTags {
		return fail("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return nil
}

// tag gives a new resource the tags that are meant for its kind.
func (c *call) tag(id, kind string, specs []tagSpec) {
	for _, s := range specs {
		if s.Kind == kind {
			c.setTags(id, s.Tags)
		}
	}
}

func (c *call) setTags(id string, tags []tagIn) {
	if len(tags) == 0 {
		return
	}
	if c.Tags[id] == nil {
		c.Tags[id] = map[string]string{}
	}
	for _, t := range tags {
		c.Tags[id][t.Key] = t.Value
	}
}

// exists reports whether there is a resource with the id that can have tags.
func (c *call) exists(id string) bool {
	k, ok := query.KindOf(id)
	if !ok {
		return false
	}
	has := false
	switch k.Prefix {
	case "ami":
		has = c.Images[id] != nil
	case "i":
		has = c.Instances[id] != nil
	case "snap":
		has = c.Snapshots[id] != nil
	case "vol":
		has = c.Volumes[id] != nil
	case "sg":
		has = c.Groups[id] != nil
	case "lt":
		has = c.Templates[id] != nil
	case "fleet":
		has = c.Fleets[id] != nil
	case "vpc":
		has = c.vpc().ID == id
	case "subnet":
		has = slices.ContainsFunc(c.subnets(), func(s subnetOut) bool { return s.ID == id })
	case "key":
		has = c.keyByID(id) != nil
	case "sir":
		has = c.spotInstance(id) != nil
	}
	return has
}

type createTagsIn struct {
	IDs  []string `q:"ResourceId,required"`
	Tags []tagIn  `q:"Tag,required"`
}

func (c *call) checkTaggable(ids []string) error {
	for _, id := range ids {
		k, ok := query.KindOf(id)
		if !ok {
			return fail("InvalidID", "The ID '%s' is not valid", id)
		}
		if !c.exists(id) {
			return notFound(k.Prefix, id)
		}
		if img := c.Images[id]; img != nil && img.Public {
			return fail("AuthFailure", "Not authorized for image:%s", id)
		}
	}
	return nil
}

func createTags(c *call, in *createTagsIn) (done, error) {
	if err := c.checkTaggable(in.IDs); err != nil {
		return done{}, err
	}
	if err := validTags(in.Tags); err != nil {
		return done{}, err
	}
	for _, id := range in.IDs {
		both := maps.Clone(c.Tags[id])
		if both == nil {
			both = map[string]string{}
		}
		for _, t := range in.Tags {
			both[t.Key] = t.Value
		}
		if len(both) > mostTags {
			return done{}, fail("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
		}
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	for _, id := range in.IDs {
		c.setTags(id, in.Tags)
	}
	return done{true}, nil
}

type deleteTag struct {
	Key   string  `q:"Key"`
	Value *string `q:"Value"`
}

type deleteTagsIn struct {
	IDs  []string    `q:"ResourceId,required"`
	Tags []deleteTag `q:"Tag"`
}

// deleteTags removes tags: all without a list, and those with a value only
// when they have it.
func deleteTags(c *call, in *deleteTagsIn) (done, error) {
	if err := c.checkTaggable(in.IDs); err != nil {
		return done{}, err
	}
	for _, t := range in.Tags {
		if strings.HasPrefix(t.Key, "aws:") {
			return done{}, fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		}
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	for _, id := range in.IDs {
		if len(in.Tags) == 0 {
			maps.DeleteFunc(c.Tags[id], func(k, _ string) bool { return !strings.HasPrefix(k, "aws:") })
		}
		for _, t := range in.Tags {
			if v, ok := c.Tags[id][t.Key]; ok && (t.Value == nil || *t.Value == v) {
				delete(c.Tags[id], t.Key)
			}
		}
	}
	return done{true}, nil
}

type describeTagsIn struct {
	paging
	Filters []filter `q:"Filter"`
}

type tagOn struct {
	ID    string `xml:"resourceId"`
	Kind  string `xml:"resourceType"`
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type describeTagsOut struct {
	Next string      `xml:"nextToken,omitempty"`
	Tags list[tagOn] `xml:"tagSet"`
}

func describeTags(c *call, in *describeTagsIn) (describeTagsOut, error) {
	var all []tagOn
	for _, id := range slices.Sorted(maps.Keys(c.Tags)) {
		k, _ := query.KindOf(id)
		for _, key := range slices.Sorted(maps.Keys(c.Tags[id])) {
			all = append(all, tagOn{id, k.Tags, key, c.Tags[id][key]})
		}
	}
	all, err := pick(all, in.Filters, attrs[tagOn]{
		"resource-id":   one(func(t tagOn) string { return t.ID }),
		"resource-type": one(func(t tagOn) string { return t.Kind }),
		"key":           one(func(t tagOn) string { return t.Key }),
		"value":         one(func(t tagOn) string { return t.Value }),
	}, func(t tagOn) map[string]string { return map[string]string{t.Key: t.Value} })
	if err != nil {
		return describeTagsOut{}, err
	}
	all, next, err := page(in.paging, all, nil)
	return describeTagsOut{next, listOf(all)}, err
}
