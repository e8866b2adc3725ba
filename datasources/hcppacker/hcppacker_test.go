package hcppacker

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/registry"
)

// published is a registry with two versions of the bucket "base", the first of
// which is the channel "production".
func published(t *testing.T) datasources.Input {
	t.Helper()
	r, err := registry.Open(filepath.Join(t.TempDir(), "registry"), "")
	if err != nil {
		t.Fatal(err)
	}
	record := func(build, builder string, labels map[string]string, places ...artifact.Place) artifact.Record {
		return artifact.Record{Build: build, Key: key.New("test").String(build).Sum(), Created: time.Now(), RunID: "made",
			Artifact: artifact.Artifact{Builder: builder, ID: build + "-id", Places: places, Labels: labels}}
	}
	records := []artifact.Record{
		record("prod.amazon-ebs.web", "amazon-ebs", map[string]string{"ami_name": "web"}, artifact.Place{Name: "eu-west-1", ID: "ami-1"}, artifact.Place{Name: "us-east-1", ID: "ami-2"}),
		record("prod.amazon-ebs.db", "amazon-ebs", nil, artifact.Place{Name: "eu-west-1", ID: "ami-3"}),
		record("googlecompute.web", "googlecompute", map[string]string{"zone": "europe-west1-b"}, artifact.Place{Name: "acme", ID: "web-1"}),
		record("null.note", "null", nil),
	}
	for name, v := range map[string]registry.Version{
		"1.0": {Fingerprint: "one", Channels: []string{"production"}, Labels: map[string]string{"team": "web"}, Records: records},
		"2.0": {RunID: "run-2", Records: records[:1]},
	} {
		v.Bucket, v.Name = "base", name
		if _, _, err := r.Publish(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	return datasources.Input{Registry: func() (datasources.Versions, error) { return r, nil }}
}

func TestFind(t *testing.T) {
	t.Parallel()
	in := published(t)
	for _, c := range []struct {
		query      Query
		want, fail string
	}{
		{Query{Bucket: "base", Channel: "production"}, "1.0", ""},
		{Query{Bucket: "BASE", Channel: "production"}, "1.0", ""},
		{Query{Bucket: "base", Fingerprint: "one"}, "1.0", ""},
		{Query{Bucket: "base", Fingerprint: "run-2"}, "2.0", ""},
		{Query{Bucket: "base", Fingerprint: "2.0"}, "2.0", ""},
		{Query{Bucket: "base", Channel: "prodution"}, "", `it has no channel "prodution"; did you mean "production"?`},
		{Query{Bucket: "base", Channel: "2.0"}, "", `it has no channel "2.0"`},
		{Query{Bucket: "base", Fingerprint: "run-3"}, "", `no version has the fingerprint "run-3"; did you mean "run-2"?`},
		{Query{Bucket: "bas", Channel: "production"}, "", `nothing was published to it; did you mean "base"?`},
		{Query{Bucket: "bas", Fingerprint: "one"}, "", `nothing was published to it; did you mean "base"?`},
	} {
		v, _, err := Find(t.Context(), in, c.query)
		if c.fail == "" {
			if err != nil || v.Name != c.want {
				t.Errorf("%+v: %s, %v", c.query, v.Name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.fail) || !strings.Contains(builders.Hint(err), "ingot registry list") {
			t.Errorf("%+v: error %v (%s), want %s", c.query, err, builders.Hint(err), c.fail)
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	v, r, err := Find(t.Context(), published(t), Query{Bucket: "base", Channel: "production"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ platform, region, component, id, typ string }{
		{"aws", "eu-west-1", "", "ami-3", "amazon-ebs.db"}, // the first by name
		{"aws", "eu-west-1", "amazon-ebs.web", "ami-1", "amazon-ebs.web"},
		{"aws", "us-east-1", "prod.amazon-ebs.web", "ami-2", "amazon-ebs.web"},
		{"gce", "europe-west1-b", "", "web-1", "googlecompute.web"},
		{"gce", "europe-west1", "", "web-1", "googlecompute.web"},
		{"gce", "acme", "", "web-1", "googlecompute.web"},
		{"null", "null", "", "null.note-id", "null.note"},
	} {
		a, err := Select(r, v, c.platform, c.region, c.component)
		if err != nil || a.ID != c.id || a.ComponentType != c.typ || a.Labels["team"] != "web" {
			t.Errorf("%+v: %+v, %v", c, a, err)
		}
	}
	_, err = Select(r, v, "aws", "eu-west-2", "")
	if err == nil || !strings.Contains(err.Error(), `it has: aws eu-west-1 (amazon-ebs.db), aws eu-west-1 (amazon-ebs.web), aws us-east-1`) {
		t.Errorf("error %v", err)
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, err := range []error{Bucket("b", "a b"), Bucket("b", ""), Channel("c", ""), Channel("c", "a b"), OneOf("a", "", "b", ""), OneOf("a", "1", "b", "2")} {
		if err == nil {
			t.Error("something wrong was taken")
		}
	}
	for _, err := range []error{Bucket("b", "Web-1"), Channel("c", "production"), OneOf("a", "1", "b", "")} {
		if err != nil {
			t.Error(err)
		}
	}
}
