package main

import (
	"context"

	"github.com/ingot-build/ingot/internal/sshtest"
)

// benchStartup measures what a build costs beside the work in it.
func benchStartup(ctx context.Context, s *stand) ([]row, error) {
	srv, err := s.startSSH(sshtest.Options{})
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	template, err := s.write("startup.pkr.hcl", srv.source("machine")+`
build {
  sources = ["source.null.machine"]

  provisioner "shell" { inline = ["uname -a"] }
  provisioner "shell" { inline = ["id"] }
  provisioner "shell" { inline = ["date"] }
  provisioner "shell" { inline = ["pwd"] }
  provisioner "shell" { inline = ["echo done"] }
}
`)
	if err != nil {
		return nil, err
	}
	ours := &side{name: "ingot", turn: s.command(s.ingot, "build", "-force", template)}
	peer := &side{name: "packer build", turn: s.command(find("packer"), "build", "-force", template)}
	if err := s.compare(ctx, ours, peer); err != nil {
		return nil, err
	}
	return []row{newRow("", ours, peer, 1.0/4, s.packerVersion(ctx))}, nil
}
