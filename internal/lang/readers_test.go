package lang

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/secret"
)

// calls are readers that note what they are asked for.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) readers() []Reader {
	read := func(name string) func([]string) (string, error) {
		return func(args []string) (string, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.list = append(c.list, name+" "+strings.Join(args, ","))
			if args[0] == "gone" {
				return "", errors.New("there is nothing at gone")
			}
			return "value-of-" + strings.Join(args, "-"), nil
		}
	}
	return []Reader{
		{Name: "vault", Params: []string{"path", "key"}, Read: read("vault")},
		{Name: "aws_secretsmanager", Params: []string{"name", "key"}, Optional: 1, Read: read("aws")},
		{Name: "consul_key", Params: []string{"key"}, Read: read("consul")},
	}
}

const withReaders = `
locals {
  pw    = vault("secret/data/x", "pw")
  again = "${vault("secret/data/x", "pw")}/${upper(consul_key("k"))}"
}
source "null" "x" { image = local.pw }
build {
  sources = ["null.x"]
  provisioner "shell" {
    inline          = [local.again, aws_secretsmanager("name"), aws_secretsmanager("name", null), "{{ vault ` + "`secret/data/x` `pw`" + ` }}"]
    execute_command = "{{ consul_key ` + "`k`" + ` }} {{ .Path }}"
  }
}`

func TestReaders(t *testing.T) {
	t.Parallel()
	var c calls
	secrets := &secret.Set{}
	tpl := mustLoad(t, Options{Readers: c.readers(), Secrets: secrets}, "a.pkr.hcl", withReaders)
	var real, keyed options
	sc := Scope{Source: tpl.Builds[0].Sources[0]}
	d, diags := tpl.Builds[0].Provisioners[0].Decode(sc, &real)
	if diags.HasErrors() || !d.Marked {
		t.Fatal(shown(tpl, diags), d.Marked)
	}
	text, err := d.Render(real.Execute, map[string]string{"Path": "/x"})
	if err != nil || text != "value-of-k /x" {
		t.Error(text, err)
	}
	pw := secret.Sensitive("value-of-secret/data/x-pw")
	want := []secret.String{pw.With(pw.Reveal() + "/VALUE-OF-K"), pw.With("value-of-name-"), pw.With("value-of-name-"), pw}
	if d := cmp.Diff(want, real.Inline, cmp.AllowUnexported(secret.String{})); d != "" {
		t.Error(d)
	}
	sc.Form = Keyed
	if _, diags := tpl.Builds[0].Provisioners[0].Decode(sc, &keyed); diags.HasErrors() {
		t.Error(shown(tpl, diags))
	}
	for _, s := range keyed.Inline {
		if strings.Contains(strings.ToLower(s.Reveal()), "value-of") {
			t.Error("a secret is in the keyed form:", s.Reveal())
		}
	}
	slices.Sort(c.list)
	if d := cmp.Diff([]string{"aws name,", "consul k", "vault secret/data/x,pw"}, c.list); d != "" {
		t.Error("each is read once:", d)
	}
	if got := secrets.Redact("x value-of-k VALUE-OF-K x"); got != "x <sensitive> <sensitive> x" {
		t.Error(got)
	}
}

func TestReadersUnread(t *testing.T) {
	t.Parallel()
	var c calls
	tpl := mustLoad(t, Options{Readers: c.readers(), Unread: true}, "a.pkr.hcl", withReaders)
	var real options
	sc := Scope{Source: tpl.Builds[0].Sources[0], Check: true}
	d, diags := tpl.Builds[0].Provisioners[0].Decode(sc, &real)
	if len(diags) > 0 {
		t.Error(shown(tpl, diags))
	}
	if _, err := d.Render(real.Execute, map[string]string{"Path": "/x"}); err != nil {
		t.Error(err)
	}
	if len(c.list) > 0 {
		t.Error("read", c.list)
	}
}

