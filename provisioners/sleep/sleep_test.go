package sleep

import (
	"testing"
	"time"

	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func TestLower(t *testing.T) {
	t.Parallel()
	provisionertest.Lowers(t, &Config{Duration: 90 * time.Second}, t.TempDir(), "pause 1m30s \"\"\n")
	provisionertest.Refuses(t, Definition().New(), t.TempDir(), "duration", "more than 0")
}
