package hostfile_test

import (
	"testing"

	"github.com/ingot-build/ingot/internal/hostfile"
)

func TestPath(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	for _, tt := range []struct{ dir, path, want string }{
		{"/t", "key", "/t/key"},
		{"/t", "../key", "/key"},
		{"/t", "/etc/key", "/etc/key"},
		{"/t", "~/key", "/home/ann/key"},
		{"/t", "~bob/key", "/t/~bob/key"},
		{"/t", "", ""},
		{"", "key", "key"},
	} {
		if got := hostfile.Path(tt.dir, tt.path); got != tt.want {
			t.Errorf("%q in %q is %q, want %q", tt.path, tt.dir, got, tt.want)
		}
	}
}
