package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/lang"
)

// configTypes are the languages of templates whose name does not tell theirs.
var configTypes = []string{"json", "hcl2"}

// mostStdin is how much of standard input is read as a template, in bytes.
const mostStdin = 16 << 20

// stdin sets the template's language, and its text where it is "-".
func (f *templateFlags) stdin(cmd *cobra.Command, o *lang.Options) error {
	if f.configType != "" && !slices.Contains(configTypes, f.configType) {
		return fmt.Errorf("-config-type=%s: it takes %s", f.configType, strings.Join(configTypes, " or "))
	}
	o.ConfigType = f.configType
	if o.Path != "-" {
		return nil
	}
	src, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), mostStdin))
	if err != nil {
		return fmt.Errorf("read the template from standard input: %w", err)
	}
	o.Path = "stdin"
	o.Sources = map[string][]byte{o.Path: src}
	return nil
}
