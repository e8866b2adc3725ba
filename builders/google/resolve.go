package google

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"golang.org/x/sync/errgroup"
	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/outage"
	"github.com/ingot-build/ingot/internal/secret"
)

// publicProjects have Google's public images, in the order in which they are
// looked at: https://cloud.google.com/compute/docs/images/os-details
func publicProjects() []string {
	return []string{
		"almalinux-cloud", "centos-cloud", "cloud-hpc-image-public", "cos-cloud", "coreos-cloud", "debian-cloud",
		"fedora-cloud", "fedora-coreos-cloud", "freebsd-org-cloud-dev", "rhel-cloud", "rhel-sap-cloud",
		"rocky-linux-cloud", "suse-cloud", "suse-sap-cloud", "suse-byos-cloud", "ubuntu-os-cloud",
		"windows-cloud", "windows-sql-cloud", "gce-nvme", "google-containers", "opensuse-cloud",
		"ubuntu-os-pro-cloud", "ml-images",
	}
}

// idMark stands between an image's partial URL and its number in Base.ID. An
// image of the same name that is made later has another number.
const idMark = "#"

// Resolve finds the source image. Nothing has begun yet, so that a service that
// can't be reached is not waited for.
func (c *cloud) Resolve(ctx context.Context) (builders.Base, error) {
	img, err := c.sourceImage(outage.Hurry(ctx))
	if err != nil {
		return builders.Base{}, err
	}
	return builders.Base{
		ID:   gcp.Partial(img.SelfLink) + idMark + fmt.Sprint(img.Id),
		Name: img.Name, Arch: goArch(img.Architecture),
		Vars: op.Values{
			"build.SourceImageName":   secret.Plain(img.Name),
			"build.SourceImageFamily": secret.Plain(img.Family),
		},
	}, nil
}

// goArch is Go's name of an architecture of an image.
func goArch(name string) string {
	return map[string]string{"X86_64": "amd64", "ARM64": "arm64"}[name]
}

// sourceImage finds the image in the first project of the list that has it.
func (c *cloud) sourceImage(ctx context.Context) (*gce.Image, error) {
	projects := c.SourceImageProjectID
	name := c.SourceImage
	if strings.Contains(name, "/") {
		// A URL says which project it is.
		projects, name = oneOf(gcp.ProjectOf(name)), gcp.Last(name)
	}
	if len(projects) == 0 {
		projects = append([]string{c.ProjectID}, publicProjects()...)
	}
	if len(projects) > 1 && len(c.SourceImageProjectID) == 0 {
		// Mostly it is in the own project, or public images have names that say
		// whose they are.
		likely := projects[:1:1]
		if home := homeOf(cmp.Or(c.SourceImageFamily, name)); home != "" {
			likely = append(likely, home)
		}
		if img, err := c.firstOf(ctx, likely, name); img != nil || err != nil {
			return img, err
		}
	}
	img, err := c.firstOf(ctx, projects, name)
	if img == nil && err == nil {
		err = c.notFound(ctx, projects)
	}
	return img, err
}

// homeOf returns the project of Google's public images that a name or a family
// most likely belongs to, "" where it does not tell.
func homeOf(name string) string {
	for _, h := range [][2]string{
		{"debian-", "debian-cloud"}, {"ubuntu-", "ubuntu-os-cloud"}, {"rocky-linux-", "rocky-linux-cloud"},
		{"almalinux-", "almalinux-cloud"}, {"centos-", "centos-cloud"}, {"rhel-", "rhel-cloud"},
		{"sles-", "suse-cloud"}, {"cos-", "cos-cloud"}, {"fedora-coreos-", "fedora-coreos-cloud"},
	} {
		if strings.HasPrefix(name, h[0]) {
			return h[1]
		}
	}
	return ""
}

// firstOf looks for the image in projects, all at once. The first that has it
// counts; nil is none.
func (c *cloud) firstOf(ctx context.Context, projects []string, name string) (*gce.Image, error) {
	found := make([]*gce.Image, len(projects))
	refused := make([]error, len(projects))
	var all errgroup.Group
	for i, project := range projects {
		all.Go(func() error {
			found[i], refused[i] = c.imageIn(ctx, project, name)
			return nil
		})
	}
	_ = all.Wait()
	for i, img := range found {
		// What can't be looked at does not hide what is found elsewhere, unless
		// the template names it.
		if img != nil {
			return img, nil
		}
		err := refused[i]
		if noProject(err) != nil {
			return nil, fmt.Errorf("look for %s: %w", c.wanted(), noProject(err))
		}
		if err != nil && !gcp.IsNotFound(err) && (i == 0 || len(c.SourceImageProjectID) > 0) {
			return nil, fmt.Errorf("look for %s in the project %s: %w", c.wanted(), projects[i], gcp.Explain(err))
		}
	}
	return nil, nil
}

