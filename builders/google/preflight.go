package google

import (
	"context"
	"fmt"
	"slices"
	"strings"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
)

// checks are the questions to ask before anything is created.
func (l *launch) checks() []func(context.Context) error {
	return []func(context.Context) error{
		l.checkProject, l.checkZone, l.checkMachineType, l.checkSourceImage,
		l.checkNetworks, l.checkAddress, l.checkImageName,
	}
}

func (l *launch) checkProject(ctx context.Context) error {
	project, err := gcp.Once(ctx, l.api, "project "+l.ProjectID, func() (*gce.Project, error) {
		return l.api.Compute.Projects.Get(l.ProjectID).Context(ctx).Do()
	})
	switch {
	case err == nil:
	case gcp.IsForbidden(err): // other calls tell where it matters
		project = &gce.Project{}
	default:
		return fmt.Errorf("project %s: %w", l.ProjectID, gcp.Explain(err))
	}
	if l.UseOSLogin != nil {
		l.osLogin = *l.UseOSLogin
	} else if project.CommonInstanceMetadata != nil {
		for _, item := range project.CommonInstanceMetadata.Items {
			if item.Key == osLoginKey && item.Value != nil {
				l.osLogin = strings.EqualFold(*item.Value, "true")
			}
		}
	}
	return nil
}

func (l *launch) checkZone(ctx context.Context) error {
	zone, err := gcp.Once(ctx, l.api, "zone "+l.ProjectID+"/"+l.Zone, func() (*gce.Zone, error) {
		return l.api.Compute.Zones.Get(l.ProjectID, l.Zone).Context(ctx).Do()
	})
	switch {
	case gcp.IsNotFound(err):
		return builders.WithHint(fmt.Errorf("there is no zone %s", l.Zone), "list them with: gcloud compute zones list")
	case err != nil:
		return fmt.Errorf("zone %s: %w", l.Zone, gcp.Explain(err))
	case zone.Status == "DOWN":
		return builders.WithHint(fmt.Errorf("the zone %s is down", l.Zone), "set another zone")
	}
	return nil
}

func (l *launch) checkMachineType(ctx context.Context) error {
	question := "machine type " + l.ProjectID + "/" + l.Zone + "/" + l.MachineType
	_, err := gcp.Once(ctx, l.api, question, func() (*gce.MachineType, error) {
		return l.api.Compute.MachineTypes.Get(l.ProjectID, l.Zone, l.MachineType).Context(ctx).Do()
	})
	switch {
	case gcp.IsNotFound(err):
		return builders.WithHint(fmt.Errorf("the zone %s has no machine type %s", l.Zone, l.MachineType),
			"list them with: gcloud compute machine-types list --zones "+l.Zone)
	case err != nil:
		return fmt.Errorf("machine type %s: %w", l.MachineType, gcp.Explain(err))
	}
	return nil
}

func (l *launch) checkSourceImage(ctx context.Context) error {
	project, name := gcp.ProjectOf(l.image), gcp.Last(l.image)
	img, err := gcp.Once(ctx, l.api, "image "+project+"/"+name, func() (*gce.Image, error) {
		return l.api.Compute.Images.Get(project, name).Context(ctx).Do()
	})
	switch {
	case gcp.IsNotFound(err):
		return fmt.Errorf("the source image %s is not there any more", l.image)
	case err != nil:
		return fmt.Errorf("source image %s: %w", name, gcp.Explain(err))
	case img.DiskSizeGb > l.DiskSize:
		return builders.WithHint(fmt.Errorf("disk_size is %d GB, and the source image %s needs %d", l.DiskSize, name, img.DiskSizeGb),
			fmt.Sprintf("set disk_size = %d", img.DiskSizeGb))
	case hasFeature(img, "WINDOWS") && l.ssh != nil:
		return builders.WithHint(fmt.Errorf(`the source image %s is Windows, and communicator is "ssh"`, name), `set communicator = "winrm"`)
	case l.EnableSecureBoot && !hasFeature(img, "UEFI_COMPATIBLE"):
		return builders.WithHint(fmt.Errorf("the source image %s can't boot with enable_secure_boot", name), "choose an image with the feature UEFI_COMPATIBLE")
	}
	l.source = img
	return nil
}

