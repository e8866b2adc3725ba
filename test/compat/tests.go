package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Tests are the files of the tests: Go, data and scripts, and the templates,
// each of which a test builds.
type Tests struct {
	root  string
	files []testFile
}

type testFile struct {
	dir   string // of the module, slash-separated
	text  string
	words map[string]bool
}

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_-]*`)

// readTests reads the tests of the module at root.
func readTests(root string) (*Tests, error) {
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return nil, err
	}
	t := &Tests{root: root}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "bin" || rel == "test/compat" || rel != "." && d.Name()[0] == '.' {
				return filepath.SkipDir
			}
			return nil
		}
		if !isTest(rel) {
			return nil
		}
		return t.add(path, rel)
	})
	return t, err
}

func isTest(rel string) bool {
	return strings.HasSuffix(rel, "_test.go") || strings.HasPrefix(rel, "test/") || strings.HasPrefix(rel, "templates/") ||
		strings.Contains(rel, "/testdata/") && !strings.Contains(rel, "/testdata/fuzz/")
}

func (t *Tests) add(path, rel string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f := testFile{dir: rel[:strings.LastIndex("/"+rel, "/")], text: string(raw), words: map[string]bool{}}
	for _, w := range word.FindAllString(f.text, -1) {
		f.words[w] = true
		for _, part := range strings.Split(w, "-") {
			f.words[part] = true
		}
	}
	t.files = append(t.files, f)
	return nil
}

// use reports whether a test in one of the folders, or one that names about,
// has one of the words.
func (t *Tests) use(about string, dirs []string, names ...string) bool {
	return slices.ContainsFunc(t.files, func(f testFile) bool {
		in := slices.ContainsFunc(dirs, func(d string) bool { return f.dir == d || strings.HasPrefix(f.dir, d+"/") })
		if !in && (about == "" || !strings.Contains(f.text, about)) {
			return false
		}
		return slices.ContainsFunc(names, func(n string) bool { return f.words[n] })
	})
}

// hold reports whether a test's text has this.
func (t *Tests) hold(text string) bool {
	return slices.ContainsFunc(t.files, func(f testFile) bool { return strings.Contains(f.text, text) })
}
