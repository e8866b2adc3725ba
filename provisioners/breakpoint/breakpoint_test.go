package breakpoint

import (
	"testing"

	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func TestLower(t *testing.T) {
	t.Parallel()
	provisionertest.Lowers(t, Definition().New(), t.TempDir(), "pause 0s \"Stopped at a breakpoint.\"\n")
	provisionertest.Lowers(t, &Config{Note: "look at nginx"}, t.TempDir(), "pause 0s \"Stopped at a breakpoint: look at nginx.\"\n")
	provisionertest.Lowers(t, &Config{Note: "x", Disable: true}, t.TempDir(), "")
}
