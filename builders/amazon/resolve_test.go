package amazon

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ingot-build/ingot/builders"
)

// TestFilter finds the source image by a filter.
func TestFilter(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, b := l.described(home, l.registered(home, "web-1", nil)), l.described(home, l.registered(home, "web-2", nil))
	newest := aws.ToString(b.ImageId)
	if aws.ToString(a.CreationDate) == aws.ToString(b.CreationDate) {
		newest = max(newest, aws.ToString(a.ImageId))
	}
	own := AMIFilter{Filters: map[string]string{"name": "web-*"}, Owners: []string{"self"}}
	recent, old := own, AMIFilter{Filters: map[string]string{"name": "al2-*", "creation-date": "2020-01-01T00:00:00.000Z"}, Owners: []string{"amazon"}}
	recent.MostRecent = true
	deprecated := old
	deprecated.IncludeDeprecated = true
	for name, test := range map[string]struct {
		filter   AMIFilter
		id, hint string
	}{
		"several":            {own, "", "set most_recent = true"},
		"most_recent":        {recent, newest, ""},
		"deprecated":         {old, "", "without leaving out deprecated images, 1 would match"},
		"include_deprecated": {deprecated, "ami-", ""},
	} {
		ebs, surrogate := plainConfig(), surrogateConfig()
		ebs.SourceAMI, ebs.SourceAMIFilter = "", &test.filter
		surrogate.SourceAMI, surrogate.SourceAMIFilter = "", &test.filter
		for builder, c := range map[string]builders.Config{TypeEBS: ebs, TypeSurrogate: surrogate} {
			source, err := c.Open(l.Host)
			if err != nil {
				t.Fatal(err)
			}
			base, err := source.Resolve(t.Context())
			if !strings.HasPrefix(base.ID, test.id) || (err == nil) != (test.id != "") || !strings.Contains(builders.Hint(err), test.hint) {
				t.Errorf("%s, %s: found %q, error %v, hint %q", builder, name, base.ID, err, builders.Hint(err))
			}
		}
	}
}
