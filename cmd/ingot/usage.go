package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
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

// hintArguments has the commands below cmd show what they take where they are
// given too many arguments or too few.
func hintArguments(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		hintArguments(c)
		if c.Args == nil {
			continue
		}
		check := c.Args
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err != nil && strings.HasPrefix(err.Error(), "accepts ") { // the library's
				return builders.WithHint(err, cmd.UseLine())
			}
			return err
		}
	}
}
