package main

import (
	"context"
	"fmt"
	"strings"
)

// benchValidate measures how long one waits for an editor's or a hook's check.
func benchValidate(ctx context.Context, s *stand) ([]row, error) {
	for i := range 5 {
		if _, err := s.write(fmt.Sprintf("files/%d.conf", i), "a = 1\n"); err != nil {
			return nil, err
		}
	}
	template, err := s.write("validate.pkr.hcl", validateTemplate())
	if err != nil {
		return nil, err
	}
	ours := &side{name: "ingot", turn: s.command(s.ingot, "validate", template)}
	peer := &side{name: "packer validate", turn: s.command(find("packer"), "validate", template)}
	if err := s.compare(ctx, ours, peer); err != nil {
		return nil, err
	}
	return []row{newRow("", ours, peer, 1.0/5, s.packerVersion(ctx))}, nil
}

// validateTemplate has variables, locals, two sources and 20 provisioners.
func validateTemplate() string {
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, "variable \"v%d\" {\n  type    = string\n  default = \"value %d\"\n}\n\n", i, i)
	}
	b.WriteString("locals {\n  name  = lower(\"Web-${var.v0}\")\n  parts = [var.v1, var.v2]\n  all   = join(\",\", concat(local.parts, [local.name]))\n}\n")
	for _, name := range []string{"one", "two"} {
		fmt.Fprintf(&b, "\nsource \"null\" %q {\n  ssh_host     = \"%s.example.com\"\n  ssh_username = \"root\"\n  ssh_password = \"x\"\n}\n", name, name)
	}
	b.WriteString("\nbuild {\n  sources = [\"source.null.one\", \"source.null.two\"]\n")
	for i := range 15 {
		fmt.Fprintf(&b, "\n  provisioner \"shell\" {\n    environment_vars = [\"NAME=${local.name}\", \"V=${var.v%d}\"]\n    inline           = [\"echo ${local.all}\", \"echo %d\"]\n  }\n", i%10, i)
	}
	for i := range 5 {
		fmt.Fprintf(&b, "\n  provisioner \"file\" {\n    source      = \"${path.root}/files/%d.conf\"\n    destination = \"/etc/%d.conf\"\n  }\n", i, i)
	}
	b.WriteString("}\n")
	return b.String()
}
