package lang

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

// Provisioner is a provisioner block.
type Provisioner struct {
	Type, Name           string
	Range                hcl.Range
	Only, Except         []string // builds: "type.localname" or "localname"
	PauseBefore, Timeout time.Duration
	MaxRetries           int
	ContinueOnError      bool
	AlwaysRun            bool // also when its key is known: only ingot has this
	Checkpoint           bool // make an image of the machine after it: only ingot has this

	t        *Template
	block    expandedBlock
	override hcl.Expression
}

// provisionerAttrs are the arguments that all provisioners have.
type provisionerAttrs struct {
	Name            string        `hcl:"name,optional"`
	Only            []string      `hcl:"only,optional"`
	Except          []string      `hcl:"except,optional"`
	PauseBefore     time.Duration `hcl:"pause_before,optional"`
	Timeout         time.Duration `hcl:"timeout,optional"`
	MaxRetries      int           `hcl:"max_retries,optional"`
	ContinueOnError bool          `hcl:"continue_on_error,optional"`
	AlwaysRun       bool          `hcl:"always_run,optional"`
	Checkpoint      bool          `hcl:"checkpoint,optional"`
}

func provisionerArguments() []string {
	return []string{"name", "only", "except", "pause_before", "timeout", "max_retries", "continue_on_error", "always_run", "checkpoint", "override"}
}

func (t *Template) provisioner(e expandedBlock) (*Provisioner, hcl.Diagnostics) {
	p := &Provisioner{Type: e.Labels[0], Range: e.DefRange, t: t, block: e}
	var a provisionerAttrs
	diags := t.meta(e.Body, e.around, e.Block.Type+" "+quote(p.Type), e.DefRange, &a)
	p.Name, p.Only, p.Except = a.Name, a.Only, a.Except
	p.PauseBefore, p.Timeout, p.MaxRetries = a.PauseBefore, a.Timeout, a.MaxRetries
	p.ContinueOnError, p.AlwaysRun, p.Checkpoint = a.ContinueOnError, a.AlwaysRun, a.Checkpoint
	if p.Checkpoint && e.Type == "error-cleanup-provisioner" {
		diags = append(diags, errorAt(e.DefRange, "checkpoint has no place here", "The error-cleanup-provisioner runs after a step has failed: what it leaves is not gone on with."))
	}
	if p.MaxRetries < 0 || p.PauseBefore < 0 || p.Timeout < 0 {
		diags = append(diags, errorAt(e.DefRange, "Negative value", "pause_before, timeout and max_retries can't be below zero."))
	}
	c, _, _ := e.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "override"}}})
	if o := c.Attributes["override"]; o != nil {
		p.override = o.Expr
	}
	return p, append(diags, exclusive(e.DefRange, a.Only, a.Except)...)
}

func exclusive(at hcl.Range, only, except []string) hcl.Diagnostics {
	if len(only) > 0 && len(except) > 0 {
		return hcl.Diagnostics{errorAt(at, "Both only and except", "Only one of them may be set.")}
	}
	return nil
}

// AppliesTo reports whether only and except let it run for s.
func (p *Provisioner) AppliesTo(s *Source) bool { return appliesTo(p.Only, p.Except, s) }

func appliesTo(only, except []string, s *Source) bool {
	if len(only) == 0 && len(except) == 0 {
		return true
	}
	names := s.Names()
	named := func(in string) bool { return slices.Contains(names, in) }
	if len(only) > 0 {
		return slices.ContainsFunc(only, named)
	}
	return !slices.ContainsFunc(except, named)
}

// Decode sets dst, a provisioner's configuration, to the block's options for
// the scope's source.
func (p *Provisioner) Decode(sc Scope, dst any) (*Decoded, hcl.Diagnostics) {
	set, diags := p.overrides(sc)
	d, ds := sc.decode(decodeInput{what: "provisioner " + quote(p.Type), at: p.Range, set: set, withBuild: true,
		bodies: []sourceBody{{body: p.block.Body, around: p.block.around, ignore: provisionerArguments()}}}, dst)
	return d, append(diags, ds...)
}

// Overridden returns the sources, by their names in the build, that override
// has arguments for. The last result is false where it is not the same for
// all sources, or can't be told.
func (p *Provisioner) Overridden(sc Scope) (map[string]bool, bool) {
	if p.override == nil {
		return nil, true
	}
	if namesSource(p.override.Variables()) {
		return nil, false
	}
	pairs, diags := p.pairs(sc.Form, p.override, p.t.context(sc.Form, sc.Source, true, p.block.around))
	out := map[string]bool{}
	for name := range pairs {
		out[name] = true
	}
	return out, !diags.HasErrors()
}

