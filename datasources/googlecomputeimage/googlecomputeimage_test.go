package googlecomputeimage

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/secret"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

func TestRead(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandboxtest.Options{})
	h := builders.Host{Secrets: &secret.Set{}, Shared: &sync.Map{}, Sandbox: s.Host()}
	api, err := (&Config{}).Client(h)
	if err != nil {
		t.Fatal(err)
	}
	for i, family := range []string{"web", "web", "db"} {
		op, err := api.Compute.Images.Insert("my-project", &gce.Image{
			Name: fmt.Sprintf("%s-%d", family, i), Family: family, Labels: map[string]string{"n": fmt.Sprint(i)},
			SourceImage: "projects/debian-cloud/global/images/family/debian-12",
		}).Do()
		if err == nil {
			err = api.Wait(t.Context(), op)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		filter     string
		recent     bool
		want, fail string
	}{
		"one":       {filter: "family = db", want: "db-2"},
		"newest":    {filter: "family = web", recent: true, want: "web-1"},
		"labels":    {filter: "family = web AND labels.n = 0", want: "web-0"},
		"several":   {filter: "family = web", fail: "2 images"},
		"none":      {filter: "family = nothing", fail: "no image of the project my-project matches family = nothing"},
		"malformed": {filter: "family = (", fail: "family = ("},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := &Config{ProjectID: "my-project", Filters: c.filter, MostRecent: c.recent}
			if err := cfg.Check(); err != nil {
				t.Fatal(err)
			}
			got, err := cfg.Read(t.Context(), datasources.Input{Host: h})
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("error %v, want it to say %q", err, c.fail)
				}
				return
			}
			out, ok := got.(Output)
			if err != nil || !ok || out.Name != c.want || out.ID == "" || out.CreationDate == "" || out.Labels["n"] == "" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []*Config{{Filters: "name = a"}, {ProjectID: "p"}} {
		if err := c.Check(); err == nil {
			t.Errorf("%+v passes", c)
		}
	}
}
