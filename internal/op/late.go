package op

import (
	"fmt"
	"os"
	"path/filepath"
)

// Late content is made while the build runs, by an earlier step. Its digest
// says nothing, so a step that has some is never taken for unchanged.

const lateDigest = "late"

// LateFile returns a blob of a file of this host that need not exist before
// its op runs.
func LateFile(path string) Blob {
	return Blob{Digest: lateDigest, Name: path, path: path}
}

// LateTree is DirTree for a folder that need not exist before the op runs.
func LateTree(dir, source string) *Tree {
	return &Tree{Dir: dir, Name: source, Source: os.DirFS(source), Digest: lateDigest}
}

// IsLate reports whether the ops have content that is known only as they run.
func IsLate(ops []Op) bool {
	for _, o := range ops {
		switch o := o.(type) {
		case *Put:
			if o.File.Blob.Digest == lateDigest {
				return true
			}
		case *Tree:
			if o.Digest == lateDigest {
				return true
			}
		}
	}
	return false
}

// Settle reads the late content of ops, which must exist now, for its size
// and digest. Whoever runs ops settles them right before.
func Settle(ops []Op) ([]Op, error) {
	if !IsLate(ops) {
		return ops, nil
	}
	out := make([]Op, len(ops))
	for i, o := range ops {
		settled, err := settle(o)
		if err != nil {
			return nil, fmt.Errorf("generated file: %w", err)
		}
		out[i] = settled
	}
	return out, nil
}

func settle(o Op) (Op, error) {
	switch o := o.(type) {
	case *Put:
		if o.File.Blob.Digest != lateDigest {
			return o, nil
		}
		f := o.File
		st, err := os.Stat(f.Blob.path)
		if err != nil {
			return nil, err
		}
		if f.Mode == 0 {
			f.Mode = st.Mode().Perm()
		}
		f.Blob, err = FileBlob(filepath.Clean(f.Blob.path))
		return &Put{File: f}, err
	case *Tree:
		if o.Digest != lateDigest {
			return o, nil
		}
		return DirTree(o.Dir, o.Name)
	}
	return o, nil
}
