package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// oneDashUsage makes help write flags as the documentation does, and Packer:
// with one dash, where the library writes two. Examples get the program's name.
func oneDashUsage(root *cobra.Command) {
	usage := root.UsageFunc()
	dashes := regexp.MustCompile(`(?m)^( +(?:-\w, )?)--`)
	examples := regexp.MustCompile(`(?m)^  ingot `)
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		out := cmd.OutOrStderr()
		var text bytes.Buffer
		cmd.SetOut(&text)
		err := usage(cmd)
		cmd.SetOut(out)
		if err != nil {
			return err
		}
		help := strings.ReplaceAll(dashes.ReplaceAllString(text.String(), "$1-"), "[command] --help", "COMMAND -help")
		_, err = io.WriteString(out, examples.ReplaceAllString(help, "  "+root.Name()+" "))
		return err
	})
}
