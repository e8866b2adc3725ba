package lang

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/ingot-build/ingot/internal/op"
)

// makeRoots makes the two contexts that all others are children of. Locals
// are added when they have values.
func (t *Template) makeRoots() {
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "."
	}
	for form := range t.root {
		vars := map[string]cty.Value{}
		for name, v := range t.vars {
			vars[name] = v.forms[form]
		}
		t.root[form] = &hcl.EvalContext{Functions: t.functions(Form(form)), Variables: map[string]cty.Value{
			"var": cty.ObjectVal(vars),
			"packer": cty.ObjectVal(map[string]cty.Value{"version": cty.StringVal(t.options.Version),
				"versionFingerprint": t.fingerprint(Form(form)), "iterationID": t.fingerprint(Form(form))}),
			"path": cty.ObjectVal(map[string]cty.Value{
				"root": cty.StringVal(filepath.ToSlash(t.Dir)), "cwd": cty.StringVal(filepath.ToSlash(cwd))}),
		}}
	}
}

// defaultContext is what the default of a variable may use.
func (t *Template) defaultContext() *hcl.EvalContext {
	return &hcl.EvalContext{Functions: map[string]function.Function{"env": t.envFunc()}}
}

// iteration is one turn of a dynamic block.
type iteration struct {
	forms [2]map[string]cty.Value // the iterator, by form
	uses  map[string]bool         // names of the variables that for_each depends on
}

// lateNames are the values that every session and this builder give while the
// build runs.
func lateNames(builder string) []string {
	names := []string{"ID", "Host", "Port", "User", "Password", "ConnType", "PackerHTTPPort", "PackerHTTPIP", "PackerHTTPAddr",
		"SSHPublicKey", "SSHPrivateKey", "WinRMPassword"}
	if strings.HasPrefix(builder, "amazon-") {
		names = append(names, "SourceAMI", "SourceAMIName", "SourceAMICreationDate", "SourceAMIOwner", "SourceAMIOwnerName", "BuildRegion")
	}
	switch builder {
	case "amazon-chroot":
		names = append(names, "Device", "MountPath")
	case "googlecompute":
		names = append(names, "SourceImageName", "SourceImageFamily")
	case "docker":
		names = append(names, "ImageSha256", "SourceImageDigest")
	}
	return names
}

// lateValues are the values of lateNames, as tokens.
func (t *Template) lateValues(builder string) map[string]cty.Value {
	if m, ok := t.tokens[builder]; ok {
		return m
	}
	m := map[string]cty.Value{}
	for _, n := range lateNames(builder) {
		m[n] = cty.StringVal(op.Token("build." + n)).Mark(late("build." + n))
	}
	t.tokens[builder] = m
	return m
}

// buildObject is the value of build.* for a source. As in Packer, build.name is
// the name of the build block, "" where it has none.
func (t *Template) buildObject(form Form, s *Source) cty.Value {
	m := maps.Clone(t.lateValues(s.Type))
	m["name"], m["PackerRunUUID"] = cty.StringVal(s.in), t.runID(form)
	return cty.ObjectVal(m)
}

func (t *Template) runID(form Form) cty.Value {
	if form == Keyed {
		return cty.StringVal("<run>").Mark(volatile)
	}
	return cty.StringVal(t.options.RunID).Mark(volatile)
}

// fingerprint is what HCP Packer calls a version by while it is made: here the
// id of the run, where the environment does not say.
func (t *Template) fingerprint(form Form) cty.Value {
	if v, ok := t.environ("HCP_PACKER_BUILD_FINGERPRINT"); ok && v != "" && form == Real {
		return cty.StringVal(v).Mark(volatile)
	}
	return t.runID(form)
}

// context is where the expressions of a block are evaluated: source.* and, in
// provisioners and post-processors, build.*; then the iterators of the dynamic
// blocks around it, which may hide those names.
func (t *Template) context(form Form, s *Source, withBuild bool, around []iteration) *hcl.EvalContext {
	ctx := t.root[form]
	if s != nil {
		ctx = ctx.NewChild()
		ctx.Variables = map[string]cty.Value{"source": s.object}
		if withBuild {
			ctx.Variables["build"] = s.build[form]
		}
	}
	for _, i := range around {
		ctx = ctx.NewChild()
		ctx.Variables = i.forms[form]
	}
	return ctx
}

// keyedIterations gives the keyed iterators beside the real ones. Where the
// keyed for_each has other elements, they are constants.
func keyedIterations(real, keyed []map[string]cty.Value, uses map[string]bool) []iteration {
	out := make([]iteration, len(real))
	for i, vars := range real {
		out[i] = iteration{forms: [2]map[string]cty.Value{vars, vars}, uses: uses}
		marked := slices.ContainsFunc(slices.Collect(maps.Values(vars)), cty.Value.ContainsMarked)
		switch {
		case !marked:
		case len(keyed) == len(real):
			out[i].forms[Keyed] = keyed[i]
		default:
			out[i].forms[Keyed] = map[string]cty.Value{}
			for name, v := range vars {
				out[i].forms[Keyed][name] = constant(v, fmt.Sprintf("<%s %d>", name, i)).WithMarks(marksOf(v))
			}
		}
	}
	return out
}
