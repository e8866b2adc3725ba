package dockertag

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

func TestProcess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		config Config
		before []string
		want   []string
	}{
		{"tags", Config{Repository: "acme/web", Tags: []string{"1.0", "latest"}}, nil, []string{"acme/web:1.0", "acme/web:latest"}},
		{"no tags", Config{Repository: "localhost:5000/web"}, nil, []string{"localhost:5000/web:latest"}},
		{"older name", Config{Repository: "web", Tag: []string{"a"}, Tags: []string{"b", "a"}}, nil, []string{"web:a", "web:b"}},
		{"after another", Config{Repository: "web", Tags: []string{"b", "a"}}, []string{"web:a"}, []string{"web:a", "web:b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := artifact.Artifact{ID: "sha256:1", Image: &artifact.Image{Digest: "sha256:1"}, Tags: tt.before}
			in := postprocessortest.Input(t.TempDir(), a)
			if err := tt.config.Check(in); err != nil {
				t.Fatal(err)
			}
			res, err := tt.config.Process(context.Background(), in)
			if err != nil || !slices.Equal(res.Artifact.Tags, tt.want) || !res.Keep || !res.MustKeep || !slices.Contains(tt.want, res.Artifact.ID) {
				t.Errorf("%+v, %v", res, err)
			}
			if want := "Imported Docker image: sha256:1 with tags " + strings.Join(tt.want, " "); res.Artifact.Text != want {
				t.Errorf("the text is %q, want %q", res.Artifact.Text, want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{ID: "ami-1"})
	for _, repository := range []string{"", "Acme/Web", "web:1", "web@sha256:" + strings.Repeat("0", 64), "a b"} {
		postprocessortest.Refuses(t, &Config{Repository: repository}, in, "repository", "is not a name")
	}
	for _, tag := range []string{"", "a b", "-x", "a:b"} {
		postprocessortest.Refuses(t, &Config{Repository: "web", Tags: []string{tag}}, in, "tags", "is not a tag")
	}
	_, err := (&Config{Repository: "web"}).Process(context.Background(), in)
	if err == nil || !strings.Contains(err.Error(), "not a container's image") || builders.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
}
