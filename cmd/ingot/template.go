package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ingot-build/ingot/builders"
	buildersall "github.com/ingot-build/ingot/builders/all"
	datasourcesall "github.com/ingot-build/ingot/datasources/all"
	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
	"github.com/ingot-build/ingot/internal/secret"
	postprocessorsall "github.com/ingot-build/ingot/postprocessors/all"
	provisionersall "github.com/ingot-build/ingot/provisioners/all"
)

// packerLevel is the Packer whose templates are read: packer.version, and what
// required_version is checked against.
const packerLevel = "1.16.0"

// templateFlags are the flags of every command that reads a template.
type templateFlags struct {
	vars, varFiles, only, except []string
	force, sandbox               bool
	registry                     string
	configType                   string
	unread                       bool // data sources are checked only
	openSecrets                  bool // block secrets is read: the template is run
}

func (f *templateFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.vars, "var", nil, "set a variable, `name=value`; may be repeated")
	fl.StringArrayVar(&f.varFiles, "var-file", nil, "read variables from a `file`; may be repeated")
	fl.StringSliceVar(&f.only, "only", nil, "only builds whose address matches one of these `globs`")
	fl.StringSliceVar(&f.except, "except", nil, "not the builds or post-processors that match one of these `globs`")
	fl.StringVar(&f.configType, "config-type", "json", "`language` of a template that is not *.hcl or *.pkr.json: json, as templates were before HCL2, or hcl2")
	values(cmd, "config-type", configTypes)
	fl.BoolVar(&f.sandbox, "sandbox", false, "use EC2 and Google Compute Engine of the sandbox on this host, which is started where it does not run")
	_ = cmd.MarkFlagFilename("var-file", "pkrvars.hcl", "hcl", "json")
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"hcl", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

func (f *templateFlags) addRegistry(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.registry, "registry", "", "`address` of the registry: host/prefix, or a folder; default $INGOT_REGISTRY, else the template's, else .ingot/registry")
}

// workspace is a template that was read, with all that is needed to run it.
type workspace struct {
	plan     *plan.Plan
	registry *registry.Registry
	secrets  *secret.Set
	dir      string
	prepare  prepareFunc // of the sandbox; nil is nothing
}

// load reads and compiles the template at path. Diagnostics are written to w;
// with errors among them the result is exitCode.
func (f *templateFlags) load(cmd *cobra.Command, path, runID string, w io.Writer, color bool) (*workspace, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	h := builders.Host{Dir: dir, Cache: cache, Secrets: &secret.Set{}, Shared: &sync.Map{}}
	ws := &workspace{secrets: h.Secrets, dir: dir}
	t, diags, err := f.read(cmd, path, runID, &h, ws)
	if err != nil {
		return nil, err
	}
	secrets := h.Secrets
	if diags.HasErrors() {
		return nil, writeDiags(w, t, diags, secrets, color)
	}
	reg, err := f.openRegistry(t, dir)
	if err != nil {
		return nil, err
	}
	h.Layout = reg.Layout()
	p, ds := plan.Compile(t, components(), plan.Options{
		Host: h, Only: f.only, Except: f.except, Force: f.force,
	})
	if err := writeDiags(w, t, append(diags, ds...), secrets, color); err != nil {
		return nil, err
	}
	if err := engine.CheckNames(p); err != nil {
		return nil, err
	}
	ws.plan, ws.registry = p, reg
	return ws, nil
}

// read reads and evaluates the template. With -sandbox it sets h.Sandbox
// and ws.prepare.
func (f *templateFlags) read(cmd *cobra.Command, path, runID string, h *builders.Host, ws *workspace) (*lang.Template, hcl.Diagnostics, error) {
	ctx := cmd.Context()
	sources, err := dataSources(ctx, datasourcesall.List(), func() builders.Host { return *h })
	if err != nil {
		return nil, nil, err
	}
	o := lang.Options{
		Path: path, Vars: f.vars, VarFiles: f.varFiles, Environ: os.Environ(),
		Now: time.Now(), Secrets: h.Secrets, Version: packerLevel, RunID: runID, DataSources: sources, Unread: f.unread,
		Readers: readers(ctx, func() builders.Host { return *h }), OpenSecrets: f.openSecrets,
	}
	if err := f.stdin(cmd, &o); err != nil {
		return nil, nil, err
	}
	if f.sandbox {
		o.Sandbox = func(images []lang.SandboxImage) error {
			h.Sandbox, ws.prepare, err = f.useSandbox(ctx, images)
			return err
		}
	}
	t, diags := lang.Load(o)
	return t, diags, err
}

func components() plan.Components {
	return plan.Components{Builders: buildersall.List(), Provisioners: provisionersall.List(), PostProcessors: postprocessorsall.List()}
}

// openRegistry takes the flag's registry, or the environment's, or the
// template's, or the one below the working directory.
func (f *templateFlags) openRegistry(t *lang.Template, dir string) (*registry.Registry, error) {
	address := f.registry
	if address == "" {
		address = os.Getenv("INGOT_REGISTRY")
	}
	if address == "" && t.Registry != nil && !f.sandbox { // what is made in a sandbox is of no use to others
		address = t.Registry.Address
	}
	return registry.Open(address, filepath.Join(dir, ".ingot", "registry"))
}

// writeDiags shows diagnostics with their snippets. It returns exitCode when
// one is an error.
func writeDiags(w io.Writer, t *lang.Template, diags hcl.Diagnostics, secrets *secret.Set, color bool) error {
	if len(diags) == 0 {
		return nil
	}
	var files map[string]*hcl.File
	if t != nil {
		files = t.Files
	}
	var text strings.Builder
	if err := hcl.NewDiagnosticTextWriter(&text, files, 100, color).WriteDiagnostics(diags); err != nil {
		return err
	}
	if _, err := io.WriteString(w, secrets.Redact(text.String())); err != nil {
		return err
	}
	if diags.HasErrors() {
		return exitCode(exitError)
	}
	return nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv("INGOT_CACHE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", builders.WithHint(fmt.Errorf("no folder for caches: %w", err), "set INGOT_CACHE_DIR, or HOME")
	}
	return filepath.Join(dir, "ingot"), nil
}

// colorful decides on colours: the flag, then NO_COLOR, then whether w is a terminal.
func colorful(flag bool, w io.Writer) bool {
	if !flag || os.Getenv("NO_COLOR") != "" || os.Getenv("PACKER_NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	return isTerminal(w)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
