package lang

import (
	"fmt"
	"maps"

	"github.com/hashicorp/go-cty-funcs/cidr"
	"github.com/hashicorp/go-cty-funcs/collection"
	"github.com/hashicorp/go-cty-funcs/crypto"
	"github.com/hashicorp/go-cty-funcs/encoding"
	"github.com/hashicorp/go-cty-funcs/filesystem"
	"github.com/hashicorp/go-cty-funcs/uuid"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions returns the functions that expressions may call.
func (t *Template) functions(form Form) map[string]function.Function {
	f := pureFunctions()
	maps.Copy(f, encodingFunctions())
	maps.Copy(f, t.timeFunctions(form))
	f["env"] = refused("env() can be called in the default of a variable only: declare a variable and use that")
	maps.Copy(f, t.readerFunctions(form))
	boundFunctions(f)
	return fileReader{Template: t}.functions(f)
}

// pureFunctions work on text, numbers and collections.
func pureFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "alltrue": allTrue(true), "anytrue": allTrue(false),
		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc, "convert": typeexpr.ConvertFunc,
		"ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc, "sum": sumFunc(),
		"chomp": stdlib.ChompFunc, "endswith": hasAffix(false), "startswith": hasAffix(true), "strcontains": strContains(),
		"format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
		"join": stdlib.JoinFunc, "split": stdlib.SplitFunc, "lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc, "title": stdlib.TitleFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "regex_replace": stdlib.RegexReplaceFunc,
		"replace": stdlib.ReplaceFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "trim": stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"chunklist": stdlib.ChunklistFunc, "coalesce": collection.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": containsFunc(), "distinct": stdlib.DistinctFunc,
		"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "index": indexOf(), "keys": stdlib.KeysFunc,
		"length": lengthFunc(), "lookup": stdlib.LookupFunc, "merge": stdlib.MergeFunc, "range": stdlib.RangeFunc,
		"reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
		"setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc,
		"zipmap": stdlib.ZipmapFunc, "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), // for for_each: only ingot has it
		"cidrhost": cidr.HostFunc, "cidrnetmask": cidr.NetmaskFunc, "cidrsubnet": cidr.SubnetFunc, "cidrsubnets": cidr.SubnetsFunc,
		"basename": filesystem.BasenameFunc, "dirname": filesystem.DirnameFunc, "abspath": filesystem.AbsPathFunc,
		"pathexpand": filesystem.PathExpandFunc,
	}
}

func encodingFunctions() map[string]function.Function {
	return map[string]function.Function{
		"base64decode": encoding.Base64DecodeFunc, "base64encode": encoding.Base64EncodeFunc, "base64gzip": base64Gzip(),
		"textdecodebase64": textDecode(), "textencodebase64": textEncode(), "urlencode": encoding.URLEncodeFunc,
		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": guarded(stdlib.JSONDecodeFunc), "jsonencode": stdlib.JSONEncodeFunc,
		"yamldecode": guarded(ctyyaml.YAMLDecodeFunc), "yamlencode": ctyyaml.YAMLEncodeFunc,
		"md5": crypto.Md5Func, "sha1": crypto.Sha1Func, "sha256": crypto.Sha256Func, "sha512": crypto.Sha512Func,
		"rsadecrypt": crypto.RsaDecryptFunc, "uuidv5": uuid.V5Func,
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,
	}
}

// refused is a function that is there to say why it is not.
func refused(why string) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
		Type:     func([]cty.Value) (cty.Type, error) { return cty.String, fmt.Errorf("%s", why) },
		Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, fmt.Errorf("%s", why) },
	})
}

// text returns a function of texts to a text.
func text(names []string, do func(args []string) (string, error)) function.Function {
	spec := &function.Spec{Type: function.StaticReturnType(cty.String)}
	for _, n := range names {
		spec.Params = append(spec.Params, function.Parameter{Name: n, Type: cty.String})
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		in := make([]string, len(args))
		for i, a := range args {
			in[i] = a.AsString()
		}
		out, err := do(in)
		return cty.StringVal(out), err
	}
	return function.New(spec)
}
