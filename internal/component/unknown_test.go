package component

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/secret"
)

type unread struct {
	Image  string        `hcl:"image"`
	Key    secret.String `hcl:"key,optional"`
	Region string        `hcl:"region,optional"`
	Names  []string      `hcl:"names,optional"`
	Size   int           `hcl:"size,optional"`
	Disks  []struct {
		Name string `hcl:"name"`
	} `hcl:"disk,block"`
}

// What is not known counts as set, and errors that may come of it do not count.
func TestUnknownValues(t *testing.T) {
	t.Parallel()
	src := `
image  = data.id
key    = data.id
region = "here"
names  = ["a", data.id]
size   = data.size
dynamic "disk" {
  for_each = data.list
  content { name = disk.value }
}`
	f, diags := hclsyntax.ParseConfig([]byte(src), "t.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"data": cty.ObjectVal(map[string]cty.Value{
		"id": cty.UnknownVal(cty.String), "size": cty.UnknownVal(cty.Number), "list": cty.UnknownVal(cty.List(cty.String))})}}
	var got unread
	result, diags := new(Decoder).Decode(Input{What: "source", Parts: []Part{{Body: f.Body, Context: ctx}}}, &got)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if got.Image == "" || got.Key.Reveal() == "" || got.Region != "here" || len(got.Names) != 2 || got.Names[0] != "a" || len(got.Disks) != 1 {
		t.Errorf("decoded %+v", got)
	}
	for _, test := range []struct {
		err  error
		want bool
	}{
		{errors.New("no such image"), true},
		{Errorf("image", "is malformed"), true},
		{fmt.Errorf("open: %w", Errorf("names", "has an odd one")), true},
		{Errorf("zone", "is missing"), true},
		{Errorf("region", "is unknown"), false},
	} {
		if got := result.Excuses(test.err); got != test.want {
			t.Errorf("Excuses(%v) = %t", test.err, got)
		}
	}
	if new(Result).Excuses(errors.New("x")) {
		t.Error("an error is excused where all is known")
	}
}
