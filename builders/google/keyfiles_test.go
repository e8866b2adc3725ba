package google

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
)

// What the instance runs at its start counts by its content.
func TestKeyFiles(t *testing.T) {
	t.Parallel()
	c := &Config{}
	c.StartupScriptFile = "start.sh"
	c.MetadataFiles = map[string]string{"b": "/etc/b", "a": "a.txt"}
	var _ builders.KeyFiles = c
	want := []string{"/t/start.sh", "/t/a.txt", "/etc/b"}
	if diff := cmp.Diff(want, c.KeyFiles(builders.Host{Dir: "/t"})); diff != "" {
		t.Error(diff)
	}
}
