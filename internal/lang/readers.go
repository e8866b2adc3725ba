package lang

import (
	"fmt"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/ingot-build/ingot/internal/secret"
)

// Reader is a function of templates that reads from outside: vault() and its
// like. What it returns is sensitive, and is read once for the same arguments.
type Reader struct {
	Name     string
	Params   []string // names of the arguments
	Optional int      // how many of the last ones may be null or left out: they are "" then
	// Read reads. It may be called by several goroutines.
	Read func(args []string) (string, error)
}

// readerNames are the readers of Packer's language.
func readerNames() []string {
	return []string{"aws_secretsmanager", "aws_secretsmanager_raw", "consul_key", "vault"}
}

// readerFunctions are the readers as functions of expressions.
func (t *Template) readerFunctions(form Form) map[string]function.Function {
	out := map[string]function.Function{}
	for _, name := range readerNames() {
		out[name] = refused(name + "() can't be called here: pass the value in a sensitive variable")
	}
	for _, r := range t.options.Readers {
		out[r.Name] = t.readerFunction(form, r)
	}
	return out
}

func (t *Template) readerFunction(form Form, r Reader) function.Function {
	spec := &function.Spec{Type: function.StaticReturnType(cty.String)}
	for _, name := range r.Params[:len(r.Params)-r.Optional] {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.String})
	}
	if r.Optional > 0 {
		spec.VarParam = &function.Parameter{Name: r.Params[len(r.Params)-1], Type: cty.String, AllowNull: true}
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var in []string
		for _, a := range args {
			text := ""
			if !a.IsNull() {
				text = a.AsString()
			}
			in = append(in, text)
		}
		if form == Keyed {
			return cty.StringVal(secret.Redacted).Mark(sensitive), nil
		}
		if t.options.Unread {
			return cty.UnknownVal(cty.String).Mark(sensitive), nil
		}
		out, err := t.read1(r, in)
		return cty.StringVal(out).Mark(sensitive), err
	}
	return function.New(spec)
}

// read1 reads with these arguments, once.
func (t *Template) read1(r Reader, args []string) (string, error) {
	if least := len(r.Params) - r.Optional; len(args) < least || len(args) > len(r.Params) {
		return "", fmt.Errorf("%s takes %s", r.Name, strings.Join(r.Params, " and "))
	}
	for len(args) < len(r.Params) {
		args = append(args, "")
	}
	id := r.Name + "\x00" + strings.Join(args, "\x00")
	read, _ := t.readOnce.LoadOrStore(id, sync.OnceValues(func() (string, error) {
		out, err := r.Read(args)
		t.options.Secrets.Add(out)
		return out, err
	}))
	return read.(func() (string, error))()
}

// readerCalls are the readers as functions of Go templates.
func (e *engine) readerCalls() map[string]any {
	out := map[string]any{}
	for _, name := range readerNames() {
		out[name] = func(...string) (string, error) {
			return "", fmt.Errorf("%s can't be called here: declare a sensitive variable and use that", name)
		}
	}
	for _, r := range e.t.options.Readers {
		out[r.Name] = func(args ...string) (string, error) {
			e.mark(sensitive)
			switch {
			case e.scope.Form == Keyed:
				return secret.Redacted, nil
			case e.t.options.Unread:
				e.unknown = true
				return "unknown", nil
			}
			return e.t.read1(r, args)
		}
	}
	return out
}
