package plan

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// Options is how a template is compiled.
type Options struct {
	Host         builders.Host
	Only, Except []string // globs on addresses: no Only is all, an empty one none; Except also names post-processors
	Force        bool
	// Check is for who only wants to know whether all is right: the plan can't
	// be resolved then.
	Check bool
	Fresh bool // run every build and step, also where nothing changed
	// Found returns the build of a published version that made the image which
	// a source names so; nil knows none.
	Found func(id string) (artifact.Parent, bool)
}

// Compile checks the whole template and lowers its builds. It touches neither
// network nor machine. It returns the plan also beside errors, with the builds
// that have none.
func Compile(t *lang.Template, c Components, o Options) (*Plan, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	only, ds := globs("-only", o.Only)
	diags = append(diags, ds...)
	except, ds := globs("-except", o.Except)
	diags = append(diags, ds...)
	p := &Plan{Template: t, LeftOut: map[string][]string{}}
	if diags.HasErrors() { // what was chosen is not known: nothing is
		return p, diags
	}
	var jobs, left []*job
	bucket := bucketName(t)
	for _, spec := range t.Builds {
		for _, src := range spec.Sources {
			addr := spec.Address(src)
			k := &compiler{template: t, components: c, options: o, except: except, spec: spec, src: src}
			pub := k.publish(bucket)
			j := &job{compiler: k, address: addr, publish: pub}
			if o.Only != nil && !matches(only, addr) || matches(except, addr) {
				p.LeftOut[pub.Bucket] = append(p.LeftOut[pub.Bucket], addr)
				left = append(left, j)
				continue
			}
			jobs = append(jobs, j)
		}
	}
	if len(jobs) > 0 { // else NothingLeft says so
		diags = append(append(diags, unmatched("-only", o.Only, t, false)...), unmatched("-except", o.Except, t, true)...)
	}
	diags = append(diags, p.compile(append(jobs, ancestors(jobs, left)...), o.Check)...)
	p.link()
	return p, distinct(diags)
}

func globs(flag string, patterns []string) ([]glob.Glob, hcl.Diagnostics) {
	var out []glob.Glob
	var diags hcl.Diagnostics
	for _, p := range patterns {
		g, err := glob.Compile(p)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: flag + " is not a glob", Detail: fmt.Sprintf("%q: %v.", p, err)})
			continue
		}
		out = append(out, g)
	}
	return out, diags
}

// unmatched warns of the patterns of a flag that stand for no build, and for no
// post-processor where the flag names those too: each may be a slip.
func unmatched(flag string, patterns []string, t *lang.Template, posts bool) hcl.Diagnostics {
	var names []string
	for _, b := range t.Builds {
		for _, src := range b.Sources {
			names = append(names, b.Address(src))
		}
		for _, p := range slices.Concat(b.PostProcessors...) {
			if posts {
				names = append(names, cmp.Or(p.Name, p.Type))
			}
		}
	}
	var diags hcl.Diagnostics
	for _, pattern := range patterns {
		g, err := glob.Compile(pattern)
		if err != nil || slices.ContainsFunc(names, g.Match) {
			continue
		}
		detail := fmt.Sprintf("It matches no build. There are: %s.", few(names))
		if near := component.Nearest(pattern, names); near != "" {
			detail = fmt.Sprintf("It matches no build. Did you mean %q?", near)
		}
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: flag + "=" + pattern, Detail: detail})
	}
	return diags
}

func matches(globs []glob.Glob, name string) bool {
	for _, g := range globs {
		if g.Match(name) {
			return true
		}
	}
	return false
}

// distinct drops diagnostics that several builds of one block share, and brings
// the others into the template's order.
func distinct(diags hcl.Diagnostics) hcl.Diagnostics {
	type id struct{ place, summary, detail string }
	seen := map[id]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		i := id{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			i.place = d.Subject.String()
		}
		if !seen[i] {
			seen[i] = true
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		at, bt := cmp.Or(a.Subject, &hcl.Range{}), cmp.Or(b.Subject, &hcl.Range{})
		return cmp.Or(cmp.Compare(at.Filename, bt.Filename), cmp.Compare(at.Start.Byte, bt.Start.Byte))
	})
	return out
}

// notInName matches what a repository's name does not take, also two signs
// side by side.
var notInName = regexp.MustCompile(`[^a-z0-9]{2,}|[^a-z0-9._-]`)

// bucketName is the bucket of builds that do not name one: the template's own
// name, made fit for a repository.
func bucketName(t *lang.Template) string {
	abs, err := filepath.Abs(t.Path)
	if err != nil {
		abs = t.Path
	}
	name := filepath.Base(abs)
	for _, ext := range []string{".json", ".hcl", ".pkr", ".ingot"} {
		name = strings.TrimSuffix(name, ext)
	}
	name = notInName.ReplaceAllString(strings.ToLower(name), "-")
	name = strings.Trim(name[:min(len(name), 128)], "-._")
	if name == "" {
		return "images"
	}
	return name
}

// compiler compiles one build.
type compiler struct {
	template   *lang.Template
	components Components
	options    Options
	except     []glob.Glob
	spec       *lang.Build
	src        *lang.Source
	connType   string // of the builder's machines, once it is open
}