// noProject returns the error of a project that does not exist.
func noProject(err error) error {
	if e := gcp.Explain(err); e != nil && strings.Contains(e.Error(), "there is no project") {
		return e
	}
	return nil
}

func (c *cloud) wanted() string {
	if c.SourceImage != "" {
		return fmt.Sprintf("the image %q", gcp.Last(c.SourceImage))
	}
	return fmt.Sprintf("an image of the family %q", c.SourceImageFamily)
}

// imageIn returns the image of a project, nil where there is none. Builds that
// look for the same one share the answer.
func (c *cloud) imageIn(ctx context.Context, project, name string) (*gce.Image, error) {
	if project == c.ImageProjectID {
		if img, sure := c.listed(ctx, project, name); sure {
			return img, nil
		}
	}
	if c.SourceImage == "" {
		return gcp.Once(ctx, c.api, "family "+project+"/"+c.SourceImageFamily, func() (*gce.Image, error) {
			return c.api.Compute.Images.GetFromFamily(project, c.SourceImageFamily).Context(ctx).Do()
		})
	}
	return gcp.Once(ctx, c.api, "image "+project+"/"+name, func() (*gce.Image, error) {
		return c.api.Compute.Images.Get(project, name).Context(ctx).Do()
	})
}

// listed looks for the image where those of the build are made, in the one
// request that tells what is there of those, too. Sure is false where the image
// may be there all the same.
func (c *cloud) listed(ctx context.Context, project, name string) (img *gce.Image, sure bool) {
	list, err := c.api.Listing(ctx, project)
	switch {
	case err != nil:
		return nil, false // asking for the one image tells why, or succeeds
	case c.SourceImage == "":
		return list.Newest(c.SourceImageFamily)
	}
	return list.Named(name)
}

// notFound says where was looked, and what there is instead.
func (c *cloud) notFound(ctx context.Context, projects []string) error {
	where := strings.Join(projects, ", ")
	if len(projects) > 4 {
		where = fmt.Sprintf("%s and %d projects of public images", projects[0], len(projects)-1)
	}
	err := fmt.Errorf("there is no image for %s in %s", strings.TrimPrefix(c.wanted(), "an image of "), where)
	if c.SourceImage != "" {
		err = fmt.Errorf("there is no image %q in %s", gcp.Last(c.SourceImage), where)
	}
	near := c.nearest(ctx, projects)
	if len(near) == 0 {
		return builders.WithHint(err, "list images with: gcloud compute images list; other projects are named by source_image_project_id")
	}
	return builders.WithHint(err, "did you mean "+strings.Join(near, ", ")+"?")
}

// nearest returns up to three names of images or families that are most like
// the one wanted.
func (c *cloud) nearest(ctx context.Context, projects []string) []string {
	want := cmp.Or(gcp.Last(c.SourceImage), c.SourceImageFamily)
	lists := make([][]string, len(projects))
	var all errgroup.Group
	for i, project := range projects {
		all.Go(func() error {
			list, err := c.api.Compute.Images.List(project).Filter(`deprecated.state != "OBSOLETE"`).MaxResults(500).Context(ctx).Do()
			if err != nil {
				return nil // a hint is not worth an error
			}
			for _, img := range list.Items {
				name := img.Name
				if c.SourceImage == "" {
					name = img.Family
				}
				lists[i] = append(lists[i], name)
			}
			return nil
		})
	}
	_ = all.Wait()
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(lists...))))
	limit := max(3, len(want)/2)
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" || levenshtein.Distance(n, want, nil) > limit })
	slices.SortStableFunc(names, func(a, b string) int {
		return levenshtein.Distance(a, want, nil) - levenshtein.Distance(b, want, nil)
	})
	return names[:min(3, len(names))]
}

// bootImage is the partial URL of the image that a session begins from.
func bootImage(base builders.Base) (string, error) {
	if base.From == nil {
		return imageURL(base.ID)
	}
	p := base.From.Places[0]
	return "projects/" + p.Name + "/global/images/" + p.ID, nil
}

// imageURL takes Base.ID apart: the image's partial URL.
func imageURL(baseID string) (string, error) {
	url, _, _ := strings.Cut(baseID, idMark)
	if !strings.HasPrefix(url, "projects/") {
		return "", errors.New(baseID + " is not an image of Compute Engine")
	}
	return url, nil
}
