package plan

import (
	"iter"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/provisioners"
)

// A step is the same for all sources of a type, but for their names. Who only
// checks a template looks at it once: the time goes with the template's text,
// and not with the number of sources times that of steps.

// checkAll checks the builds of jobs. What it returns is not about one of them
// alone.
func checkAll(jobs []*job, refused *refusals) hcl.Diagnostics {
	parallel(len(jobs), func(i int) {
		j := jobs[i]
		j.build, j.diags = j.open(j.address, j.publish)
		j.diags = append(j.diags, j.checkpoints(j.build)...)
	})
	var checks []*stepCheck
	for _, g := range groups(jobs) {
		checks = append(checks, g.checks()...)
	}
	parallel(len(checks), func(i int) { checks[i].run() })
	var diags hcl.Diagnostics
	for _, c := range checks {
		diags = append(diags, c.diags...)
		c.refuse(refused)
		diags = append(diags, c.unbootable()...)
	}
	return diags
}

// group is the sources of one type in one build block.
type group struct {
	spec  *lang.Build
	jobs  []*job
	any   *compiler         // of a source that stands for each of them
	named map[string][]*job // by what only and except call them

	refusing map[op.Kind][]*job // those whose builder can't carry out ops of this kind
}

func groups(jobs []*job) []*group {
	type id struct {
		spec *lang.Build
		typ  string
	}
	var out []*group
	at := map[id]*group{}
	for _, j := range jobs {
		i := id{j.spec, j.src.Type}
		g := at[i]
		if g == nil {
			k := *j.compiler
			k.src = j.src.Any()
			g = &group{spec: j.spec, any: &k, named: map[string][]*job{}, refusing: map[op.Kind][]*job{}}
			at[i] = g
			out = append(out, g)
		}
		g.jobs = append(g.jobs, j)
		for _, name := range j.src.Names() {
			g.named[name] = append(g.named[name], j)
		}
	}
	return out
}

// checks are those of the group's steps and post-processors.
func (g *group) checks() []*stepCheck {
	var out []*stepCheck
	add := func(c *stepCheck) {
		for range c.where() {
			out = append(out, c)
			return
		}
	}
	step := func(spec *lang.Provisioner, test *lang.Test) {
		add(&stepCheck{group: g, step: spec, test: test, only: spec.Only, except: spec.Except,
			one: func(c *compiler) ([]op.Kind, lang.NameUse, hcl.Diagnostics) { return c.checkStep(spec, test != nil) }})
	}
	for _, spec := range g.spec.Provisioners {
		step(spec, nil)
	}
	if spec := g.spec.ErrorCleanup; spec != nil {
		step(spec, nil)
	}
	for _, x := range g.spec.Tests {
		for _, spec := range x.Provisioners {
			step(spec, x)
		}
	}
	for _, chain := range g.spec.PostProcessors {
		for _, spec := range g.any.postsOf(chain) {
			add(&stepCheck{group: g, only: spec.Only, except: spec.Except,
				one: func(c *compiler) ([]op.Kind, lang.NameUse, hcl.Diagnostics) { return c.checkPost(spec) }})
		}
	}
	return out
}

// stepCheck checks a step or a post-processor for the sources of a group.
type stepCheck struct {
	*group
	step         *lang.Provisioner // nil for a post-processor
	test         *lang.Test        // that the step is of; nil for one of the build
	only, except []string
	one          func(*compiler) ([]op.Kind, lang.NameUse, hcl.Diagnostics)

	kinds []op.Kind          // of the ops, for all sources but those in apart
	apart map[*job][]op.Kind // for those that were looked at by themselves
	diags hcl.Diagnostics
}

