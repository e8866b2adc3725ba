package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// inertFlag annotates the flags of Packer that have no meaning here, with why.
const inertFlag = "changes-nothing"

// inert adds a switch of Packer that changes nothing here. Its help says so,
// and the debugging log where it is set.
func inert(cmd *cobra.Command, name, why string) {
	cmd.Flags().Bool(name, false, "accepted, changes nothing: "+why)
	_ = cmd.Flags().SetAnnotation(name, inertFlag, []string{why})
}

// inertValues adds flags of Packer with values that change nothing here.
func inertValues(cmd *cobra.Command, why string, names ...string) {
	for _, name := range names {
		cmd.Flags().StringArray(name, nil, "accepted, changes nothing: "+why)
		_ = cmd.Flags().SetAnnotation(name, inertFlag, []string{why})
	}
}

// inertShared adds the flags that every command of Packer takes, where nothing
// is evaluated.
func inertShared(cmd *cobra.Command) {
	inertValues(cmd, unevaluated, "var", "var-file", "only", "except")
}

const (
	unevaluated = "nothing is evaluated"
	noBuilds    = "nothing is built"
	fromJSON    = "templates from before HCL2 are read"
	builtIn     = "components are built in"
	oneOrder    = "locals and data sources are always evaluated in the order of their references"
	noEnforce   = "no provisioners are added from outside of the template"
)

type inertVariable struct{ name, why string }

// inertVariables are the variables of Packer's environment that have no
// meaning here.
func inertVariables() []inertVariable {
	return []inertVariable{
		{"PACKER_PLUGIN_PATH", builtIn},
		{"PACKER_PLUGIN_MIN_PORT", builtIn},
		{"PACKER_PLUGIN_MAX_PORT", builtIn},
		{"PACKER_FORCE_GOB", builtIn},
		{"PACKER_GITHUB_API_TOKEN", builtIn},
		{"PACKER_GETTER_READ_TIMEOUT", "nothing is downloaded for a build by ingot itself"},
		{"PACKER_KEY_INTERVAL", "nothing types on a console"},
		{"PACKER_TMP_DIR", "TMPDIR says where temporary files go"},
		{"CHECKPOINT_DISABLE", "ingot never calls home"},
	}
}

// configFile says of Packer's configuration file which of its parts there are
// and that they change nothing.
func configFile(lookup func(string) (string, bool)) []string {
	path, _ := lookup("PACKER_CONFIG")
	if path == "" {
		dir, ok := lookup("PACKER_CONFIG_DIR")
		if !ok || dir == "" {
			dir, _ = lookup("HOME")
		}
		path = filepath.Join(dir, ".packerconfig")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return []string{fmt.Sprintf("%s is not read: %v", path, err)}
	}
	why := map[string]string{
		"disable_checkpoint": "ingot never calls home", "disable_checkpoint_signature": "ingot never calls home",
		"builders": builtIn, "provisioners": builtIn, "post-processors": builtIn,
		"plugin_min_port": builtIn, "plugin_max_port": builtIn,
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		reason := why[name]
		if reason == "" {
			reason = "it is not known"
		}
		out = append(out, fmt.Sprintf("%s in %s changes nothing: %s", name, path, reason))
	}
	return out
}