func (c *compiler) scope(f lang.Form) lang.Scope {
	return lang.Scope{Form: f, Source: c.src, Check: c.options.Check}
}

// publish is where the build's version goes; without a publish block, to the
// bucket of that name.
func (c *compiler) publish(bucket string) Publish {
	p := c.spec.Publish
	if p == nil {
		return Publish{Bucket: bucket}
	}
	return Publish{Bucket: cmp.Or(p.Bucket, bucket), Version: p.Version, Description: p.Description, Channels: p.Channels, Settings: p.Settings, Labels: p.Labels, Where: where(p.Range)}
}

func (c *compiler) build(addr string, pub Publish) (*Build, hcl.Diagnostics) {
	b, diags := c.open(addr, pub)
	for i, spec := range c.spec.Provisioners {
		if !spec.AppliesTo(c.src) {
			continue
		}
		step, ds := c.step(b, spec, i)
		diags = append(diags, ds...)
		b.Steps = append(b.Steps, step)
	}
	if spec := c.spec.ErrorCleanup; spec != nil && spec.AppliesTo(c.src) {
		step, ds := c.step(b, spec, len(c.spec.Provisioners))
		diags = append(diags, ds...)
		b.Cleanup = step
	}
	diags = append(diags, c.checkpoints(b)...)
	tests, ds := c.tests(b)
	b.Tests = tests
	diags = append(diags, ds...)
	post, ds := c.post(b)
	b.Post = post
	return b, append(diags, ds...)
}

// open returns the build with its builder, and no steps yet.
func (c *compiler) open(addr string, pub Publish) (*Build, hcl.Diagnostics) {
	b := &Build{Address: addr, Type: c.src.Type, Name: c.src.Name, Range: c.src.Range,
		Publish: pub, Force: c.options.Force, Fresh: c.options.Fresh, dir: c.options.Host.Dir}
	return b, c.openBuilder(b)
}

// openBuilder makes the builder, and notes the options that count in its keys.
func (c *compiler) openBuilder(b *Build) hcl.Diagnostics {
	def, diag := find(c.template, "source", c.src.Type, c.src.Range, c.components.Builders, func(d builders.Definition) string { return d.Type })
	if diag != nil {
		return hcl.Diagnostics{diag}
	}
	cfg := def.New()
	dec, diags := c.src.Decode(c.scope(lang.Real), cfg)
	if diags.HasErrors() {
		return diags
	}
	if k, ok := cfg.(builders.Connected); ok {
		c.connType = k.ConnType()
	}
	b.family = family{base: dec.Parent, more: dec.MoreImages, found: c.found(dec.Images), open: c.reopen}
	for _, p := range c.src.Parents() {
		b.Parents = append(b.Parents, Parent{Address: p.Address, Range: p.Range})
	}
	builder, err := cfg.Open(c.options.Host)
	if err != nil {
		if dec.Excuses(err) {
			return diags
		}
		return append(diags, optionDiag(err, "source "+quote(b.Type), dec.Range))
	}
	b.Builder = builder
	if c.options.Check {
		return diags
	}
	keyed := cfg
	if dec.Marked {
		keyed = def.New()
		if _, ds := c.src.Decode(c.scope(lang.Keyed), keyed); ds.HasErrors() {
			return append(diags, ds...)
		}
	}
	fields := component.KeyFields(keyed)
	b.family.onDisk = c.template.ImagesIn(fields)
	b.files = optionFiles(cfg, c.options.Host.Dir)
	b.options = append(optionInputs(fields), fileInputs(b.files, c.options.Host.Dir)...)
	b.distribution, b.Naming = c.distribution(builder, keyed, dec), naming(builder, dec)
	return diags
}

// distribution is the key of what the builder does with a finished image. As
// in other keys constants stand in place of marked values: an image is not
// copied again because its name has the time in it. Where the constants are no
// right options, as "<var.time>" is no name of an image, it is made of all that
// the options are.
func (c *compiler) distribution(real builders.Builder, keyed builders.Config, dec *lang.Decoded) key.Key {
	d, ok := real.(builders.Distributor)
	switch {
	case !ok:
		return ""
	case !dec.Marked:
		return d.Distribution()
	}
	host := c.options.Host
	host.Secrets = &secret.Set{} // the constants are none
	if b, err := keyed.Open(host); err == nil {
		if constant, ok := b.(builders.Distributor); ok {
			return constant.Distribution()
		}
	}
	return inputsKey("distribution inputs/1", c.src.Type, dec.Inputs)
}

// naming is the digest of the option that names the builder's images.
func naming(b builders.Builder, dec *lang.Decoded) string {
	d, ok := b.(builders.Distributor)
	if !ok {
		return ""
	}
	for _, in := range dec.Inputs {
		if in.Kind == "option" && in.Name == d.NameOption() {
			return in.Digest
		}
	}
	return ""
}

// Vars gives a build's values that are known while planning. They are the
// caller's own.
func (b *Build) Vars() op.Values {
	v := op.Values{}
	maps.Copy(v, b.Base.Vars)
	return v
}