// where gives the sources that only and except leave.
func (c *stepCheck) where() iter.Seq[*job] {
	from := [][]*job{c.jobs}
	if len(c.only) > 0 {
		from = nil
		for _, name := range c.only {
			from = append(from, c.named[name])
		}
	}
	return func(yield func(*job) bool) {
		done := map[*job]bool{}
		for _, name := range c.except {
			for _, j := range c.named[name] {
				done[j] = true
			}
		}
		for _, list := range from {
			for _, j := range list {
				if done[j] || c.test != nil && !c.test.AppliesTo(j.src) {
					continue
				}
				if len(c.only) > 0 {
					done[j] = true
				}
				if !yield(j) {
					return
				}
			}
		}
	}
}

// run looks at the step once, and by itself for the sources for which that may
// say something else.
func (c *stepCheck) run() {
	var overridden map[string]bool
	shared := true
	if c.step != nil {
		overridden, shared = c.step.Overridden(c.any.scope(lang.Real))
	}
	if shared {
		var use lang.NameUse
		c.kinds, use, c.diags = c.one(c.any)
		shared = use == lang.NameUnused || use == lang.NameInTexts && len(c.diags) == 0
	}
	if shared && len(overridden) == 0 {
		return
	}
	c.apart = map[*job][]op.Kind{}
	if !shared {
		c.diags = nil
	}
	for j := range c.where() {
		if !shared || overridden[j.src.LocalName] {
			kinds, _, diags := c.one(j.compiler)
			c.apart[j], c.diags = kinds, append(c.diags, diags...)
		}
	}
}

// refuse notes the builders that can't carry out the step's ops.
func (c *stepCheck) refuse(refused *refusals) {
	if c.step == nil {
		return
	}
	for j, kinds := range c.apart {
		refused.add(j, c.step.Type, c.step.Range, kinds)
	}
	done := map[*job]bool{}
	for _, k := range c.kinds {
		for _, j := range c.refusers(k) {
			if _, apart := c.apart[j]; !apart && !done[j] && c.appliesTo(j.src) {
				done[j] = true
				refused.add(j, c.step.Type, c.step.Range, c.kinds)
			}
		}
	}
}

func (c *stepCheck) appliesTo(s *lang.Source) bool {
	return c.step.AppliesTo(s) && (c.test == nil || c.test.AppliesTo(s))
}

// refusers returns those whose builder refuses ops of a kind.
func (g *group) refusers(k op.Kind) []*job {
	list, ok := g.refusing[k]
	if !ok {
		for _, j := range g.jobs {
			if j.build.Builder != nil && j.build.Builder.Supports(k) != nil {
				list = append(list, j)
			}
		}
		g.refusing[k] = list
	}
	return list
}

// unbootable refuses tests of what no machine can begin with.
func (c *stepCheck) unbootable() hcl.Diagnostics {
	var diags hcl.Diagnostics
	if c.test == nil {
		return nil
	}
	for _, j := range c.jobs {
		if c.appliesTo(j.src) {
			diags = append(diags, bootable(j.build, c.test)...)
		}
	}
	return diags
}

// checkStep checks a provisioner. It returns the kinds of its ops, and what it
// makes of the source's name.
func (c *compiler) checkStep(spec *lang.Provisioner, inTest bool) ([]op.Kind, lang.NameUse, hcl.Diagnostics) {
	l, diag := c.lowering(spec, 0)
	if diag != nil {
		return nil, lang.NameUnused, hcl.Diagnostics{diag}
	}
	made, diags := l.lower(c.scope(lang.Real))
	if _, attaches := made.cfg.(provisioners.Attacher); inTest {
		diags = append(diags, notInTest(attaches, spec)...)
	}
	return kindsOf(made.ops), made.dec.Name, diags
}

// checkPost checks a post-processor. It returns what that makes of the source's
// name.
func (c *compiler) checkPost(spec *lang.PostProcessor) ([]op.Kind, lang.NameUse, hcl.Diagnostics) {
	p, diag := c.newPost(spec)
	if diag != nil {
		return nil, lang.NameUnused, hcl.Diagnostics{diag}
	}
	_, dec, diags := p.plan(c.scope(lang.Real))
	return nil, dec.Name, diags
}
