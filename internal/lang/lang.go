// Package lang is the template language: it reads the HCL files of a template
// and evaluates them to builds, whose components are decoded on demand, each
// value with its source range.
//
// Every expression has two values. The real one is what is run. The keyed one
// is what keys are made of: in it, what is sensitive or volatile is a
// constant, so that a new password or a later time does not change a key, and
// an edited line does.
package lang

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// Options is what a template is loaded with.
type Options struct {
	Path           string      // template file or folder; "" is an empty template
	Vars           []string    // -var k=v, in order
	VarFiles       []string    // -var-file, in order; a name that ends in ".json" is JSON
	Environ        []string    // as os.Environ gives it
	Now            time.Time   // what timestamp() gives, all through the run
	Secrets        *secret.Set // gets every sensitive value that is found
	SyntaxOnly     bool        // only what the files and block packer say by themselves is checked
	WarnUndeclared bool        // a warning for each variable that a file sets and the template does not declare
	Valueless      bool        // variables may be without a value: it is unknown then

	Version string // packer.version: the Packer version whose language this is
	RunID   string // build.PackerRunUUID

	DataSources []DataSource // the types there are, beside "null"
	Readers     []Reader     // vault() and its like
	OpenSecrets bool         // block secrets is evaluated where it is used: for a run
	Unread      bool         // data sources are checked and not read, nor do readers read: what they give is unknown
	// ConfigType is "hcl2" where a file of any name is HCL. Else one that is not
	// *.hcl or *.pkr.json is a JSON template as they were before.
	ConfigType string
	Sources    map[string][]byte // templates that are not in files, by Path
	// Sandbox is called when the template's sandbox is known, before any data
	// source is read. Nil where the template is for the real clouds.
	Sandbox func([]SandboxImage) error
	// Registry is called with what block registry says, nil where there is none,
	// before any data source is read. Its address is "" where it depends on
	// locals or data.
	Registry func(*Registry)
}

// Template is a loaded template.
type Template struct {
	Path, Dir string               // as given; the folder it is in
	Files     map[string]*hcl.File // for hcl.NewDiagnosticTextWriter
	Digest    string               // hex SHA-256 over the template files' names and bytes
	Variables []*Variable          // in the order they are declared
	Builds    []*Build
	Registry  *Registry      // nil where the template does not say
	Sandbox   []SandboxImage // in the order they are declared

	options Options
	folder  bool // Path is a folder
	legacy  bool // it is a JSON template as they were before HCL2
	decoder component.Decoder
	vars    map[string]*Variable
	values  map[string]*value // locals and data, by address
	sources map[string]*sourceBlock
	family  family                  // which builds there are, for references to their images
	groups  map[string]*sourceGroup // of sources with for_each
	secrets map[string]*sealed
	plugins []Plugin
	root    [2]*hcl.EvalContext             // by Form
	fields  map[string]map[string]string    // of Go templates, by builder: tokens
	tokens  map[string]map[string]cty.Value // of build.*, by builder
	engines sync.Pool                       // of *engine
	unshown map[string][]byte               // files that Files has without their text
	texts   [][]byte                        // the template's files
	derived sync.Map                        // texts made of sensitive values that were looked at

	nearests atomic.Int32    // how often a nearest name was looked for
	sizes    map[string]size // of values to look out for, by address
	readOnce sync.Map        // what readers read: func() (string, error) by name and arguments
}

// Registry is where versions are published: block registry.
type Registry struct {
	Range   hcl.Range
	Address string
}

// Form says which of its two values an expression is evaluated to.
type Form int

// The forms there are.
const (
	Real  Form = iota // what is run
	Keyed             // what keys are made of
)

// Load reads and evaluates a template. It reports all that is wrong with it,
// and warnings. The Template is not nil where a file could be read, also
// beside errors; values that could not be made are left out of it.
func Load(o Options) (*Template, hcl.Diagnostics) {
	t := &Template{Path: o.Path, Files: map[string]*hcl.File{}, options: o, vars: map[string]*Variable{},
		values: map[string]*value{}, sizes: map[string]size{}, unshown: map[string][]byte{}, sources: map[string]*sourceBlock{}, groups: map[string]*sourceGroup{}, secrets: map[string]*sealed{}, fields: map[string]map[string]string{}, tokens: map[string]map[string]cty.Value{}}
	blocks, whole, diags := t.read()
	if t.Dir == "" {
		return nil, diags
	}
	if !whole {
		return t, t.finish(diags)
	}
	diags = append(diags, t.checkPacker(blocks)...)
	if o.SyntaxOnly {
		return t, t.finish(diags)
	}
	diags = append(diags, t.loadVariables(blocks)...)
	diags = append(diags, t.loadSandbox(blocks)...)
	// What can't run asks no service, least of all a real one where the sandbox was meant.
	t.options.Unread = t.options.Unread || diags.HasErrors()
	if t.options.Sandbox != nil && !diags.HasErrors() {
		if err := t.options.Sandbox(t.Sandbox); err != nil {
			return t, t.finish(append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No sandbox", Detail: sentence(err.Error())}))
		}
	}
	diags = append(diags, t.declareSecrets(blocks)...)
	if t.options.Registry != nil {
		t.options.Registry(t.earlyRegistry(blocks))
	}
	diags = append(diags, t.loadLocals(blocks)...)
	diags = append(diags, t.checkSecrets()...)
	diags = append(diags, t.loadSources(blocks)...)
	diags = append(diags, t.loadRegistry(blocks)...)
	for _, b := range blocks.OfType("build") {
		diags = append(diags, t.loadBuild(b)...)
	}
	diags = append(diags, t.checkTests()...)
	diags = append(diags, t.loadHCP(blocks)...)
	t.nameLegacy()
	diags = append(diags, t.loadParents()...)
	return t, t.finish(diags)
}

// finish orders diagnostics by place, keeps secrets out of them and drops
// those that say the same twice.
func (t *Template) finish(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	seen := map[string]bool{}
	for _, d := range diags {
		c := *d
		c.Summary, c.Detail = t.options.Secrets.Redact(d.Summary), t.options.Secrets.Redact(d.Detail)
		if id := c.Error() + "\x00" + c.Detail; !seen[id] {
			seen[id] = true
			out = append(out, &c)
		}
	}
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return cmp.Compare(boolInt(a.Subject != nil), boolInt(b.Subject != nil))
		}
		return cmp.Or(cmp.Compare(a.Subject.Filename, b.Subject.Filename), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte))
	})
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func warningAt(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Detail: detail, Subject: at.Ptr()}
}

func errorAt(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: at.Ptr()}
}
