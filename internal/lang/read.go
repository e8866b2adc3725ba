package lang

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"

	"github.com/ingot-build/ingot/internal/component"
)

// A template of 400 builds with ten steps each has not one megabyte. These are
// far above that, and read within a second.
const (
	largest  = 4 << 20 // bytes of a file
	mostMade = 300_000 // brackets, commas, colons and equals signs of a file, each of which may make a value
)

func topLevel() *hcl.BodySchema {
	return &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "packer"}, {Type: "variables"}, {Type: "variable", LabelNames: []string{"name"}},
		{Type: "locals"}, {Type: "local", LabelNames: []string{"name"}},
		{Type: "data", LabelNames: []string{"type", "name"}},
		{Type: "source", LabelNames: []string{"type", "name"}},
		{Type: "build"}, {Type: "registry"}, {Type: "hcp_packer_registry"},
		{Type: "sandbox"}, {Type: "secrets"},
		{Type: "communicator", LabelNames: []string{"type", "name"}},
	}}
}

// read parses the template's files and returns their blocks. Where a file
// can't be parsed, whole is false: the parser goes on as it can, and what the
// blocks then have, or lack, says nothing.
func (t *Template) read() (blocks hcl.Blocks, whole bool, diags hcl.Diagnostics) {
	names, diags := t.files()
	digest := sha256.New()
	whole = t.Dir != ""
	for _, name := range names {
		src, ds := t.readSource(name)
		diags = append(diags, ds...)
		if ds.HasErrors() {
			continue
		}
		fmt.Fprintf(digest, "%s\x00%d\x00", filepath.Base(name), len(src))
		digest.Write(src)
		t.texts = append(t.texts, src)
		f, ds := t.parseTemplate(name, src)
		diags = append(diags, ds...)
		if f == nil || ds.HasErrors() && !t.legacy {
			whole = false
			continue
		}
		c, ds := component.Content(f.Body, topLevel(), "A template")
		for _, d := range ds {
			adviseTop(d, strings.HasSuffix(name, ".json"))
		}
		diags = append(diags, ds...)
		blocks = append(blocks, c.Blocks...)
	}
	t.Digest = hex.EncodeToString(digest.Sum(nil))
	return blocks, whole, diags
}

// adviseTop says what an option that templates do not have may be of.
func adviseTop(d *hcl.Diagnostic, isJSON bool) {
	switch option, unknown := strings.CutPrefix(d.Summary, "Unknown option "); {
	case !unknown:
	case isJSON && slices.Contains([]string{`"builders"`, `"provisioners"`, `"post-processors"`}, option):
		d.Detail = option + " is of JSON templates from before HCL2: their names end in .json, and not in .pkr.json."
	default:
		d.Detail += " A file of values for variables is given with -var-file."
	}
}

// files lists the template's files and sets Dir.
func (t *Template) files() ([]string, hcl.Diagnostics) {
	if t.Path == "" {
		t.Dir = "."
		return nil, nil
	}
	if t.options.Sources[t.Path] != nil {
		t.Dir = "."
		return []string{t.Path}, nil
	}
	st, err := os.Stat(t.Path)
	if err != nil {
		return nil, hcl.Diagnostics{fileError(t.Path, err)}
	}
	if !st.IsDir() {
		t.Dir = filepath.Dir(t.Path)
		return []string{t.Path}, nil
	}
	t.Dir, t.folder = filepath.Clean(t.Path), true
	names, err := inFolder(t.Dir, ".pkr.hcl", ".pkr.json", ".ingot.hcl")
	if err != nil {
		return nil, hcl.Diagnostics{fileError(t.Path, err)}
	}
	if len(names) == 0 {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No template in " + t.Path,
			Detail: "The folder has no file whose name ends in .pkr.hcl, .pkr.json or .ingot.hcl."}}
	}
	return names, nil
}

// inFolder lists the files of a folder, by ending and then by name.
func inFolder(dir string, endings ...string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ending := range endings {
		for _, e := range entries {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ending) {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	return out, nil
}

func fileError(path string, err error) *hcl.Diagnostic {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Can't read " + path, Detail: sentence(err.Error())}
}

func readFile(path string) ([]byte, hcl.Diagnostics) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, hcl.Diagnostics{fileError(path, err)}
	}
	if !st.Mode().IsRegular() || st.Size() > largest {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Can't read " + path,
			Detail: fmt.Sprintf("It is not a file of at most %d MB.", largest>>20)}}
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, hcl.Diagnostics{fileError(path, err)}
	}
	return src, nil
}

// longestShown is the length of a line, in bytes, above which diagnostics do
// not show the lines of a file.
const longestShown = 10_000

// parse parses a file and keeps it for diagnostics.
func (t *Template) parse(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	t.Files[name] = &hcl.File{Bytes: src}
	if ds := guard(name, src); ds.HasErrors() {
		t.Files[name] = &hcl.File{} // its text is of no help, and may be one long line
		return nil, ds
	}
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(name, ".json") {
		f, diags = json.Parse(src, name)
		if diags.HasErrors() {
			diags[0] = component.EarlierJSONError(diags[0], src)
		}
	} else {
		f, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		if f != nil && f.Body != nil {
			diags = append(diags, bound(f.Body.(*hclsyntax.Body))...)
		}
	}
	if first := slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError }); first >= 0 {
		diags = diags[:first+1] // those behind it are mostly its consequences
	}
	if f != nil && f.Body != nil {
		t.Files[name] = f
		if slices.ContainsFunc(bytes.Split(src, []byte("\n")), func(l []byte) bool { return len(l) > longestShown }) {
			t.unshown[name], t.Files[name] = src, &hcl.File{Body: f.Body, Nav: f.Nav}
		}
		return f, diags
	}
	return nil, diags
}

// guard refuses what the parser can't take.
func guard(name string, src []byte) hcl.Diagnostics {
	if !utf8.Valid(src) {
		at := 0
		for at < len(src) {
			r, n := utf8.DecodeRune(src[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		line := 1 + strings.Count(string(src[:at]), "\n")
		col := at - strings.LastIndexByte(string(src[:at]), '\n')
		pos := hcl.Pos{Line: line, Column: col, Byte: at}
		return hcl.Diagnostics{errorAt(hcl.Range{Filename: name, Start: pos, End: pos}, "Not UTF-8",
			fmt.Sprintf("Byte %d of the file, in line %d, is not UTF-8 text.", at, line))}
	}
	if makes(src) > mostMade {
		return hcl.Diagnostics{errorAt(hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}, "Too much for a template",
			fmt.Sprintf("It has more than %d brackets, commas, colons and equals signs.", mostMade))}
	}
	if strings.HasSuffix(name, ".json") {
		return guardJSON(name, src)
	}
	if shallow(src) {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	return tooDeep(tokens)
}

// sentence makes a message fit for a diagnostic's detail.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if slices.Contains([]string{".", "!", "?"}, s[len(s)-1:]) {
		return s
	}
	return s + "."
}
