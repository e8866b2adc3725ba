package amazon

import (
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// Tag is a tag, as a block of its own.
type Tag struct {
	// Key is the tag's name.
	Key string `hcl:"key,optional"`
	// Name is another name for key.
	Name string `hcl:"name,optional"`
	// Value is the tag's value.
	Value string `hcl:"value"`
}

// Pair is a filter, as a block of its own.
type Pair struct {
	// Name is the filter's name, e.g. "tag:Class".
	Name string `hcl:"name"`
	// Value is what it must be; "*" and "?" stand for other letters.
	Value string `hcl:"value"`
}

// merged returns the tags of a map and of blocks, with the tokens in them
// replaced.
func merged(m map[string]string, blocks []Tag, v op.Values) map[string]string {
	out := map[string]string{}
	for k, value := range m {
		out[v.Text(k)] = v.Text(value)
	}
	for _, t := range blocks {
		k := t.Key
		if k == "" {
			k = t.Name
		}
		out[v.Text(k)] = v.Text(t.Value)
	}
	return out
}

// checkTags checks tags as EC2 does. option is that of the map, block that of
// the blocks.
func checkTags(option, block string, m map[string]string, blocks []Tag) error {
	for _, t := range blocks {
		if (t.Key == "") == (t.Name == "") {
			return component.Errorf(block, "needs key (or name, which is the same)")
		}
	}
	all := merged(m, blocks, nil)
	for k, v := range all {
		switch {
		case k == "" || len([]rune(k)) > 127:
			return component.Errorf(option, "the name %q is not one of a tag: it has 1 to 127 letters", k)
		case len([]rune(v)) > 255:
			return component.Errorf(option, "the value of %q is longer than 255 letters", k)
		case len(k) >= 4 && (k[:4] == "aws:" || k[:4] == "AWS:"):
			return component.Errorf(option, "%q is not possible: tags that begin with aws: belong to AWS", k)
		}
	}
	if len(all) > 46 {
		return component.Errorf(option, "%d tags are too many: EC2 takes 50, of which 4 are ingot's", len(all))
	}
	return nil
}

// Tags that everything carries which a run makes.
const (
	tagRun     = "ingot:run"     // the run's id
	tagBuild   = "ingot:build"   // address of the build
	tagUser    = "ingot:user"    // "user@host"
	tagExpires = "ingot:expires" // RFC 3339; a published image has none
)

// marks returns the tags of what a run makes. A lifetime of 0 is without end.
func marks(env builders.Env, lifetime time.Duration, now time.Time) map[string]string {
	m := map[string]string{tagRun: env.RunID, tagBuild: env.Build, tagUser: whoami()}
	if lifetime > 0 {
		m[tagExpires] = now.Add(lifetime).UTC().Format(time.RFC3339)
	}
	return m
}

// tagList returns tags as EC2 takes them, sorted. Later maps win.
func tagList(all ...map[string]string) []types.Tag {
	m := map[string]string{}
	for _, t := range all {
		maps.Copy(m, t)
	}
	var out []types.Tag
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := m[k]
		out = append(out, types.Tag{Key: &k, Value: &v})
	}
	return out
}

// tagSpec returns the tags of a kind of resource, nil where there are none.
func tagSpec(kind types.ResourceType, all ...map[string]string) []types.TagSpecification {
	list := tagList(all...)
	if len(list) == 0 {
		return nil
	}
	return []types.TagSpecification{{ResourceType: kind, Tags: list}}
}