// overrides returns the arguments that override has for the scope's source,
// as expressions where they are written as such.
func (p *Provisioner) overrides(sc Scope) (map[string]hcl.Expression, hcl.Diagnostics) {
	if p.override == nil {
		return nil, nil
	}
	ctx := p.t.context(sc.Form, sc.Source, true, p.block.around)
	bySource, diags := p.pairs(sc.Form, p.override, ctx)
	if e := bySource[sc.Source.LocalName]; e != nil {
		set, ds := p.pairs(sc.Form, e, ctx)
		return set, append(diags, ds...)
	}
	return nil, diags
}

// pairs returns the values of an object by name.
func (p *Provisioner) pairs(form Form, expr hcl.Expression, ctx *hcl.EvalContext) (map[string]hcl.Expression, hcl.Diagnostics) {
	out := map[string]hcl.Expression{}
	if pairs, ds := hcl.ExprMap(expr); !ds.HasErrors() {
		var diags hcl.Diagnostics
		for _, kv := range pairs {
			k, ds := p.t.evalTo(cty.String, kv.Key, ctx)
			diags = append(diags, ds...)
			if k.IsKnown() {
				out[k.AsString()] = kv.Value
			}
		}
		return out, diags
	}
	v, diags := p.t.eval(form, expr, ctx)
	v, marks := v.Unmark()
	if len(lateExprs(marks)) > 0 {
		return out, append(diags, errorAt(expr.Range(), "\"override\" is needed before the build runs", "Write it as an object of objects: in these, expressions may work on values of build.*."))
	}
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() {
		return out, diags
	}
	if !v.CanIterateElements() || !(v.Type().IsObjectType() || v.Type().IsMapType()) {
		return out, append(diags, errorAt(expr.Range(), "Wrong value for \"override\"", "An object of objects is needed: override = { name = { option = … } }."))
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		out[k.AsString()] = hcl.StaticExpr(e.WithMarks(marks), expr.Range())
	}
	return out, diags
}

// PostProcessor is a post-processor block.
type PostProcessor struct {
	Type, Name   string
	Range        hcl.Range
	Only, Except []string
	KeepInput    *bool // keep_input_artifact; nil where it is not set

	t     *Template
	block expandedBlock
}

type postProcessorAttrs struct {
	Name      string   `hcl:"name,optional"`
	Only      []string `hcl:"only,optional"`
	Except    []string `hcl:"except,optional"`
	KeepInput *bool    `hcl:"keep_input_artifact,optional"`
}

func (t *Template) postProcessor(e expandedBlock) (*PostProcessor, hcl.Diagnostics) {
	p := &PostProcessor{Type: e.Labels[0], Range: e.DefRange, t: t, block: e}
	var a postProcessorAttrs
	diags := t.meta(e.Body, e.around, "post-processor "+quote(p.Type), e.DefRange, &a)
	p.Name, p.Only, p.Except, p.KeepInput = a.Name, a.Only, a.Except, a.KeepInput
	return p, append(diags, exclusive(e.DefRange, a.Only, a.Except)...)
}

// chain reads a block post-processors.
func (t *Template) chain(e expandedBlock) ([]*PostProcessor, hcl.Diagnostics) {
	headers := []hcl.BlockHeaderSchema{{Type: "post-processor", LabelNames: []string{"type"}}}
	c, diags := component.Content(e.Body, &hcl.BodySchema{Blocks: append(slices.Clone(headers), dynamicHeader())}, "post-processors")
	blocks, ds := t.expand(c.Blocks, headers, e.around)
	diags = append(diags, ds...)
	var out []*PostProcessor
	for _, b := range blocks {
		p, ds := t.postProcessor(b)
		diags = append(diags, ds...)
		out = append(out, p)
	}
	return out, diags
}

// AppliesTo reports whether only and except let it run for s.
func (p *PostProcessor) AppliesTo(s *Source) bool { return appliesTo(p.Only, p.Except, s) }

// Decode sets dst, a post-processor's configuration, to the block's options
// for the scope's source.
func (p *PostProcessor) Decode(sc Scope, dst any) (*Decoded, hcl.Diagnostics) {
	return sc.decode(decodeInput{what: "post-processor " + quote(p.Type), at: p.Range, withBuild: true,
		bodies: []sourceBody{{body: p.block.Body, around: p.block.around, ignore: []string{"name", "only", "except", "keep_input_artifact"}}}}, dst)
}
