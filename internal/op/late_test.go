package op

import (
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	v := Values{"build.Password": secret.Sensitive("a'b")}
	for in, want := range map[string]string{
		"plain":                   "plain",
		"it's":                    `it'"'"'s`,
		Token("build.Password"):   `a'"'"'b`,
		Token(LocalDir):           Token("quoted." + LocalDir),
		"'" + Token("build.Host"): `'"'"'` + Unknown,
	} {
		quoted := Quote(in)
		if got := v.Text(quoted); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		for i, name := range Tokens(quoted) {
			if name != Tokens(in)[i] {
				t.Errorf("the token of %q is called %q when quoted", in, name)
			}
		}
	}
}

func TestSettleLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	ops := []Op{&Put{File: File{Path: "/a", Blob: Text(secret.Plain("a"))}}, &Pause{}}
	if IsLate(ops) {
		t.Error("known content is late")
	}
	settled, err := Settle(ops)
	if err != nil || Hash(settled) != Hash(ops) {
		t.Errorf("settled to %v, %v", settled, err)
	}
}
