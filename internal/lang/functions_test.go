package lang

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
)

// TestFunctions has what Packer 1.16 answers to each expression, as JSON.
func TestFunctions(t *testing.T) {
	t.Parallel()
	cases := []struct{ expr, want string }{
		{`abs(-3.5)`, `3.5`},
		{`alltrue([true, false])`, `false`},
		{`anytrue([false, true])`, `true`},
		{`base64decode("aGk=")`, `"hi"`},
		{`base64encode("hi")`, `"aGk="`},
		{`basename("/a/b.txt")`, `"b.txt"`},
		{`dirname("/a/b.txt")`, `"/a"`},
		{`can(regex("x", "y"))`, `false`},
		{`ceil(1.2)`, `2`},
		{`floor(1.8)`, `1`},
		{`chomp("a\n\n")`, `"a"`},
		{`chunklist([1, 2, 3], 2)`, `[[1,2],[3]]`},
		{`cidrhost("10.0.0.0/8", 5)`, `"10.0.0.5"`},
		{`cidrnetmask("10.0.0.0/12")`, `"255.240.0.0"`},
		{`cidrsubnet("10.0.0.0/8", 8, 2)`, `"10.2.0.0/16"`},
		{`cidrsubnets("10.0.0.0/8", 4, 8)`, `["10.0.0.0/12","10.16.0.0/16"]`},
		{`coalesce("", "b")`, `"b"`},
		{`coalesce(null, "b")`, `"b"`},
		{`coalescelist([], ["b"])`, `["b"]`},
		{`compact(["a", "", "b"])`, `["a","b"]`},
		{`concat(["a"], ["b", 1])`, `["a","b",1]`},
		{`contains(["a"], "a")`, `true`},
		{`convert("5", number)`, `5`},
		{`csvdecode("a,b\n1,2")`, `[{"a":"1","b":"2"}]`},
		{`distinct(["a", "a", "b"])`, `["a","b"]`},
		{`element(["a", "b"], 3)`, `"b"`},
		{`endswith("abc", "bc")`, `true`},
		{`flatten([["a"], [["b"]]])`, `["a","b"]`},
		{`format("%05.1f|%-5s|%x|%v", 3.14159, "ab", 255, [1])`, `"003.1|ab   |ff|[1]"`},
		{`formatdate("YYYY-MM-DD'T'hh:mm:ssZ", "2024-01-02T03:04:05Z")`, `"2024-01-02T03:04:05Z"`},
		{`formatlist("%s-%d", ["a", "b"], [1, 2])`, `["a-1","b-2"]`},
		{`indent(2, "a\nb")`, `"a\n  b"`},
		{`index(["a", "b"], "b")`, `1`},
		{`join("-", ["a", "b"])`, `"a-b"`},
		{`jsondecode("{\"a\": [1, true, null]}")`, `{"a":[1,true,null]}`},
		{`jsonencode({ a = [1, true, null] })`, `"{\"a\":[1,true,null]}"`},
		{`keys({ b = 1, a = 2 })`, `["a","b"]`},
		{`length("añb")`, `3`},
		{`length([1, 2])`, `2`},
		{`log(8, 2)`, `3`},
		{`lookup({ a = "x" }, "b", "d")`, `"d"`},
		{`lower("ABC")`, `"abc"`},
		{`max(1, 5, 3)`, `5`},
		{`md5("a")`, `"0cc175b9c0f1b6a831c399e269772661"`},
		{`merge({ a = 1 }, { b = 2 })`, `{"a":1,"b":2}`},
		{`min(1, 5, 3)`, `1`},
		{`parseint("ff", 16)`, `255`},
		{`pow(2, 10)`, `1024`},
		{`range(3)`, `[0,1,2]`},
		{`reverse([1, 2])`, `[2,1]`},
		{`replace("a.b", ".", "-")`, `"a-b"`},
		{`regex("(\\d+)-(\\d+)", "1-2")`, `["1","2"]`},
		{`regexall("\\d", "1a2")`, `["1","2"]`},
		{`regex_replace("a1b", "(\\d)", "<$1>")`, `"a\u003c1\u003eb"`},
		{`rfc3339_parse("2024-01-02T03:04:05Z").year`, `2024`},
		{`setintersection(["a", "b"], ["b"])`, `["b"]`},
		{`setproduct(["a"], ["b", "c"])`, `[["a","b"],["a","c"]]`},
		{`setunion(["a"], ["b"])`, `["a","b"]`},
		{`sha1("a")`, `"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`},
		{`sha256("a")`, `"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`},
		{`sha512("a")`, `"1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75"`},
		{`signum(-3)`, `-1`},
		{`slice(["a", "b", "c"], 1, 3)`, `["b","c"]`},
		{`sort(["b", "a"])`, `["a","b"]`},
		{`split(",", "a,b")`, `["a","b"]`},
		{`startswith("abc", "ab")`, `true`},
		{`strcontains("abc", "b")`, `true`},
		{`strrev("abc")`, `"cba"`},
		{`substr("hello", 1, 3)`, `"ell"`},
		{`sum([1, 2.5])`, `3.5`},
		{`textdecodebase64("aABpAA==", "UTF-16LE")`, `"hi"`},
		{`textencodebase64("hi", "UTF-16LE")`, `"aABpAA=="`},
		{`timeadd("2024-01-02T03:04:05Z", "90m")`, `"2024-01-02T04:34:05Z"`},
		{`title("a b")`, `"A B"`},
		{`trim("xxaxx", "x")`, `"a"`},
		{`trimprefix("abc", "a")`, `"bc"`},
		{`trimspace(" a ")`, `"a"`},
		{`trimsuffix("abc", "c")`, `"ab"`},
		{`try(jsondecode("x"), "d")`, `"d"`},
		{`unix_timestamp_parse(1704164645).rfc3339`, `"2024-01-02T03:04:05Z"`},
		{`upper("abc")`, `"ABC"`},
		{`urlencode("a b/ü")`, `"a+b%2F%C3%BC"`},
		{`uuidv5("dns", "example.com")`, `"cfbff0d1-9375-5685-968c-48ce8b15ae17"`},
		{`values({ b = 1, a = 2 })`, `[2,1]`},
		{`yamldecode("a: [1, x]")`, `{"a":[1,"x"]}`},
		{`yamlencode({ a = ["1"] })`, `"\"a\":\n- \"1\"\n"`},
		{`zipmap(["a"], [1])`, `{"a":1}`},
		{`pathexpand("/x")`, `"/x"`},
		{`abspath("/a/../b")`, `"/b"`},
		{`[for k, v in { a = 1 } : "${k}=${v}"]`, `["a=1"]`},
		{`{ for x in ["a"] : x => upper(x) }`, `{"a":"A"}`},
		{`1 == "1"`, `false`},
		{`true ? "a" : 2`, `"a"`},
		{`"a" == "a" && !false`, `true`},
		{`-5 % 3`, `-2`},
		{`5 / 2`, `2.5`},
		{`[1, 2, 3][*]`, `[1,2,3]`},
		{`{ a = { b = 1 } }.a.b`, `1`},
		{`["x"][0]`, `"x"`},
		{`1e3`, `1000`},
		{`0.1 + 0.2`, `0.3`},
		{`replace("hello", "/l+/", "L")`, `"hello"`},
		{`base64gzip("")`, `"H4sIAAAAAAAA/wAAAP//AQAA//8AAAAAAAAAAA=="`},
	}
	var b strings.Builder
	b.WriteString("locals {\n")
	for i, c := range cases {
		fmt.Fprintf(&b, "  x%d = jsonencode(%s)\n", i, c.expr)
	}
	b.WriteString("}\nsource \"null\" \"n\" {}\nbuild {\n  sources = [\"null.n\"]\n}\n")
	tpl := mustLoad(t, Options{}, "a.pkr.hcl", b.String())
	for i, c := range cases {
		got := tpl.Local(fmt.Sprintf("x%d", i))
		if !got.IsKnown() || got.AsString() != c.want {
			t.Errorf("%s is %#v, want %s", c.expr, got, c.want)
		}
	}
}

