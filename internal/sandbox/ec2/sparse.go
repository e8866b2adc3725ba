package ec2

import (
	"errors"
	"os"
)

func makeSparse(file string, size int64) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// copySparse copies what is written of a file, into one of that size that is
// whole once it has its name.
func copySparse(from, to string, size int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.Remove(to + ".new"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := makeSparse(to+".new", size); err != nil {
		return err
	}
	out, err := os.OpenFile(to+".new", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(copyData(in, out), out.Close()); err != nil {
		return errors.Join(err, os.Remove(to+".new"))
	}
	return os.Rename(to+".new", to)
}
