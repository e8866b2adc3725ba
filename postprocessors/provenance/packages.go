package provenance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/sbom"
	"github.com/ingot-build/ingot/postprocessors"
)

// scans reports whether the options are for syft.
func (c *Config) scans() bool {
	return c.SBOMScanPath != "" || len(c.SBOMExclude) > 0 || c.SBOMScope != squashed
}

func syft() (string, error) {
	path, err := exec.LookPath("syft")
	if err != nil {
		return "", errors.New("the program syft is not there, which makes the list of files: install it, or list packages in the build with the provisioner sbom")
	}
	return path, nil
}

// packages is the list of packages: the one of the build, or syft's.
func (c *Config) packages(ctx context.Context, in postprocessors.Input) ([]byte, error) {
	is := func(a artifact.Attachment) bool { return a.Type == sbom.Type(c.SBOMFormat) }
	if i := slices.IndexFunc(in.Attachments, is); i >= 0 && !c.scans() {
		if a := in.Attachments[i]; a.Data == nil {
			return nil, builders.WithHint(fmt.Errorf("the list of packages %q of an earlier run is in the registry only", a.Name),
				"run with -force to make the build, and its list, anew")
		}
		return in.Attachments[i].Data, nil
	}
	target, err := c.scanned(in)
	if err != nil {
		return nil, err
	}
	program, err := syft()
	if err != nil {
		return nil, err
	}
	in.Log.Say("Listing the packages in " + target)
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, c.syftArgs(in.Path(target))...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("syft: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}

// syftArgs has syft print the list of what is at a path.
func (c *Config) syftArgs(path string) []string {
	kind := "file:"
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		kind = "dir:"
	}
	args := []string{"scan", kind + path, "-q", "-o", c.SBOMFormat + "-json", "--scope", c.SBOMScope}
	for _, pattern := range c.SBOMExclude {
		args = append(args, "--exclude", pattern)
	}
	return args
}

// scanned is what syft is to look at, as in the template.
func (c *Config) scanned(in postprocessors.Input) (string, error) {
	files := in.Artifact.Files
	switch {
	case c.SBOMScanPath != "":
		return c.SBOMScanPath, nil
	case len(files) == 0:
		return "", builders.WithHint(errors.New("there is no list of packages, and the artifact has no files to look at"),
			"list them in the build with the provisioner sbom, or set sbom_scan_path")
	case len(files) == 1:
		return files[0].Path, nil
	}
	dir := filepath.Dir(files[0].Path)
	for _, f := range files {
		if filepath.Dir(f.Path) != dir {
			return "", builders.WithHint(errors.New("the artifact's files are in several folders"), "set sbom_scan_path")
		}
	}
	return dir, nil
}
