package lang

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

// options has what the components of the golden templates have.
type options struct {
	Image       string                   `hcl:"image,optional"`
	Commit      bool                     `hcl:"commit,optional"`
	Privileged  bool                     `hcl:"privileged,optional"`
	Changes     []string                 `hcl:"changes,optional"`
	ExportPath  string                   `hcl:"export_path,optional"`
	Tags        map[string]string        `hcl:"tags,optional"`
	Inline      []secret.String          `hcl:"inline,optional"`
	Env         map[string]secret.String `hcl:"env,optional"`
	EnvVars     []string                 `hcl:"environment_vars,optional"`
	Execute     string                   `hcl:"execute_command,optional" template:"late"`
	Codes       []int                    `hcl:"valid_exit_codes,optional"`
	Source      string                   `hcl:"source,optional"`
	Destination string                   `hcl:"destination,optional"`
	Output      string                   `hcl:"output,optional" template:"late"`
	Repository  string                   `hcl:"repository,optional"`
	Names       []string                 `hcl:"tags_list,optional"`
	Filters     []struct {
		Name   string `hcl:"name"`
		Values []struct {
			Text string `hcl:"text"`
		} `hcl:"value,block"`
	} `hcl:"filter,block"`
}

// dump turns a config into maps by option name, with its secrets revealed.
func dump(v reflect.Value) any {
	if s, ok := v.Interface().(secret.String); ok {
		if s.IsSensitive() {
			return s.Reveal() + " [sensitive]"
		}
		return s.Reveal()
	}
	switch v.Kind() {
	case reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, dump(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = dump(it.Value())
		}
		return out
	case reflect.Struct:
		out := map[string]any{}
		for _, f := range component.SchemaOf(v.Interface()).Fields {
			if fv := v.FieldByIndex(f.Go.Index); !fv.IsZero() {
				out[f.Name] = dump(fv)
			}
		}
		return out
	}
	return v.Interface()
}

type object = map[string]any

// spec is a whole template, decoded.
func spec(t *testing.T, tpl *Template) object {
	out := object{}
	vars := []object{}
	for _, v := range tpl.Variables {
		vars = append(vars, object{"name": v.Name, "type": v.Type, "value": v.Value, "source": v.Source})
	}
	out["variables"] = vars
	if tpl.Registry != nil {
		out["registry"] = tpl.Registry.Address
	}
	builds := []object{}
	for _, b := range tpl.Builds {
		builds = append(builds, specBuild(t, tpl, b))
	}
	out["builds"] = builds
	return out
}

func specBuild(t *testing.T, tpl *Template, b *Build) object {
	out := object{"name": b.Name, "description": b.Description}
	if b.Publish != nil {
		p := *b.Publish
		out["publish"] = object{"bucket": p.Bucket, "version": p.Version, "channels": p.Channels, "labels": p.Labels, "description": p.Description}
	}
	sources := object{}
	for _, s := range b.Sources {
		one := object{"options": decoded(t, tpl, s, s.Decode)}
		steps := []object{}
		for i, p := range append(b.Provisioners, b.ErrorCleanup) {
			if p == nil || !p.AppliesTo(s) {
				continue
			}
			step := object{"type": p.Type, "options": decoded(t, tpl, s, p.Decode)}
			if i == len(b.Provisioners) {
				step["cleanup"] = true
			}
			meta := object{"name": p.Name, "pause_before": p.PauseBefore.String(), "timeout": p.Timeout.String(),
				"max_retries": p.MaxRetries, "continue_on_error": p.ContinueOnError, "always_run": p.AlwaysRun}
			for name, v := range meta {
				if v != "" && v != "0s" && v != 0 && v != false {
					step[name] = v
				}
			}
			steps = append(steps, step)
		}
		one["provisioners"] = steps
		chains := [][]object{}
		for _, chain := range b.PostProcessors {
			list := []object{}
			for _, p := range chain {
				if p.AppliesTo(s) {
					list = append(list, object{"type": p.Type, "name": p.Name, "keep": p.KeepInput, "options": decoded(t, tpl, s, p.Decode)})
				}
			}
			chains = append(chains, list)
		}
		one["post-processors"] = chains
		if tests := specTests(t, tpl, b, s); len(tests) > 0 {
			one["tests"] = tests
		}
		sources[b.Address(s)] = one
	}
	out["sources"] = sources
	return out
}

func specTests(t *testing.T, tpl *Template, b *Build, s *Source) []object {
	var out []object
	for _, x := range b.Tests {
		if !x.AppliesTo(s) {
			continue
		}
		steps := []object{}
		for _, p := range x.Provisioners {
			if p.AppliesTo(s) {
				steps = append(steps, object{"type": p.Type, "options": decoded(t, tpl, s, p.Decode)})
			}
		}
		out = append(out, object{"name": x.Name, "keep": x.KeepFailed, "provisioners": steps})
	}
	return out
}

// decoded is a component's options in both forms, where they differ.
func decoded(t *testing.T, tpl *Template, s *Source, decode func(Scope, any) (*Decoded, hcl.Diagnostics)) object {
	t.Helper()
	var real, keyed options
	d, diags := decode(Scope{Form: Real, Source: s}, &real)
	if len(diags) > 0 {
		t.Error(shown(tpl, diags))
	}
	k, diags := decode(Scope{Form: Keyed, Source: s}, &keyed)
	if len(diags) > 0 {
		t.Error(shown(tpl, diags))
	}
	out := object{"real": dump(reflect.ValueOf(real))}
	if d.Marked {
		out["keyed"] = dump(reflect.ValueOf(keyed))
	} else if diff := cmp.Diff(real, keyed, cmp.AllowUnexported(secret.String{})); diff != "" {
		t.Error("forms differ without a mark:", diff)
	}
	if diff := cmp.Diff(d.Inputs, k.Inputs); diff != "" {
		t.Error("inputs differ between the forms:", diff)
	}
	var inputs []string
	for _, in := range d.Inputs {
		if in.Kind == "variable" {
			inputs = append(inputs, in.Name)
		}
	}
	if len(inputs) > 0 {
		out["variables"] = strings.Join(inputs, " ")
	}
	return out
}

func TestGolden(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/golden/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no golden folders:", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			tpl, diags := Load(Options{Path: dir, Now: now, Version: "1.16.0", RunID: "run-1", Secrets: &secret.Set{},
				Environ: []string{"HOME_OF_TEST=/home/x"}})
			if len(diags) > 0 {
				t.Fatal(shown(tpl, diags))
			}
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(spec(t, tpl)); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "want.json"), got.Bytes())
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}
