package plan

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/provisioners"
)

// lowering makes a step of one provisioner.
type lowering struct {
	*compiler
	def   provisioners.Definition
	spec  *lang.Provisioner
	index int
}

// lowered is a provisioner whose options were decoded for a scope.
type lowered struct {
	cfg provisioners.Provisioner
	in  provisioners.Input
	ops []op.Op
	dec *lang.Decoded
}

// step decodes and lowers one provisioner.
func (c *compiler) step(b *Build, spec *lang.Provisioner, index int) (*Step, hcl.Diagnostics) {
	s := &Step{Name: spec.Name, Type: spec.Type, Range: spec.Range, PauseBefore: spec.PauseBefore, Timeout: spec.Timeout,
		MaxRetries: spec.MaxRetries, ContinueOnError: spec.ContinueOnError, AlwaysRun: spec.AlwaysRun, Checkpoint: spec.Checkpoint}
	if s.Name == "" {
		s.Name = s.Type
	}
	l, diag := c.lowering(spec, index)
	if diag != nil {
		return s, hcl.Diagnostics{diag}
	}
	made, diags := l.lower(c.scope(lang.Real))
	if diags.HasErrors() {
		return s, diags
	}
	made.into(s)
	if len(made.dec.Late) > 0 {
		s.with = func(values op.Values) (*Step, error) { return l.with(s, values) }
	}
	if op.IsLate(s.Ops) {
		s.AlwaysRun, s.late = true, true
	}
	s.inputs = append(made.dec.Inputs, fileInputs(s.Ops, b.dir)...)
	s.hash = made.hash()
	if made.dec.Marked {
		s.hash = l.keyedHash(s.inputs)
	}
	return s, diags
}

func (c *compiler) lowering(spec *lang.Provisioner, index int) (lowering, *hcl.Diagnostic) {
	def, diag := find(c.template, "provisioner", spec.Type, spec.Range, c.components.Provisioners, func(d provisioners.Definition) string { return d.Type })
	return lowering{c, def, spec, index}, diag
}

func (l lowering) lower(sc lang.Scope) (lowered, hcl.Diagnostics) {
	out := lowered{cfg: l.def.New()}
	dec, diags := l.spec.Decode(sc, out.cfg)
	out.dec = dec
	out.in = provisioners.Input{
		BuildName: l.src.Name, BuilderType: l.src.Type, ConnType: l.connType, Dir: l.options.Host.Dir, Index: l.index, Render: dec.Render,
	}
	if diags.HasErrors() {
		return out, diags
	}
	ops, err := out.cfg.Lower(out.in)
	if err == nil {
		out.ops = ops
		return out, diags
	}
	for _, err := range component.OptionErrors(err) {
		if !dec.Excuses(err) {
			diags = append(diags, lateDiag(err, optionDiag(err, "provisioner "+quote(l.spec.Type), dec.Range)))
		}
	}
	return out, diags
}

// lateDiag is what to say of an error: where it is about what is not known yet,
// that it is needed.
func lateDiag(err error, d *hcl.Diagnostic) *hcl.Diagnostic {
	if len(op.Tokens(err.Error())) > 0 {
		d.Detail = "It is made of values of build.* that are known only while the build runs, and is needed to plan the step. " +
			"Values of build.* can be in commands, environments and content; which files a step reads has to be known before."
	}
	return d
}

// keyedHash is the hash of a step with sensitive or volatile values. Where the
// constants in their place can't be lowered, as where they are part of a
// file's name, it is made of what the step depends on.
func (l lowering) keyedHash(inputs []artifact.Input) key.Key {
	if made, ds := l.lower(l.scope(lang.Keyed)); !ds.HasErrors() {
		return made.hash()
	}
	return inputsKey("inputs/1", l.spec.Type, inputs)
}

// with is the step with what its options are when values are known. It works
// in the same way and on the same files: more was not looked at before.
func (l lowering) with(s *Step, values op.Values) (*Step, error) {
	sc := l.scope(lang.Real)
	sc.Values = values
	made, diags := l.lower(sc)
	if diags.HasErrors() {
		return nil, diags
	}
	if !slices.Equal(kindsOf(made.ops), kindsOf(s.Ops)) || !slices.Equal(filesOf(made.ops), filesOf(s.Ops)) {
		return nil, fmt.Errorf("the values of build.* make another step of it than was planned")
	}
	out := *s
	made.into(&out)
	return &out, nil
}

func filesOf(ops []op.Op) []string {
	var names []string
	for _, in := range fileInputs(ops, "") {
		names = append(names, in.Name)
	}
	return names
}

// into sets what a step does.
func (l lowered) into(s *Step) {
	s.Ops = l.ops
	if a, ok := l.cfg.(provisioners.Attacher); ok {
		s.Attach = func(dir string) ([]artifact.Attachment, error) { return a.Attach(dir, l.in) }
		s.Lenient = a.Lenient()
	}
	if x, ok := l.cfg.(provisioners.Examiner); ok {
		s.Cases = x.Cases
	}
}

// hash is that of the ops, and of what they depend on that is not known yet.
func (l lowered) hash() key.Key {
	if len(l.dec.Late) == 0 {
		return op.Hash(l.ops)
	}
	return key.New("late step/1").String(string(op.Hash(l.ops))).Strings(l.dec.Late).Sum()
}