func TestReaderErrors(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`locals { a = vault("gone", "x") }`:                   `Call to function "vault" failed: there is nothing at gone.`,
		`locals { a = vault("x") }`:                           "Not enough function arguments",
		`locals { a = consul_key("x", "y") }`:                 "Too many function arguments",
		`locals { a = aws_secretsmanager("x", "y", "z") }`:    "aws_secretsmanager takes name and key",
		`locals { a = vault(null, "x") }`:                     "argument must not be null",
		`variable "a" { default = vault("secret/x", "key") }`: "the only function in it is env()",
	} {
		var c calls
		tpl, diags := load(t, Options{Readers: c.readers()}, "a.pkr.hcl", src)
		if got := shown(tpl, diags); !strings.Contains(got, want) {
			t.Errorf("%s: %s", src, got)
		}
	}
}

const withSealed = `
variable "user" { default = "bob" }
locals { host = "db" }
secrets {
  pw     = vault("secret/data/x", "pw")
  dsn    = "postgres://${var.user}:${secret.pw}@${local.host}"
  home   = env("HOME_OF_TEST")
  number = length("four")
  unused = vault("unused", "x")
  object = { a = 1 }
}
source "null" "x" { image = secret.home }
source "null" "y" { image = secret.unused }
build {
  sources = ["null.x", "null.y"]
  provisioner "shell" {
    inline = ["connect ${secret.dsn} ${secret.number}"]
    env    = { for k in ["A"] : k => secret.pw }
    only   = ["null.x"]
  }
  provisioner "shell" { inline = [secret.object] }
  provisioner "shell" {
    dynamic "filter" {
      for_each = { secret = secret.pw }
      iterator = secret
      content { name = "${secret.key}-${secret.value}" }
    }
  }
}`

func TestSealedSecrets(t *testing.T) {
	t.Parallel()
	var c calls
	tpl := mustLoad(t, Options{Readers: c.readers(), OpenSecrets: true, Environ: []string{"HOME_OF_TEST=/home/hunter"}}, "a.pkr.hcl", withSealed)
	if len(c.list) > 0 {
		t.Error("read while loading:", c.list)
	}
	b := tpl.Builds[0]
	sc := Scope{Source: b.Sources[0]}
	var src, real, keyed options
	if _, diags := b.Sources[0].Decode(sc, &src); diags.HasErrors() || src.Image != "/home/hunter" {
		t.Error(shown(tpl, diags), src.Image)
	}
	d, diags := b.Provisioners[0].Decode(sc, &real)
	if diags.HasErrors() || !d.Marked {
		t.Error(shown(tpl, diags))
	}
	want := []secret.String{secret.Sensitive("connect postgres://bob:value-of-secret/data/x-pw@db 4")}
	if d := cmp.Diff(want, real.Inline, cmp.AllowUnexported(secret.String{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"vault secret/data/x,pw"}, c.list); d != "" {
		t.Error("only what is used is read:", d)
	}
	if _, diags := b.Provisioners[1].Decode(sc, &options{}); !strings.Contains(shown(tpl, diags), `Secret "object" is not text`) {
		t.Error(shown(tpl, diags))
	}
	var filter options
	if _, diags := b.Provisioners[2].Decode(sc, &filter); diags.HasErrors() || filter.Filters[0].Name != "secret-value-of-secret/data/x-pw" {
		t.Error(shown(tpl, diags), filter.Filters)
	}
	sc.Form = Keyed
	k, _ := b.Provisioners[0].Decode(sc, &keyed)

	// Where secrets are not opened, all that counts in keys is the same.
	var none calls
	closed := mustLoad(t, Options{Readers: none.readers()}, "a.pkr.hcl", withSealed)
	b = closed.Builds[0]
	var real2, keyed2 options
	d2, diags := b.Provisioners[0].Decode(Scope{Source: b.Sources[0]}, &real2)
	if len(diags) > 0 || !d2.Marked || !strings.Contains(real2.Inline[0].Reveal(), "unknown") {
		t.Error(shown(closed, diags), d2.Marked, real2.Inline)
	}
	k2, _ := b.Provisioners[0].Decode(Scope{Source: b.Sources[0], Form: Keyed}, &keyed2)
	if d := cmp.Diff(keyed, keyed2, cmp.AllowUnexported(secret.String{})); d != "" {
		t.Error("the keyed form differs:", d)
	}
	if d := cmp.Diff(k.Inputs, k2.Inputs) + cmp.Diff(d.Inputs, d2.Inputs); d != "" {
		t.Error("the inputs differ:", d)
	}
	if len(none.list) > 0 {
		t.Error("read:", none.list)
	}
}
