package lang

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/component"
)

// Publish is where a build's artifacts go: block publish. Its values are
// evaluated when the template is loaded.
type Publish struct {
	Range           hcl.Range
	Bucket, Version string // "" where the template does not say
	Channels        []string
	Settings        []Channel // of channels, in this or other templates
	Labels          map[string]string
	Description     string

	hcp bool // block hcp_packer_registry
}

// Channel are the rules of a channel: block channel of publish.
type Channel struct {
	Name string `hcl:"name,label"`
	// Approval makes the channel move only when somebody approves.
	Approval bool `hcl:"approval,optional"`
}

type publishAttrs struct {
	Bucket      string            `hcl:"bucket,optional"`
	Version     string            `hcl:"version,optional"`
	Channels    []string          `hcl:"channels,optional"`
	Settings    []Channel         `hcl:"channel,block"`
	Labels      map[string]string `hcl:"labels,optional"`
	Description string            `hcl:"description,optional"`
}

// hcpAttrs are the arguments of hcp_packer_registry, of which publish is the
// other name.
type hcpAttrs struct {
	Bucket       string            `hcl:"bucket_name,optional"`
	Description  string            `hcl:"description,optional"`
	BucketLabels map[string]string `hcl:"bucket_labels,optional"`
	Labels       map[string]string `hcl:"labels,optional"`
	BuildLabels  map[string]string `hcl:"build_labels,optional"`
	Channels     []string          `hcl:"channels,optional"`
}

func (t *Template) publish(b *hcl.Block, around []iteration) (*Publish, hcl.Diagnostics) {
	if b.Type == "publish" {
		var a publishAttrs
		diags := t.whole(b, around, &a)
		return &Publish{Range: b.DefRange, Bucket: a.Bucket, Version: a.Version, Channels: a.Channels, Settings: a.Settings, Labels: a.Labels, Description: a.Description}, diags
	}
	var a hcpAttrs
	places, diags := t.decodeWhole(b, around, &a)
	if !diags.HasErrors() {
		diags = append(diags, a.check(places)...)
	}
	labels := map[string]string{}
	for _, m := range []map[string]string{a.Labels, a.BucketLabels, a.BuildLabels} {
		maps.Copy(labels, m)
	}
	return &Publish{Range: b.DefRange, Bucket: strings.ToLower(a.Bucket), Channels: a.Channels, Labels: labels, Description: a.Description, hcp: true}, diags
}

var bucketPattern = regexp.MustCompile(`^[A-Za-z0-9-]{3,36}$`)

// check refuses what the registry that the block was made for refuses.
func (a *hcpAttrs) check(places *component.Result) hcl.Diagnostics {
	var diags hcl.Diagnostics
	fail := func(option, detail string) {
		diags = append(diags, errorAt(places.At(option), fmt.Sprintf("Wrong value for %q", option), detail))
	}
	if a.Bucket != "" && !bucketPattern.MatchString(a.Bucket) {
		fail("bucket_name", "It has 3 to 36 letters, digits and dashes.")
	}
	if utf8.RuneCountInString(a.Description) > 255 {
		fail("description", "It has 255 characters at most.")
	}
	if len(a.Labels) > 0 && len(a.BucketLabels) > 0 {
		fail("labels", "It is the old name of bucket_labels: set that alone.")
	}
	return diags
}

// whole decodes a block that has no component's options. What it says is
// stored in clear with the versions.
func (t *Template) whole(b *hcl.Block, around []iteration, dst any) hcl.Diagnostics {
	_, diags := t.decodeWhole(b, around, dst)
	return diags
}

func (t *Template) decodeWhole(b *hcl.Block, around []iteration, dst any) (*component.Result, hcl.Diagnostics) {
	return t.decoder.Decode(component.Input{
		What: b.Type, Range: b.DefRange,
		Parts: []component.Part{{Body: b.Body, Context: t.context(Real, nil, false, around)}},
		Eval:  t.inClear("block " + b.Type),
	}, dst)
}

// loadHCP gives the builds that do not publish what the top-level
// hcp_packer_registry says.
func (t *Template) loadHCP(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	found := blocks.OfType("hcp_packer_registry")
	for i, b := range found {
		if i > 0 {
			diags = append(diags, duplicate(b.DefRange, "block", b.Type, found[0].DefRange))
			continue
		}
		p, ds := t.publish(b, nil)
		diags = append(diags, ds...)
		for _, build := range t.Builds {
			if build.Publish == nil {
				build.Publish = p
			}
		}
	}
	t.nameBuckets(len(found) > 0)
	return diags
}

// nameBuckets gives the builds the bucket that the environment names; else an
// hcp_packer_registry in the only build block takes the name and description of
// that block where it has none.
func (t *Template) nameBuckets(shared bool) {
	bucket, _ := t.environ("HCP_PACKER_BUCKET_NAME")
	for _, b := range t.Builds {
		p := b.Publish
		switch {
		case bucket != "":
			if p == nil {
				p = &Publish{Range: b.Range}
			}
			named := *p
			named.Bucket = strings.ToLower(bucket)
			b.Publish = &named
		case p != nil && p.hcp && len(t.Builds) == 1 && !shared:
			p.Bucket, p.Description = cmp.Or(p.Bucket, strings.ToLower(b.Name)), cmp.Or(p.Description, b.Description)
		}
	}
}

type registryAttrs struct {
	Address string `hcl:"address"`
}

// earlyRegistry is what block registry says while locals and data are not
// known. loadRegistry reports what is wrong with it.
func (t *Template) earlyRegistry(blocks hcl.Blocks) *Registry {
	found := blocks.OfType("registry")
	if len(found) == 0 {
		return nil
	}
	var a registryAttrs
	if t.constants(found[0]).HasErrors() || t.whole(found[0], nil, &a).HasErrors() {
		return &Registry{Range: found[0].DefRange}
	}
	return &Registry{Range: found[0].DefRange, Address: a.Address}
}

func (t *Template) loadRegistry(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range blocks.OfType("registry") {
		if t.Registry != nil {
			diags = append(diags, duplicate(b.DefRange, "block", b.Type, t.Registry.Range))
			continue
		}
		var a registryAttrs
		diags = append(diags, t.whole(b, nil, &a)...)
		t.Registry = &Registry{Range: b.DefRange, Address: a.Address}
	}
	for _, b := range blocks.OfType("communicator") {
		diags = append(diags, warningAt(b.DefRange, "communicator has no effect", "Packer does nothing with it either. Set the options of the communicator in the source."))
	}
	return diags
}
