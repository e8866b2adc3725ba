package lang

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/hashicorp/go-cty-funcs/filesystem"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// fileReader reads the files that expressions name.
type fileReader struct {
	*Template
	seen func(src []byte) // is told what was read; may be nil
}

// functions returns others with those that read files.
func (r fileReader) functions(others map[string]function.Function) map[string]function.Function {
	f := maps.Clone(others)
	f["file"] = text([]string{"path"}, func(a []string) (string, error) { return r.readText(a[0]) })
	f["filebase64"] = text([]string{"path"}, func(a []string) (string, error) {
		src, err := r.readBytes(a[0])
		return base64.StdEncoding.EncodeToString(src), err
	})
	f["fileexists"], f["fileset"] = r.fileExists(), filesystem.MakeFileSetFunc(r.Dir)
	f["templatefile"] = r.templateFile(f)
	return f
}

// hostPath resolves a path of a function: from the template's folder, as
// Packer does. A path that is not there is taken from the working directory,
// so that file("${path.root}/x") works also where path.root is relative.
func (t *Template) hostPath(path string) (string, error) {
	expanded, err := filesystem.Pathexpand(cty.StringVal(path))
	if err != nil {
		return "", err
	}
	path = expanded.AsString()
	if filepath.IsAbs(path) {
		return path, nil
	}
	joined := filepath.Join(t.Dir, path)
	if _, err := os.Stat(joined); err != nil {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return joined, nil
}

func (r fileReader) readBytes(path string) ([]byte, error) {
	path, err := r.hostPath(path)
	if err != nil {
		return nil, err
	}
	src, err := readUpTo(path, mostText)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.seen != nil {
		r.seen(src)
	}
	return src, nil
}

// readUpTo reads a file, or a pipe, that has so many bytes at most.
func readUpTo(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(src)) > most {
		err = fmt.Errorf("it has more than %d MB", most>>20)
	}
	return src, err
}

func (r fileReader) readText(path string) (string, error) {
	src, err := r.readBytes(path)
	if err == nil && !utf8.Valid(src) {
		err = fmt.Errorf("%s is not UTF-8 text: filebase64() reads any file", path)
	}
	return string(src), err
}

func (r fileReader) fileExists() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, err := r.hostPath(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			st, err := os.Stat(path)
			if errors.Is(err, fs.ErrNotExist) {
				return cty.False, nil
			}
			if err == nil && !st.Mode().IsRegular() {
				err = fmt.Errorf("%s is not a file", path)
			}
			return cty.BoolVal(err == nil), err
		},
	})
}

func (t *Template) envFunc() function.Function {
	return text([]string{"name"}, func(a []string) (string, error) {
		v, _ := t.environ(a[0])
		return v, nil
	})
}

// templateFile renders a file that is a template itself, with the functions
// of others and not templatefile again.
func (r fileReader) templateFile(others map[string]function.Function) function.Function {
	render := func(path string, vars cty.Value) (cty.Value, error) {
		src, err := r.readText(path)
		if err != nil {
			return cty.NilVal, err
		}
		tokens, _ := hclsyntax.LexTemplate([]byte(src), path, hcl.InitialPos)
		if ds := tooDeep(tokens); ds.HasErrors() {
			return cty.NilVal, ds
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(src), path, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, diags
		}
		if ds := bound(expr); ds.HasErrors() {
			return cty.NilVal, ds
		}
		for name := range vars.AsValueMap() {
			if !hclsyntax.ValidIdentifier(name) {
				return cty.NilVal, function.NewArgErrorf(1, "%q can't be the name of a variable", name)
			}
		}
		ctx := &hcl.EvalContext{Functions: map[string]function.Function{}, Variables: vars.AsValueMap()}
		for name, f := range others {
			if name != "templatefile" {
				ctx.Functions[name] = f
			}
		}
		for _, tr := range expr.Variables() {
			if _, ok := ctx.Variables[tr.RootName()]; !ok {
				return cty.NilVal, fmt.Errorf("%s:%d: there is no %q among the variables that are given", path, tr.SourceRange().Start.Line, tr.RootName())
			}
		}
		v, diags := expr.Value(ctx)
		if diags.HasErrors() {
			return cty.NilVal, diags
		}
		_, err = sizeOf(v)
		return v, err
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsWhollyKnown() {
				return cty.DynamicPseudoType, nil
			}
			if ty := args[1].Type(); !ty.IsMapType() && !ty.IsObjectType() {
				return cty.NilType, function.NewArgErrorf(1, "a map is needed")
			}
			v, err := render(args[0].AsString(), args[1])
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args[0].AsString(), args[1]) },
	})
}
