package op

import "os"

// Sources returns the content that an op has: files and texts, and folders.
func Sources(o Op) (blobs []Blob, trees []*Tree) {
	var files []File
	switch o := o.(type) {
	case *Exec:
		files = o.Inputs
	case *Put:
		files = []File{o.File}
	case *Tree:
		trees = []*Tree{o}
	case *Local:
		files, trees = o.Inputs, o.Trees
	}
	for _, f := range files {
		blobs = append(blobs, f.Blob)
	}
	if l, ok := o.(*Local); ok {
		blobs = append(blobs, l.Reads...)
	}
	return blobs, trees
}

// Changed returns the files and folders of this host that are not any more what
// they were when the ops were made: what is done with them is not what Hash
// says. Late content is none of them.
func Changed(ops []Op) []string {
	var names []string
	for _, o := range ops {
		blobs, trees := Sources(o)
		for _, b := range blobs {
			if b.changed() {
				names = append(names, b.Name)
			}
		}
		for _, t := range trees {
			if t.changed() {
				names = append(names, t.Name)
			}
		}
	}
	return names
}

func (b Blob) changed() bool {
	if b.path == "" || b.Digest == lateDigest {
		return false
	}
	if st, err := os.Stat(b.path); err == nil && st.Size() == b.Size && st.ModTime().Equal(b.modified) {
		return false
	}
	now, err := FileBlob(b.path)
	return err != nil || now.Digest != b.Digest
}

func (t *Tree) changed() bool {
	if t.again == nil {
		return false
	}
	now, err := t.again()
	return err != nil || now.Digest != t.Digest
}
