package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/registry"
)

// registryRun runs a registry command on the folder and returns what it prints.
func registryRun(folder string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := newRegistryCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetArgs(append([]string{"--registry", folder}, args...))
	err := cmd.Execute()
	return out.String(), err
}

// publishedFolder returns a registry with versions 1.0.0 and 1.1.0 of web.
func publishedFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "registry")
	r, err := registry.Open("oci:"+folder, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1.0.0", "1.1.0"} {
		k := key.New("test").String(name).Sum()
		_, _, err := r.Publish(context.Background(), registry.Version{
			Bucket: "web", Name: name, RunID: "run-" + name, Description: "the site \x1b[31m", Labels: map[string]string{"team": "web"},
			GitCommit: "0123abc", Created: time.Now().Add(-3 * time.Hour), Channels: map[string][]string{"1.0.0": {"production"}}[name],
			Records: []artifact.Record{{
				Build: "null.web", Key: k, Created: time.Now(), Base: artifact.Base{ID: "SHA256:host", Name: "10.0.0.1"},
				Steps:    []artifact.Step{{Name: "shell", Key: k}},
				Artifact: artifact.Artifact{Builder: "null", ID: "10.0.0.1", Places: []artifact.Place{{Name: "host", ID: "10.0.0.1"}}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestRegistryText(t *testing.T) {
	t.Parallel()
	folder := publishedFolder(t)
	for _, tt := range []struct {
		args []string
		want []string // each on one line, its words in any distance
	}{
		{[]string{"list"}, []string{"BUCKET LATEST CREATED CHANNELS", "web 1.1.0 production → 1.0.0"}},
		{[]string{"list", "web"}, []string{"VERSION CREATED CHANNELS BUILDS DESCRIPTION", "1.1.0 null.web the site", "1.0.0 production null.web"}},
		{[]string{"list", "nope"}, []string{"Nothing was published to nope in " + folder + " yet.", "ingot build TEMPLATE"}},
		{[]string{"show", "web"}, []string{"Version web:1.1.0", "Created (3 hours ago)", "Label team=web", "Commit 0123abc", "Run run-1.1.0", "Base 10.0.0.1 SHA256:host", "Step shell", "Place host 10.0.0.1"}},
		{[]string{"show", "web", "production"}, []string{"Version web:1.0.0", "Channels production"}},
		{[]string{"channel", "web"}, []string{"CHANNEL VERSION", "production 1.0.0"}},
		{[]string{"channel", "nope"}, []string{"nope has no channels", "ingot promote nope VERSION production"}},
		{[]string{"channel", "web", "production", "1.1.0", "--by", "ali", "--untested"}, []string{"web:production is 1.1.0"}},
		{[]string{"channel", "web", "production"}, []string{"web:production is 1.1.0", "1.0.0 1.1.0 ali (untested)", "- 1.0.0 run run-1.0.0"}},
		{[]string{"gc"}, []string{"Freed 0 B in " + folder}},
	} {
		out, err := registryRun(folder, tt.args...)
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
		}
		if strings.Contains(out, "\x1b") {
			t.Errorf("%v: escape sequences of a description reach the terminal", tt.args)
		}
		for _, want := range tt.want {
			if !hasLine(out, strings.Fields(want)) {
				t.Errorf("%v: no line with %q in\n%s", tt.args, want, out)
			}
		}
	}
}

// hasLine reports whether a line has the words in that order.
func hasLine(text string, words []string) bool {
	for line := range strings.Lines(text) {
		rest, ok := line, true
		for _, w := range words {
			if _, rest, ok = strings.Cut(rest, w); !ok {
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}

func TestRegistryJSON(t *testing.T) {
	t.Parallel()
	folder := publishedFolder(t)
	for _, tt := range []struct {
		args []string
		want string // a part of the JSON, without spaces
	}{
		{[]string{"list"}, `"channels":{"production":"1.0.0"}`},
		{[]string{"list", "web"}, `"version":"1.1.0"`},
		{[]string{"list", "nope"}, `[]`},
		{[]string{"show", "web", "1.0.0"}, `"channels":["production"]`},
		{[]string{"channel", "web"}, `"channel":"production"`},
		{[]string{"channel", "web", "production"}, `"by":"runrun-1.0.0"`},
		{[]string{"gc"}, `"freed":0`},
	} {
		out, err := registryRun(folder, append(tt.args, "--json")...)
		if err != nil || !json.Valid([]byte(out)) {
			t.Errorf("%v: %v\n%s", tt.args, err, out)
		}
		if flat := strings.Join(strings.Fields(out), ""); !strings.Contains(flat, tt.want) {
			t.Errorf("%v: no %s in %s", tt.args, tt.want, flat)
		}
	}
}

func TestRegistryErrors(t *testing.T) {
	t.Parallel()
	folder := publishedFolder(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"show", "web", "9.9.9"}, "web:9.9.9: no such version or channel"},
		{[]string{"show", "nope"}, "nope: nothing was published to it"},
		{[]string{"channel", "web", "nope"}, "web:nope: no such channel"},
		{[]string{"channel", "web", "edge", "9.9.9"}, "no such version or channel"},
		{[]string{"channel", "web", "edge", "1.1.0"}, "web:1.1.0 did not pass its tests: null.web: it was never tested"},
		{[]string{"channel", "web", "1.0.0", "1.1.0"}, "there is a version of that name"},
		{[]string{"pull", "web"}, "-o is missing"},
		{[]string{"pull", "web", "-o", filepath.Join(folder, "..", "x")}, "it has no container image"},
		{[]string{"gc", "--grace=-1h"}, "it takes a time of 0 or more"},
		{[]string{"list", "../x"}, "not a valid name"},
	} {
		if _, err := registryRun(folder, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.args, err, tt.want)
		}
	}
}

func TestRegistryOfNothing(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "registry")
	out, err := registryRun(folder, "list")
	if err != nil || !hasLine(out, []string{"Nothing was published to", "yet"}) || !strings.Contains(out, "ingot build") {
		t.Errorf("%v: %s", err, out)
	}
}
