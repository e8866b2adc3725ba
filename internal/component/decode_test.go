package component

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/secret"
)

type base struct {
	Host string `hcl:"host,optional"`
}

type disk struct {
	Device string `hcl:"device"`
	Size   int    `hcl:"size,optional"`
}

type config struct {
	base
	Image   string            `hcl:"image" key:"disk"`
	Port    int               `hcl:"port,optional"`
	Small   int8              `hcl:"small,optional"`
	Count   uint              `hcl:"count,optional"`
	Ratio   float64           `hcl:"ratio,optional"`
	Pull    *bool             `hcl:"pull,optional"`
	Wait    time.Duration     `hcl:"wait,optional"`
	Changes []string          `hcl:"changes,optional" key:"disk"`
	Tags    map[string]string `hcl:"tags,optional"`
	Secret  secret.String     `hcl:"secret,optional"`
	Lines   []secret.String   `hcl:"lines,optional"`
	Any     cty.Value         `hcl:"any,optional"`
	Disks   []disk            `hcl:"disk,block" key:"disk"`
	Boot    *disk             `hcl:"boot,block"`
	Object  *disk             `hcl:"object,optional"`
	Old     string            `hcl:"old,optional" refuse:"use image instead"`
	Late    string            `hcl:"late,optional" template:"late"`
	Idle    string            `hcl:"idle,optional" inert:"nothing uses it"`
}

func native(t *testing.T, src string) hcl.Body {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(src), "a.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return f.Body
}

func variables() *hcl.EvalContext {
	return &hcl.EvalContext{Variables: map[string]cty.Value{
		"secret": cty.StringVal("hunter2").Mark(Sensitive),
		"list":   cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
	}}
}

func decode(bodies ...hcl.Body) (config, *Result, hcl.Diagnostics) {
	var d Decoder
	var c config
	in := Input{What: `source "x"`, Range: hcl.Range{Filename: "a.hcl", Start: hcl.InitialPos, End: hcl.InitialPos}}
	for _, b := range bodies {
		in.Parts = append(in.Parts, Part{Body: b, Context: variables()})
	}
	res, diags := d.Decode(in, &c)
	return c, res, diags
}

