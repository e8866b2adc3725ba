package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingot-build/ingot/internal/sshtest"
)

const uploadSize = 512 << 20

// benchUpload measures a file that is large enough for only the speed of the
// stream to count. It is read from and written to memory where there is room.
func benchUpload(ctx context.Context, s *stand) ([]row, error) {
	dir, kind, err := s.roomy(4 * uploadSize)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	srv, err := s.startSSH(sshtest.Options{})
	if err != nil {
		return nil, err
	}
	defer srv.Close()
	from, to := dir+"/from", dir+"/to"
	if err := writeRandom(from, uploadSize); err != nil {
		return nil, err
	}
	template, err := s.write("upload.pkr.hcl", srv.source("machine")+fmt.Sprintf(`
build {
  sources = ["source.null.machine"]

  provisioner "file" {
    source      = %q
    destination = %q
  }
}
`, from, to))
	if err != nil {
		return nil, err
	}
	cat, err := srv.client("cat > " + to)
	if err != nil {
		return nil, err
	}
	ours := &side{name: "ingot", turn: s.upload(command{argv: []string{s.ingot, "build", "-force", template}}, to)}
	peer := &side{name: "ssh host 'cat > f'", turn: s.upload(command{argv: cat, stdin: from}, to)}
	if err := s.compare(ctx, ours, peer); err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d MB of random data on %s; ingot %.0f MB/s, ssh %.0f MB/s", uploadSize>>20, kind,
		uploadSize/1e6/ours.median().Seconds(), uploadSize/1e6/peer.median().Seconds())
	return []row{newRow("", ours, peer, 1.15, note)}, nil
}

// upload is a turn that must leave the whole file at its destination.
func (s *stand) upload(c command, to string) turn {
	return func(ctx context.Context) (sample, error) {
		if err := os.RemoveAll(to); err != nil {
			return sample{}, err
		}
		got, err := s.run(ctx, c)
		if err != nil {
			return sample{}, err
		}
		if st, err := os.Stat(to); err != nil || st.Size() != uploadSize {
			return sample{}, errors.Join(err, errors.New("the file did not arrive whole"))
		}
		return got, nil
	}
}

// roomy makes a folder in memory where size bytes have room there, else on
// disk. It says which.
func (s *stand) roomy(size uint64) (dir, kind string, err error) {
	const shared = "/dev/shm"
	var st unix.Statfs_t
	if unix.Statfs(shared, &st) == nil && st.Type == unix.TMPFS_MAGIC && st.Bavail*uint64(st.Bsize) > size {
		if dir, err := os.MkdirTemp(shared, "ingot-bench-"); err == nil {
			return dir, "tmpfs", nil
		}
	}
	dir, err = os.MkdirTemp(s.dir, "files-")
	return dir, "disk", err
}

func writeRandom(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, size)
	return errors.Join(err, f.Close())
}
