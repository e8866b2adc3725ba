package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const module = "github.com/ingot-build/ingot/"

// comments finds doc comments in the module's source.
type comments struct {
	root   string
	parsed map[string][]*ast.File
}

func (c *comments) files(pkg string) ([]*ast.File, error) {
	if files, ok := c.parsed[pkg]; ok {
		return files, nil
	}
	names, err := filepath.Glob(filepath.Join(c.root, strings.TrimPrefix(pkg, module), "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if c.parsed == nil {
		c.parsed = map[string][]*ast.File{}
	}
	c.parsed[pkg] = files
	return files, nil
}

// pkg returns the comment of a package as the text of a page.
func (c *comments) pkg(pkg string) (string, error) {
	files, err := c.files(pkg)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if f.Doc != nil {
			return intro(strings.TrimSpace(f.Doc.Text())), nil
		}
	}
	return "", fmt.Errorf("%s has no package comment", pkg)
}

// typ returns the comment of a struct as the text of a page.
func (c *comments) typ(t reflect.Type) (string, error) {
	files, err := c.files(t.PkgPath())
	if err != nil {
		return "", err
	}
	for _, f := range files {
		for _, decl := range f.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Doc == nil || len(d.Specs) != 1 {
				continue
			}
			if spec, ok := d.Specs[0].(*ast.TypeSpec); ok && spec.Name.Name == t.Name() {
				return ofOption(oneLine(d.Doc.Text()), t.Name()), nil
			}
		}
	}
	return "", fmt.Errorf("%s has no comment", t)
}

// field returns the comment of a struct's field on one line.
func (c *comments) field(owner reflect.Type, name string) (string, error) {
	files, err := c.files(owner.PkgPath())
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if text := fieldComment(f, owner.Name(), name); text != "" {
			return ofOption(text, name), nil
		}
	}
	return "", fmt.Errorf("%s.%s has no comment", owner, name)
}

func fieldComment(f *ast.File, typ, field string) string {
	text := ""
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != typ {
			return true
		}
		st, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		for _, fd := range st.Fields.List {
			for _, id := range fd.Names {
				if id.Name == field {
					text = oneLine(fd.Doc.Text() + " " + fd.Comment.Text())
				}
			}
		}
		return false
	})
	return text
}

var packageIs = regexp.MustCompile(`^Package \w+ (is [^.]*?:\s+it\s+|is the data source of\s+)?`)

// intro drops what a package comment opens with: "Package shell is the
// provisioner "shell": it runs scripts" becomes "Runs scripts".
// A paragraph is one line.
func intro(doc string) string {
	paragraphs := strings.Split(capital(packageIs.ReplaceAllString(doc, "")), "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = oneLine(p)
	}
	return strings.Join(paragraphs, "\n\n")
}

// ofOption drops the field's Go name that a comment opens with, so that it
// reads as one of the option: "Image is the image to start from" becomes "The
// image to start from".
func ofOption(doc, field string) string {
	rest, ok := strings.CutPrefix(doc, field+" ")
	if !ok {
		return doc
	}
	for _, verb := range []string{"is ", "are "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	return capital(rest)
}

// capital makes the first letter a capital one, except in a name of an option.
func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if strings.Contains(first, "_") {
		return s
	}
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
