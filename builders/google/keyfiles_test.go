package google

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/component"
)

// What the instance runs at its start, and the keys of Secure Boot, count by
// their content, wherever they are.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	c := &Config{}
	c.StartupScriptFile = "start.sh"
	c.MetadataFiles = map[string]string{"b": "/etc/b", "a": "a.txt"}
	c.ImagePlatformKey, c.ImageKeyExchangeKey = "pk.der", []string{"kek.der"}
	c.ImageSignaturesDB, c.ImageForbiddenSignaturesDB = []string{"db.der"}, []string{"dbx.der"}
	want := []string{"a.txt", "/etc/b", "start.sh", "pk.der", "kek.der", "db.der", "dbx.der"}
	if diff := cmp.Diff(want, component.KeyFiles(c)); diff != "" {
		t.Error(diff)
	}
}
