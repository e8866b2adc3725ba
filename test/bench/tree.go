package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingot-build/ingot/internal/sshtest"
)

const treeFiles = 2000

// benchTree measures what waiting for answers costs: on a line with a long
// round trip, whoever asks per file has lost.
func benchTree(ctx context.Context, s *stand) ([]row, error) {
	line, err := s.openLine(ctx)
	if err != nil {
		return nil, err
	}
	defer line.close()
	from, to := s.path("from"), s.path("to")
	if err := writeTree(from); err != nil {
		return nil, err
	}
	srv, err := line.startSSH(s)
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	trip, err := line.roundTrip(ctx, srv.Addr())
	if err != nil {
		return nil, err
	}
	if trip < 2*delay || trip > 3*delay {
		return nil, fmt.Errorf("the line is not as it should be: a TCP connect takes %s, not %s", trip, 2*delay)
	}
	template, err := s.write("tree.pkr.hcl", srv.source("machine")+fmt.Sprintf(`
build {
  sources = ["source.null.machine"]

  provisioner "file" {
    source      = %q
    destination = %q
  }
}
`, from+"/", to))
	if err != nil {
		return nil, err
	}
	untar, err := srv.client("tar -x -C " + to)
	if err != nil {
		return nil, err
	}
	pipe := append([]string{"/bin/sh", "-c", `tar -c -C "$0" . | "$@"`, from}, untar...)
	ours := &side{name: "ingot", turn: s.sendTree(line.near(s.ingot, "build", "-force", template), to)}
	peer := &side{name: "tar c | ssh host tar x", turn: s.sendTree(line.near(pipe...), to)}
	if err := s.compare(ctx, ours, peer); err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%s; a TCP connect takes %s", line.kind, seconds(trip))
	return []row{newRow("", ours, peer, 1.2, note)}, nil
}

// startSSH starts a server at the far end of the line.
func (l *line) startSSH(s *stand) (srv *sshServer, err error) {
	const port = 2222
	listen := fmt.Sprintf("ListenAddress %s:%d", farAddress, port)
	err = l.atFarEnd(func() error {
		srv, err = s.startSSH(sshtest.Options{Port: port, Config: []string{listen}})
		return err
	})
	if err != nil {
		return nil, err
	}
	srv.Host = farAddress
	return srv, nil
}

// writeTree writes 2,000 files of 0.5 to 8 KB in 40 folders.
func writeTree(dir string) error {
	for i := range treeFiles {
		folder := filepath.Join(dir, fmt.Sprintf("d%02d", i%40))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := writeRandom(filepath.Join(folder, fmt.Sprintf("f%04d", i)), int64(512+i*37%7680)); err != nil {
			return err
		}
	}
	return nil
}

// sendTree is a turn that must leave all files at their destination.
func (s *stand) sendTree(argv []string, to string) turn {
	return func(ctx context.Context) (sample, error) {
		if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o755)); err != nil {
			return sample{}, err
		}
		got, err := s.run(ctx, command{argv: argv})
		if err != nil {
			return sample{}, err
		}
		n := 0
		err = filepath.WalkDir(to, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				n++
			}
			return err
		})
		if err == nil && n != treeFiles {
			err = fmt.Errorf("%d of %d files arrived", n, treeFiles)
		}
		return got, err
	}
}
