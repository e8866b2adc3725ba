// Package catalog says which file tree stands for which public image of a
// cloud in the sandbox.
package catalog

import (
	"path"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// Image stands for the public images whose id, name, family or filter matches
// a pattern.
type Image struct {
	Match string // pattern as of path.Match, e.g. "ami-0abc", "debian-12", "ubuntu/images/*"; "*" is any
	Base  host.Base
	User  string // who gets the key pair of an EC2 instance; "" is the usual names
}

// Catalog is the list of images, the first match counts.
type Catalog []Image

// Default stands for any image: Debian.
func Default() Catalog { return Catalog{{Match: "*", Base: host.Base{Suite: "bookworm"}}} }

// Find returns the image for one of the names that something goes by.
func (c Catalog) Find(names ...string) (Image, bool) {
	for _, img := range c {
		for _, name := range names {
			if ok, err := path.Match(img.Match, name); err == nil && ok || img.Match == "*" || img.Match == name {
				return img, true
			}
		}
	}
	return Image{}, false
}