// TestRSADecrypt opens what was sealed for a key, and nothing else.
func TestRSADecrypt(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 it is what Packer's function decrypts
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	template := fmt.Sprintf("locals {\n  x = rsadecrypt(%q, %q)\n}\n", base64.StdEncoding.EncodeToString(sealed), text)
	if got := mustLoad(t, Options{}, "a.pkr.hcl", template).Local("x"); got.AsString() != "correct horse" {
		t.Errorf("got %#v", got)
	}
	tpl, diags := load(t, Options{}, "a.pkr.hcl", strings.Replace(template, `rsadecrypt("`, `rsadecrypt("AAAA`, 1))
	if shown := shown(tpl, diags); !strings.Contains(shown, "rsadecrypt") {
		t.Errorf("got %s", shown)
	}
}

// TestFingerprint is how a version is called while it is made: what the
// environment says, else the id of the run.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	template := "locals {\n  x = \"${packer.versionFingerprint} ${packer.iterationID}\"\n}\n"
	for _, c := range []struct {
		environ []string
		want    string
	}{{nil, "run-1 run-1"}, {[]string{"HCP_PACKER_BUILD_FINGERPRINT=abc"}, "abc abc"}} {
		tpl := mustLoad(t, Options{Environ: c.environ, RunID: "run-1"}, "a.pkr.hcl", template)
		if got, _ := tpl.Local("x").Unmark(); got.AsString() != c.want {
			t.Errorf("%v: got %#v, want %q", c.environ, got, c.want)
		}
	}
}