func hasFeature(img *gce.Image, name string) bool {
	return slices.ContainsFunc(img.GuestOsFeatures, func(f *gce.GuestOsFeature) bool { return f.Type == name })
}

// networkURL is the network as an instance names it, "" where the subnetwork
// says which it is.
func (l *launch) networkURL() string {
	if l.Network == "" || strings.Contains(l.Network, "/") {
		return l.Network
	}
	return "projects/" + l.NetworkProjectID + "/global/networks/" + l.Network
}

func (l *launch) subnetworkURL() string {
	if l.Subnetwork == "" || strings.Contains(l.Subnetwork, "/") {
		return l.Subnetwork
	}
	return "projects/" + l.NetworkProjectID + "/regions/" + l.Region + "/subnetworks/" + l.Subnetwork
}

// checkNetworks looks for the network or the subnetwork. Where one may use but
// not look at it, as in a shared VPC, the launch tells.
func (l *launch) checkNetworks(ctx context.Context) error {
	project := l.NetworkProjectID
	if url := l.subnetworkURL(); url != "" {
		if p := gcp.ProjectOf(url); p != "" {
			project = p
		}
		_, err := gcp.Once(ctx, l.api, "subnetwork "+url, func() (*gce.Subnetwork, error) {
			return l.api.Compute.Subnetworks.Get(project, l.Region, gcp.Last(url)).Context(ctx).Do()
		})
		return l.noNetwork(err, "subnetwork", gcp.Last(url), "the region "+l.Region+" of the project "+project)
	}
	url := l.networkURL()
	if p := gcp.ProjectOf(url); p != "" {
		project = p
	}
	network, err := gcp.Once(ctx, l.api, "network "+project+"/"+url, func() (*gce.Network, error) {
		return l.api.Compute.Networks.Get(project, gcp.Last(url)).Context(ctx).Do()
	})
	if err == nil && !network.AutoCreateSubnetworks && network.IPv4Range == "" {
		return builders.WithHint(fmt.Errorf("the network %s has no subnetworks made automatically", gcp.Last(url)), "set subnetwork")
	}
	return l.noNetwork(err, "network", gcp.Last(url), "the project "+project)
}

func (l *launch) noNetwork(err error, kind, name, where string) error {
	switch {
	case err == nil, gcp.IsForbidden(err):
		return nil
	case gcp.IsNotFound(err):
		return builders.WithHint(fmt.Errorf("there is no %s %s in %s", kind, name, where),
			"set network or subnetwork, and network_project_id where they belong to another project")
	}
	return fmt.Errorf("%s %s: %w", kind, name, gcp.Explain(err))
}

// checkAddress finds the reserved address.
func (l *launch) checkAddress(ctx context.Context) error {
	if l.Address == "" {
		return nil
	}
	a, err := l.api.Compute.Addresses.Get(l.ProjectID, l.Region, l.Address).Context(ctx).Do()
	switch {
	case gcp.IsNotFound(err):
		return builders.WithHint(fmt.Errorf("there is no reserved address %s in the region %s", l.Address, l.Region), "address is its name, not the address itself")
	case err != nil:
		return fmt.Errorf("address %s: %w", l.Address, gcp.Explain(err))
	case a.Status == "IN_USE":
		return builders.WithHint(fmt.Errorf("the reserved address %s is in use", l.Address), "use another, or leave address out")
	}
	l.address = a.Address
	return nil
}

func (l *launch) checkImageName(ctx context.Context) error {
	if l.SkipCreateImage || l.env.Trial {
		return nil
	}
	img, err := l.api.Image(ctx, l.ImageProjectID, l.ImageName)
	switch {
	case err != nil:
		return fmt.Errorf("image %s: %w", l.ImageName, gcp.Explain(err))
	case img == nil:
	case l.env.Force:
		l.replacing = true
	default:
		hint := `use -force to replace that image, or make the name unique: image_name = "web-${timestamp()}"`
		if img.Labels[expiresLabel] != "" && img.Labels[userLabel] == owner() { // one that got to where it was to be has no expiry
			hint = "a run left that image that was killed, and `ingot sweep` removes it, or whose tests failed. Or " + hint
		}
		return builders.WithHint(fmt.Errorf("the image name %s is in use in the project %s", l.ImageName, l.ImageProjectID), hint)
	}
	return nil
}
