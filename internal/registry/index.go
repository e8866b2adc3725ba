package registry

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// index is an index.json. It is written with one descriptor a line, and read
// line by line without decoding: with thousands of names, decoding all to find
// one takes longer than the rest of a lookup.
type index struct {
	head    string // the part before the first descriptor
	entries []entry
	byName  map[string]int
}

// entry is one descriptor as JSON, and its name.
type entry struct {
	name string
	line string
}

const (
	indexHead = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[` + "\n"
	indexTail = "\n]}\n"
	nameField = `"` + ocispec.AnnotationRefName + `":"`
)

func parseIndex(data []byte) (*index, error) {
	ix := &index{head: indexHead}
	body, ours := bytes.CutPrefix(data, []byte(indexHead))
	body, ended := bytes.CutSuffix(body, []byte(indexTail))
	if !ours || !ended {
		return parseForeign(data)
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		line = strings.TrimSuffix(line, ",")
		if line == "" {
			continue
		}
		_, rest, _ := strings.Cut(line, nameField)
		name, _, _ := strings.Cut(rest, `"`)
		ix.entries = append(ix.entries, entry{name, line})
	}
	ix.number()
	return ix, nil
}

// parseForeign reads an index that another program wrote.
func parseForeign(data []byte) (*index, error) {
	var doc ocispec.Index
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	ix := &index{head: indexHead}
	for _, d := range doc.Manifests {
		line, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		ix.entries = append(ix.entries, entry{d.Annotations[ocispec.AnnotationRefName], string(line)})
	}
	ix.number()
	return ix, nil
}

func (ix *index) number() {
	ix.byName = make(map[string]int, len(ix.entries))
	for i, e := range ix.entries {
		if e.name != "" {
			ix.byName[e.name] = i
		}
	}
}

func (ix *index) clone() *index {
	return &index{head: indexHead, entries: slices.Clone(ix.entries), byName: maps.Clone(ix.byName)}
}

func (ix *index) find(name string) (entry, bool) {
	i, ok := ix.byName[name]
	if !ok {
		return entry{}, false
	}
	return ix.entries[i], true
}

// set makes name stand for desc, whose annotations are kept.
func (ix *index) set(name string, desc ocispec.Descriptor) error {
	annotations := maps.Clone(desc.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[ocispec.AnnotationRefName] = name
	desc.Annotations = annotations
	line, err := json.Marshal(desc)
	if err != nil {
		return err
	}
	e := entry{name, string(line)}
	if i, ok := ix.byName[name]; ok {
		ix.entries[i] = e
		return nil
	}
	if ix.byName == nil {
		ix.byName = map[string]int{}
	}
	ix.byName[name] = len(ix.entries)
	ix.entries = append(ix.entries, e)
	return nil
}

// remove takes a name out, and reports whether it was there.
func (ix *index) remove(name string) bool {
	i, ok := ix.byName[name]
	if ok {
		ix.entries = slices.Delete(ix.entries, i, i+1)
		ix.number()
	}
	return ok
}

func (ix *index) bytes() []byte {
	lines := make([]string, len(ix.entries))
	for i, e := range ix.entries {
		lines[i] = e.line
	}
	return []byte(ix.head + strings.Join(lines, ",\n") + indexTail)
}

func (e entry) descriptor() (ocispec.Descriptor, error) {
	var d ocispec.Descriptor
	if err := json.Unmarshal([]byte(e.line), &d); err != nil {
		return d, &corruptError{ocispec.ImageIndexFile, err}
	}
	return d, nil
}
