package plan

import (
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/registry"
)

// A template of any name has a bucket, without saying one.
func TestBucketName(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"web.pkr.hcl": "web", "/a/Web Images": "web-images", "lc-_x": "lc-x", "a..b__c--d": "a-b-c-d", "v1.2_x": "v1.2_x",
		"_é.json": "images", "/": "images", strings.Repeat("a", 127) + "-b": strings.Repeat("a", 127),
	} {
		got := bucketName(&lang.Template{Path: path})
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		if err := registry.ValidBucket(got); err != nil {
			t.Error(err)
		}
	}
}
