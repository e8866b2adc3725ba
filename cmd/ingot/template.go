package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/glob"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	buildersall "github.com/ingot-build/ingot/builders/all"
	"github.com/ingot-build/ingot/datasources"
	datasourcesall "github.com/ingot-build/ingot/datasources/all"
	"github.com/ingot-build/ingot/internal/artifact"
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
	*program
	vars, varFiles, only, except []string
	force, sandbox               bool
	registry, configType         string

	check       bool // the plan is not resolved, and not run
	unread      bool // data sources are checked only
	openSecrets bool // block secrets is read: the template is run
	undeclared  bool // warn of values for variables that the template does not have
	valueless   bool // variables may be without a value
	othersBuild bool // where a source is wrong, the builds of the others are enough
}

func (f *templateFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.vars, "var", nil, "set a variable, `name=value`; may be repeated")
	fl.StringArrayVar(&f.varFiles, "var-file", nil, "read variables from a `file`; may be repeated")
	f.addLanguage(cmd)
	inert(cmd, "ignore-prerelease-plugins", builtIn)
	inert(cmd, "use-sequential-evaluation", oneOrder)
	fl.BoolVar(&f.sandbox, "sandbox", false, "use EC2 and Google Compute Engine of the sandbox on this host, which is started where it does not run")
	_ = cmd.MarkFlagFilename("var-file", "pkrvars.hcl", "hcl", "json")
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"hcl", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

// addSelection adds the flags that choose builds.
func (f *templateFlags) addSelection(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringSliceVar(&f.only, "only", nil, "only builds whose address matches one of these `globs`")
	fl.StringSliceVar(&f.except, "except", nil, "not the builds or post-processors that match one of these `globs`")
	_ = cmd.RegisterFlagCompletionFunc("only", f.completeBuilds)
	_ = cmd.RegisterFlagCompletionFunc("except", f.completeBuilds)
}

// chosen returns what says whether -only and -except leave a build.
func (f *templateFlags) chosen() (func(address string) bool, error) {
	match := func(flag string, patterns []string) (func(string) bool, error) {
		var globs []glob.Glob
		for _, p := range patterns {
			g, err := glob.Compile(p)
			if err != nil {
				return nil, fmt.Errorf("%s=%s is not a glob: %w", flag, p, err)
			}
			globs = append(globs, g)
		}
		return func(address string) bool {
			return slices.ContainsFunc(globs, func(g glob.Glob) bool { return g.Match(address) })
		}, nil
	}
	only, err := match("-only", f.only)
	if err != nil {
		return nil, err
	}
	except, err := match("-except", f.except)
	return func(a string) bool { return (f.only == nil || only(a)) && !except(a) }, err
}

// addLanguage adds the flag of those who only read the template.
func (f *templateFlags) addLanguage(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.configType, "config-type", "json", "`language` of a template that is not *.hcl or *.pkr.json: json, as templates were before HCL2, or hcl2")
	values(cmd, "config-type", configTypes)
}

func (f *templateFlags) addRegistry(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.registry, "registry", "", "`address` of the registry: host/prefix, or a folder; default $INGOT_REGISTRY, else the template's, else .ingot/registry")
}

// workspace is a template that was read, with all that is needed to run it.
type workspace struct {
	template *lang.Template
	plan     *plan.Plan
	registry *registry.Registry
	host     builders.Host
	prepare  prepareFunc // of the sandbox; nil is nothing
	found    foundImages // of versions, by data sources
	faulty   error       // of the builds that are wrong, beside others; it was reported
}

// foundImages are the artifacts of versions that data sources gave, by what
// names them in a source.
type foundImages struct {
	mu   sync.Mutex
	byID map[string]artifact.Parent
}

func (f *foundImages) add(id string, p artifact.Parent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID == nil {
		f.byID = map[string]artifact.Parent{}
	}
	f.byID[id] = p
}

func (f *foundImages) get(id string) (artifact.Parent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.byID[id]
	return p, ok
}

// load reads and compiles the template at path. Diagnostics are written to w;
// with errors among them the result is exitCode.
func (f *templateFlags) load(cmd *cobra.Command, path, runID string, w io.Writer, color bool) (*workspace, error) {
	ws, diags, err := f.open(cmd, path, runID)
	if err != nil {
		return nil, err
	}
	if diags.HasErrors() { // what is wrong with the components is told with it
		if ws.template != nil {
			_, ds := plan.Compile(ws.template, components(), plan.Options{Host: ws.host, Only: f.only, Except: f.except, Check: true})
			diags = append(diags, ds...)
		}
		return nil, ws.report(w, diags, color)
	}
	if ws.registry, err = f.openRegistry(ws.template.Registry, ws.host.Dir); err != nil {
		return nil, err
	}
	ws.host.Layout = ws.registry.Layout()
	p, ds := plan.Compile(ws.template, components(), plan.Options{
		Host: ws.host, Only: f.only, Except: f.except, Force: f.force, Fresh: f.alwaysBuild, Check: f.check,
		Found: ws.found.get,
	})
	if err := ws.report(w, append(diags, ds...), color); err != nil {
		if !f.othersBuild || len(p.Builds) == 0 {
			return nil, err
		}
		ws.faulty = err
	}
	ws.plan = p
	return ws, engine.CheckNames(p)
}