func yes() *bool { b := true; return &b }

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		src  string
		want config
	}{
		"plain": {`image = "a"
			host = "h"
			port = 22
			ratio = 0.5
			pull = true`, config{base: base{"h"}, Image: "a", Port: 22, Ratio: 0.5, Pull: yes()}},
		"text for numbers": {`image = 1
			port = "5959"
			pull = "true"
			count = "3"`, config{Image: "1", Port: 5959, Pull: yes(), Count: 3}},
		"others for text": {`image = true
			tags = { a = true, b = 1, c = null }`, config{Image: "true", Tags: map[string]string{"a": "true", "b": "1"}}},
		"one for a list": {`image = "a"
			changes = "USER x"`, config{Image: "a", Changes: []string{"USER x"}}},
		"null is not set": {`image = "a"
			port = null
			old = null
			disk = null
			boot = null`, config{Image: "a"}},
		"duration":           {"image = \"a\"\nwait = \"1m30s\"", config{Image: "a", Wait: 90 * time.Second}},
		"sensitive":          {"image = \"a\"\nsecret = secret\nlines = [\"x\", secret]", config{Image: "a", Secret: secret.Sensitive("hunter2"), Lines: []secret.String{secret.Plain("x"), secret.Sensitive("hunter2")}}},
		"sensitive in text":  {"image = \"a\"\nsecret = \"is ${secret}\"", config{Image: "a", Secret: secret.Sensitive("is hunter2")}},
		"sensitive in plain": {"image = secret", config{Image: "hunter2"}},
		"blocks": {`image = "a"
			disk {
			  device = "x"
			  size = "7"
			}
			disk { device = "y" }
			boot { device = "z" }`, config{Image: "a", Disks: []disk{{"x", 7}, {Device: "y"}}, Boot: &disk{Device: "z"}}},
		"objects for blocks": {`image = "a"
			disk = [{ device = "x" }, { device = "y", size = null }]
			boot = { device = "z" }
			object = { device = "o", size = 1 }`, config{Image: "a", Disks: []disk{{Device: "x"}, {Device: "y"}}, Boot: &disk{Device: "z"}, Object: &disk{"o", 1}}},
		"one object for blocks": {"image = \"a\"\ndisk = { device = \"x\" }", config{Image: "a", Disks: []disk{{Device: "x"}}}},
		"dynamic": {`image = "a"
			disk { device = "first" }
			dynamic "disk" {
			  for_each = list
			  iterator = it
			  content {
			    device = it.value
			    size   = it.key
			  }
			}
			dynamic "boot" {
			  for_each = []
			  content { device = boot.value }
			}`, config{Image: "a", Disks: []disk{{Device: "first"}, {"a", 0}, {"b", 1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, diags := decode(native(t, tc.src))
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(config{}, secret.String{}), cmpopts.IgnoreTypes(cty.Value{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	f, diags := json.Parse([]byte(`{"//": "why", "image": "${list[0]}", "tags": {"a": 1}, "disk": [{"device": "x"}, {"device": "y"}],
		"dynamic": {"boot": {"for_each": ["z"], "content": {"device": "${boot.value}"}}}}`), "a.json")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got, _, diags := decode(f.Body)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := config{Image: "a", Tags: map[string]string{"a": "1"}, Disks: []disk{{Device: "x"}, {Device: "y"}}, Boot: &disk{Device: "z"}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(config{}, secret.String{}), cmpopts.IgnoreTypes(cty.Value{})); d != "" {
		t.Error(d)
	}
	f, _ = json.Parse([]byte(`{"imagee": 1, "image": "x"}`), "a.json")
	_, _, diags = decode(f.Body)
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, `Did you mean "image"`) || diags[0].Subject.Start.Line != 1 {
		t.Error(diags)
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		src  string
		want []string // "line: summary: part of the detail"
	}{
		"unknown":          {"image = 1\nchangs = 2", []string{`2: Unknown option "changs": source "x" has no option "changs". Did you mean "changes"?`}},
		"far off":          {"image = 1\nzzzzzzzz = 2", []string{`2: Unknown option "zzzzzzzz": source "x" has no option "zzzzzzzz".`}},
		"unknown in block": {"image = 1\ndisk {\n device = 1\n sise = 2\n}", []string{`4: Unknown option "sise": block "disk" has no option "sise". Did you mean "size"?`}},
		"unknown in object": {"image = 1\ndisk = {\n device = 1\n sise = 2\n}",
			[]string{`2: Unknown option "sise": "disk" has no option "sise". Did you mean "size"?`}},
		"unknown block":     {"image = 1\ndisks {\n}", []string{`2: Unknown block "disks": source "x" has no block "disks". Did you mean "disk"?`}},
		"argument as block": {"image = 1\ntags {\n}", []string{`2: "tags" is not a block: Write it as an argument: tags = …`}},
		"missing":           {"", []string{`1: Missing option "image": source "x" needs the option "image".`}},
		"missing as null":   {"image = null", []string{`1: Missing option "image": source "x" needs the option "image".`}},
		"missing in block":  {"image = 1\nboot {\n}", []string{`2: Missing option "device": block "boot" needs the option "device".`}},
		"missing in object": {"image = 1\nboot = {}", []string{`2: Missing option "device": "boot" needs the option "device".`}},
		"refused":           {"image = 1\nold = 2", []string{`2: "old" is not supported: Use image instead.`}},
		"inert":             {"image = 1\nidle = 2", []string{`2: idle has no effect: Nothing uses it.`}},
		"wrong type":        {"image = []", []string{`1: Wrong value for "image": "image" needs a string, not a tuple.`}},
		"wrong number":      {"image = 1\nport = \"x\"", []string{`2: Wrong value for "port": "port" needs a number, not a string.`}},
		"not whole":         {"image = 1\nport = 1.5", []string{`2: Wrong value for "port": "port" needs a whole number`}},
		"too large":         {"image = 1\nsmall = 128", []string{`2: Wrong value for "small": "small" needs a whole number between -128 and 127.`}},
		"negative":          {"image = 1\ncount = -1", []string{`2: Wrong value for "count": "count" needs a whole number that is not negative`}},
		"no duration":       {"image = 1\nwait = \"5\"", []string{`2: Wrong value for "wait": "wait" needs a duration such as "90s" or "5m", not "5".`}},
		"no map":            {"image = 1\ntags = [1]", []string{`2: Wrong value for "tags": "tags" needs a map, not a tuple.`}},
		"no list":           {"image = 1\nchanges = {a = 1}", []string{`2: Wrong value for "changes": "changes" needs a list, not an object.`}},
		"in a list":         {"image = 1\nchanges = [\"a\", {}]", []string{`2: Wrong value for "changes[1]": "changes[1]" needs a string, not an object.`}},
		"in a map":          {"image = 1\ntags = { a = [] }", []string{`2: Wrong value for "tags[\"a\"]"`}},
		"no object":         {"image = 1\nboot = 3", []string{`2: Wrong value for "boot": "boot" needs an object, not a number.`}},
		"block twice":       {"image = 1\nboot {\n device = 1\n}\nboot {\n device = 1\n}", []string{`5: Duplicate block "boot": Only one is allowed; the first is at a.hcl:2.`}},
		"both ways":         {"image = 1\ndisk = []\ndisk {\n device = 1\n}", []string{`3: Duplicate argument: "disk" was set at a.hcl:2 already.`}},
		"dynamic unknown":   {"image = 1\ndynamic \"disc\" {\n for_each = []\n content {}\n}", []string{`2: Unknown block "disc": There is no block "disc" here. Did you mean "disk"?`}},
		"dynamic over text": {"image = 1\ndynamic \"disk\" {\n for_each = \"x\"\n content {}\n}", []string{`3: for_each needs a list or a map: It is a string.`}},
		"dynamic over null": {"image = 1\ndynamic \"disk\" {\n for_each = null\n content {}\n}", []string{`3: for_each needs a list or a map: It is null.`}},
		"dynamic hollow":    {"image = 1\ndynamic \"disk\" {\n for_each = []\n}", []string{`2: One content block is needed`}},
		"dynamic labels":    {"image = 1\ndynamic \"disk\" {\n for_each = []\n labels = [1]\n content {}\n}", []string{`4: No labels here: A block "disk" has no label.`}},
		"dynamic iterator":  {"image = 1\ndynamic \"disk\" {\n for_each = []\n iterator = \"x\"\n content {}\n}", []string{`4: iterator is not a name`}},
		"no such variable":  {"image = nothing", []string{`1: Unknown variable`}},
		"all in one go":     {"changs = 1\nport = \"x\"\nold = 1\nboot {}", []string{`1: Unknown option "changs"`, `1: Missing option "image"`, `2: Wrong value for "port"`, `4: Missing option "device"`, `3: "old" is not supported`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, diags := decode(native(t, tc.src))
			checkDiags(t, diags, tc.want)
		})
	}
}

func checkDiags(t *testing.T, diags hcl.Diagnostics, want []string) {
	t.Helper()
	for i, d := range diags {
		got := strings.TrimPrefix(strings.Split(d.Subject.String(), ":")[1], "") + ""
		got = strings.Split(got, ",")[0] + ": " + d.Summary + ": " + d.Detail
		if i >= len(want) || !strings.HasPrefix(got, want[i]) {
			t.Errorf("got  %s", got)
		}
	}
	if len(diags) != len(want) {
		t.Errorf("got %d errors, want %q", len(diags), want)
	}
}

func TestDecodeParts(t *testing.T) {
	t.Parallel()
	c, res, diags := decode(native(t, "image = 1\ndisk { device = \"x\" }"), native(t, "\nport = 3\ndisk { device = \"y\" }"))
	if len(diags) > 0 || c.Image != "1" || c.Port != 3 || len(c.Disks) != 2 {
		t.Error(c, diags)
	}
	for option, line := range map[string]int{"image": 1, "port": 2, "disk": 2, "disk.device": 2, "boot": 1, "": 1} {
		if got := res.At(option).Start.Line; got != line {
			t.Errorf("%s is at line %d, want %d", option, got, line)
		}
	}
	_, _, diags = decode(native(t, "image = 1"), native(t, "\nimage = 2"))
	checkDiags(t, diags, []string{`2: Duplicate argument: "image" was set at a.hcl:1 already.`})
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := SchemaOf(&config{})
	if s.Fields[0].Name != "host" || s.Field("host").Required || !s.Field("image").Required {
		t.Error("host comes first and is optional, image is required")
	}
	d := s.Field("disk")
	if !d.Block || !d.Repeated || d.Required || d.Nested.Field("device") == nil || d.Key != "disk" {
		t.Errorf("disk: %+v", d)
	}
	if s.Field("boot").Repeated || s.Field("object").Block || s.Field("late").Template != "late" || s.Field("old").Refuse == "" {
		t.Error("tags of boot, object, late and old")
	}
	if s.Field("secret").Nested != nil || s.Field("any").Nested != nil {
		t.Error("secret.String and cty.Value are no objects")
	}
}

func TestKeyFields(t *testing.T) {
	t.Parallel()
	got := KeyFields(&config{Image: "a", Port: 3, Changes: []string{"USER x"}, Disks: []disk{{Device: "x", Size: 2}}})
	want := map[string]string{"image": `"a"`, "changes": `["USER x"]`, "disk": `[{"device":"x","size":2}]`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	type boot struct {
		Suite string        `hcl:"suite" key:"disk"`
		Wait  time.Duration `hcl:"wait,optional"`
	}
	type c struct {
		Boot *boot         `hcl:"boot,block"`
		Pw   secret.String `hcl:"pw,optional" key:"disk"`
		For  time.Duration `hcl:"for,optional" key:"disk"`
	}
	got = KeyFields(&c{Boot: &boot{"x", 3}, Pw: secret.Sensitive("<sensitive>"), For: time.Minute})
	want = map[string]string{"boot": `{"suite":"x"}`, "pw": `"\u003csensitive\u003e"`, "for": `"1m0s"`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := KeyFields(&c{Boot: &boot{Wait: 3}}); len(got) != 0 {
		t.Error(got)
	}
}

func TestKeyFiles(t *testing.T) {
	t.Parallel()
	type c struct {
		Script string            `hcl:"script,optional" key:"file"`
		Keys   []string          `hcl:"keys,optional" key:"file"`
		Data   map[string]string `hcl:"data,optional" key:"file"`
		Other  string            `hcl:"other,optional"`
	}
	v := &c{Script: "a/run.sh", Keys: []string{"k2", "k1"}, Data: map[string]string{"y": "1", "x": "2"}, Other: "o"}
	if d := cmp.Diff([]string{"a/run.sh", "k2", "k1", "2", "1"}, KeyFiles(v)); d != "" {
		t.Error(d)
	}
	want := map[string]string{"script": "true", "keys": "2", "data": `["x","y"]`}
	if d := cmp.Diff(want, KeyFields(v)); d != "" {
		t.Error(d)
	}
	if got := KeyFiles(&c{}); len(got) != 0 {
		t.Error(got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("image = \"a\"\ndynamic \"disk\" {\n for_each = list\n content { device = disk.value }\n}"))
	f.Add([]byte("image = [for x in list : upper(x)]\ntags = { a = secret }\nboot { device = null }"))
	f.Fuzz(func(t *testing.T, src []byte) {
		file, diags := hclsyntax.ParseConfig(src, "a.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			return
		}
		_, _, _ = decode(file.Body)
	})
}

// TestLabels: a block may have a label, also where dynamic writes it out.
func TestLabels(t *testing.T) {
	t.Parallel()
	type port struct {
		Name string `hcl:"port,label"`
		Open *bool  `hcl:"open,optional"`
	}
	type ports struct {
		Ports []port `hcl:"port,block"`
	}
	const src = `
port "tcp:22" {}
dynamic "port" {
  for_each = list
  labels   = [port.value]
  content {
    open = false
  }
}`
	var c ports
	_, diags := new(Decoder).Decode(Input{What: "x", Parts: []Part{{Body: native(t, src), Context: variables()}}}, &c)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(c.Ports) != 3 || c.Ports[0].Name != "tcp:22" || c.Ports[0].Open != nil || c.Ports[2].Name != "b" || *c.Ports[2].Open {
		t.Errorf("%+v", c)
	}
	for src, want := range map[string]string{
		`port {}`:                  "Missing port for port",
		`port = [{ open = true }]`: `Write it as a block with a label: port "PORT" { … }`,
		`port "a" { opem = true }`: `block "port" "a" has no option "opem". Did you mean "open"?`,
		`port "a" { port = "b" }`:  `has no option "port"`,
	} {
		_, diags := new(Decoder).Decode(Input{What: "x", Parts: []Part{{Body: native(t, src), Context: variables()}}}, new(ports))
		if !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %s", src, diags, want)
		}
	}
	f, diags := json.Parse([]byte(`{"port": {"tcp:22": {"open": true}, "tcp:80": {}}}`), "a.json")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	c = ports{}
	if _, diags := new(Decoder).Decode(Input{What: "x", Parts: []Part{{Body: f.Body, Context: variables()}}}, &c); diags.HasErrors() || len(c.Ports) != 2 || c.Ports[0].Name != "tcp:22" {
		t.Errorf("%+v, %v", c, diags)
	}
}
