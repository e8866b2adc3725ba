package main

import (
	"bytes"
	"cmp"
	"context"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// execute runs the command.
func (p *program) execute(ctx context.Context, root *cobra.Command, args []string) error {
	switch args[0] {
	case cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
		return suggest(ctx, root, args)
	}
	return root.ExecuteContext(ctx)
}

// suggest answers a shell's request for completion. A flag that is begun with
// one dash is completed with one, and descriptions are without the marks that
// help takes the names of values from.
func suggest(ctx context.Context, root *cobra.Command, args []string) error {
	last := args[len(args)-1]
	oneDash := strings.HasPrefix(last, "-") && !strings.HasPrefix(last, "--")
	if last == "-" {
		root.SetArgs(append(twoDashes(args[:len(args)-1]), "--"))
	}
	out := root.OutOrStdout()
	var answer bytes.Buffer
	root.SetOut(&answer)
	err := root.ExecuteContext(ctx)
	text := bytes.ReplaceAll(answer.Bytes(), []byte("`"), nil)
	if oneDash {
		text = regexp.MustCompile(`(?m)^--`).ReplaceAll(text, []byte("-"))
	}
	_, werr := out.Write(text)
	return cmp.Or(err, werr)
}

// completeBuilds completes -only and -except with the addresses of the
// template's builds.
func (f *templateFlags) completeBuilds(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	path := "."
	if len(args) > 0 {
		path = args[0]
	}
	quiet := *f
	quiet.unread, quiet.valueless, quiet.sandbox = true, true, false
	ws, _, err := quiet.open(cmd, path, uuid.NewString())
	if err != nil || ws.template == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	before := typed[:strings.LastIndex(typed, ",")+1]
	var out []string
	for _, b := range ws.template.Builds {
		for _, s := range b.Sources {
			out = append(out, before+b.Address(s))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
