package op

import (
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
)

// TestWindowsOps checks what counts in the key of what runs on Windows, and
// that tokens are replaced in it.
func TestWindowsOps(t *testing.T) {
	t.Parallel()
	cmd := func(line string) *Exec { return &Exec{Cmd: line} }
	if (&Exec{Argv: []string{"x"}}).Kind() != KindExec || cmd("x").Kind() != KindCmd {
		t.Error("kinds")
	}
	if Hash([]Op{cmd("a")}) == Hash([]Op{cmd("b")}) || Hash([]Op{cmd("a")}) == Hash([]Op{&Exec{Argv: []string{"a"}}}) {
		t.Error("the command line does not count")
	}
	r := Reboot{Cmd: "a", OK: []int{0}, Checks: []string{"b"}, Within: 1}
	for name, other := range map[string]Reboot{
		"command": {Cmd: "c", OK: r.OK, Checks: r.Checks}, "codes": {Cmd: "a", Checks: r.Checks}, "checks": {Cmd: "a", OK: r.OK},
	} {
		if Hash([]Op{&r}) == Hash([]Op{&other}) {
			t.Errorf("%s does not count", name)
		}
	}
	longer := r
	longer.Within = 2
	if Hash([]Op{&r}) != Hash([]Op{&longer}) {
		t.Error("how long it may take counts")
	}
	v := Values{"build.Host": secret.Plain("h")}
	bound := Bind([]Op{cmd("ping " + Token("build.Host")), &Reboot{Cmd: Token("build.Host"), Checks: []string{Token("build.Host")}}}, v)
	if bound[0].(*Exec).Cmd != "ping h" || bound[1].(*Reboot).Cmd != "h" || bound[1].(*Reboot).Checks[0] != "h" {
		t.Errorf("bound to %+v, %+v", bound[0], bound[1])
	}
}

func TestQuotePowerShell(t *testing.T) {
	t.Parallel()
	v := Values{"build.Password": secret.Sensitive("p\"w$`“")}
	quoted := QuotePowerShell(`a "$b" ` + Token("build.Password"))
	if got, want := v.Text(quoted), "a `\"`$b`\" p`\"w`$```“"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if names := Tokens(quoted); len(names) != 1 || names[0] != "build.Password" {
		t.Errorf("tokens %q", names)
	}
}
