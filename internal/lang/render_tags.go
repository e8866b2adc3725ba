package lang

import (
	"maps"
	"regexp"
	"strings"
	"text/template/parse"

	"github.com/ingot-build/ingot/internal/op"
)

// {{.SourceAMITags.NAME}} is a tag of the source image, known only in a run. A
// template is read as if it had one field for each tag that it names.

const sourceTags = "SourceAMITags"

var (
	plainTag  = regexp.MustCompile(`^\w+$`)
	sourceTag = regexp.MustCompile(`\.` + sourceTags + "(?:\\.|\\s+[\"`])(\\w+)")
)

// withTags adds the fields of the tags that a template names.
func (e *engine) withTags(text string, fields map[string]string) map[string]string {
	if !strings.HasPrefix(e.scope.Source.Type, "amazon-") || !strings.Contains(text, sourceTags) {
		return fields
	}
	out := maps.Clone(fields)
	for _, m := range sourceTag.FindAllStringSubmatch(text, -1) {
		out[sourceTags+"_"+m[1]] = op.Token("build." + sourceTags + "." + m[1])
	}
	return out
}

// joinTags makes one field of .SourceAMITags.NAME and of index .SourceAMITags
// "NAME".
func joinTags(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, c := range n.Nodes {
				joinTags(c)
			}
		}
	case *parse.ActionNode:
		joinTags(n.Pipe)
	case *parse.IfNode:
		joinTags(n.Pipe)
		joinTags(n.List)
		joinTags(n.ElseList)
	case *parse.WithNode:
		joinTags(n.Pipe)
		joinTags(n.List)
		joinTags(n.ElseList)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			c.Args = indexed(c.Args)
			for _, a := range c.Args {
				joinTags(a)
			}
		}
	case *parse.FieldNode:
		if len(n.Ident) == 2 && n.Ident[0] == sourceTags {
			n.Ident = []string{sourceTags + "_" + n.Ident[1]}
		}
	}
}

// indexed makes a field of a call of index.
func indexed(args []parse.Node) []parse.Node {
	if len(args) != 3 || args[0].String() != "index" || args[1].String() != "."+sourceTags {
		return args
	}
	field, isField := args[1].(*parse.FieldNode)
	name, isText := args[2].(*parse.StringNode)
	if !isField || !isText || !plainTag.MatchString(name.Text) {
		return args
	}
	field.Ident = append(field.Ident, name.Text)
	return []parse.Node{field}
}
