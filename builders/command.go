package builders

import "github.com/ingot-build/ingot/internal/op"

// CommandName is what people call a command: its script, or the command's text
// where there is none.
func CommandName(argv []string, inputs []op.File) string {
	for _, f := range inputs {
		if f.Blob.Name != "" {
			return f.Blob.Name
		}
	}
	if len(inputs) > 0 {
		return "inline script" // the path that it has while it runs says nothing to people
	}
	return CommandText(argv)
}

// ExecName is what people call a command of a machine.
func ExecName(o *op.Exec) string {
	if o.Title != "" {
		return o.Title
	}
	return CommandName(o.Argv, o.Inputs)
}