// open reads and evaluates the template at path. The error is not about the
// template.
func (f *templateFlags) open(cmd *cobra.Command, path, runID string) (*workspace, hcl.Diagnostics, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, nil, err
	}
	ws := &workspace{host: builders.Host{Dir: dir, Cache: cache, Secrets: &secret.Set{}, Shared: &sync.Map{}}}
	diags, err := f.read(cmd, path, runID, ws)
	return ws, diags, err
}

// read reads and evaluates the template. With -sandbox it sets the host's
// sandbox and ws.prepare.
func (f *templateFlags) read(cmd *cobra.Command, path, runID string, ws *workspace) (hcl.Diagnostics, error) {
	ctx := cmd.Context()
	var block *lang.Registry
	sources, err := dataSources(ctx, datasourcesall.List(), func() datasources.Input {
		return datasources.Input{Host: ws.host, Found: ws.found.add,
			Registry: func() (datasources.Versions, error) { return f.readRegistry(block, ws.host.Dir) }}
	})
	if err != nil {
		return nil, err
	}
	o := lang.Options{
		Path: path, Vars: f.vars, VarFiles: f.varFiles, Environ: os.Environ(), WarnUndeclared: f.undeclared, Valueless: f.valueless,
		Now: time.Now(), Secrets: ws.host.Secrets, Version: packerLevel, RunID: runID, DataSources: sources, Unread: f.unread,
		Readers: readers(ctx, func() builders.Host { return ws.host }), OpenSecrets: f.openSecrets,
		Registry: func(r *lang.Registry) { block = r },
	}
	if err := f.stdin(cmd, &o); err != nil {
		return nil, err
	}
	if f.sandbox {
		o.Sandbox = func(images []lang.SandboxImage) error {
			ws.host.Sandbox, ws.prepare, err = f.useSandbox(ctx, images)
			return err
		}
	}
	t, diags := lang.Load(o)
	ws.template = t
	return diags, err
}

// outline reads the template at path without evaluating it.
func (f *templateFlags) outline(cmd *cobra.Command, path string) (*lang.Outline, hcl.Diagnostics, error) {
	o := lang.Options{Path: path, Vars: f.vars, VarFiles: f.varFiles, Environ: os.Environ(), Version: packerLevel}
	if err := f.stdin(cmd, &o); err != nil {
		return nil, nil, err
	}
	out, diags := lang.ReadOutline(o)
	return out, diags, nil
}

// checkOutline reports what is wrong with the template before it is evaluated.
func (f *templateFlags) checkOutline(cmd *cobra.Command, path string, color bool) error {
	if path == "" || path == "-" { // which can be read once
		return nil
	}
	o, diags, err := f.outline(cmd, path)
	if err != nil || !diags.HasErrors() {
		return err
	}
	return writeDiags(cmd.ErrOrStderr(), o.Files, diags, nil, color)
}

func components() plan.Components {
	return plan.Components{Builders: buildersall.List(), Provisioners: provisionersall.List(), PostProcessors: postprocessorsall.List()}
}

// openRegistry takes the flag's registry, or the environment's, or the
// template's, or the one below the working directory.
func (f *templateFlags) openRegistry(block *lang.Registry, dir string) (*registry.Registry, error) {
	address := f.registry
	if address == "" {
		address = os.Getenv("INGOT_REGISTRY")
	}
	if address == "" && block != nil && !f.sandbox { // what is made in a sandbox is of no use to others
		address = block.Address
	}
	return registry.Open(address, filepath.Join(dir, ".ingot", "registry"))
}

// readRegistry opens the registry for data sources, which are read before
// locals are known.
func (f *templateFlags) readRegistry(block *lang.Registry, dir string) (datasources.Versions, error) {
	if block != nil && block.Address == "" && f.registry == "" && os.Getenv("INGOT_REGISTRY") == "" && !f.sandbox {
		return nil, builders.WithHint(fmt.Errorf("the address in block registry (%s:%d) is not known before locals and data sources are", block.Range.Filename, block.Range.Start.Line),
			"use variables there, or give the address by -registry or INGOT_REGISTRY")
	}
	return f.openRegistry(block, dir)
}

// report shows diagnostics with their snippets. It returns exitCode when one is
// an error.
func (ws *workspace) report(w io.Writer, diags hcl.Diagnostics, color bool) error {
	var files map[string]*hcl.File
	if ws.template != nil {
		files = ws.template.Files
	}
	return writeDiags(w, files, diags, ws.host.Secrets, color)
}

func cacheDir() (string, error) {
	if dir := cmp.Or(os.Getenv("INGOT_CACHE_DIR"), os.Getenv("PACKER_CACHE_DIR")); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", builders.WithHint(fmt.Errorf("no folder for caches: %w", err), "set INGOT_CACHE_DIR, or HOME")
	}
	return filepath.Join(dir, "ingot"), nil
}
