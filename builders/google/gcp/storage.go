package gcp

import (
	"net/url"
	"strings"

	"github.com/ingot-build/ingot/builders"
)

// ObjectURL is the address of an object of Cloud Storage, as Compute Engine
// takes it.
func (a *Access) ObjectURL(h builders.Host, bucket, name string) string {
	universe := a.universe()
	if h.Sandbox != nil {
		universe = usualUniverse
	}
	u := url.URL{Scheme: "https", Host: storage + "." + universe, Path: "/" + bucket + "/" + name}
	return u.String()
}

// StorageInside is where an instance reaches Cloud Storage, with no path. The
// sandbox serves it to its machines under its real name, without TLS.
func (a *Access) StorageInside(h builders.Host) string {
	if h.Sandbox != nil {
		return "http://" + storage + "." + usualUniverse
	}
	at := a.endpoint(storage, h)
	if u, err := url.Parse(at); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return strings.TrimSuffix(at, "/")
}
