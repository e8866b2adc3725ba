package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
)

// stopTimeout is how long mmdebstrap may take to clean up when it is stopped.
const stopTimeout = 20 * time.Second

// defaultPath is the $PATH that Debian gives to root.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// make runs mmdebstrap and stores what it writes as an image of one layer.
func (s Store) make(ctx context.Context, id string, spec Spec, r release, log event.Log) (ocispec.Descriptor, error) {
	blobs, err := s.Content()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	temp, done, err := s.temp(id)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	layer, diff, err := s.run(ctx, blobs, id, temp, spec, r, log)
	if err = errors.Join(err, done()); err != nil {
		return ocispec.Descriptor{}, err
	}
	config, err := write(ctx, blobs, ocispec.MediaTypeImageConfig, spec.image(r, diff))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	manifest, err := write(ctx, blobs, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   ocispec.MediaTypeImageManifest,
		Config:      config,
		Layers:      []ocispec.Descriptor{layer},
		Annotations: map[string]string{idAnnotation: id},
	})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return manifest, s.tag(ctx, manifest, id, spec.options())
}

// temp makes the folder that mmdebstrap works in, and removes what a run that
// was killed has left there.
func (s Store) temp(id string) (dir string, done func() error, err error) {
	dir = filepath.Join(s.Dir, "tmp-"+id)
	if os.Geteuid() == 0 {
		return dir, func() error { return remove(dir) }, errors.Join(remove(dir), os.Mkdir(dir, 0o711))
	}
	// Without root, mmdebstrap works as users that can't look into the home of
	// this one. What it left there is theirs, and goes with the system's
	// temporary files.
	if dir, err = os.MkdirTemp("", "ingot-base-"); err != nil {
		return "", nil, err
	}
	return dir, func() error { return remove(dir) }, os.Chmod(dir, 0o711)
}

// run stores the tar file that mmdebstrap writes to its output, as it comes.
func (s Store) run(ctx context.Context, blobs content.Store, id, temp string, spec Spec, r release, log event.Log) (ocispec.Descriptor, digest.Digest, error) {
	path, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return ocispec.Descriptor{}, "", builders.WithHint(errors.New("mmdebstrap is not installed"), "apt-get install mmdebstrap, or use image or oci_layout")
	}
	cmd := exec.CommandContext(ctx, path, spec.args()...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	tail := &lines{log: log}
	cmd.Stderr = tail
	out, err := cmd.StdoutPipe()
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	layer, err := openLayer(ctx, blobs, "bootstrap-"+id)
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	defer layer.abort()
	if err := cmd.Start(); err != nil {
		return ocispec.Descriptor{}, "", err
	}
	storeErr := layer.compress(out)
	if storeErr != nil {
		_ = cmd.Cancel()
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind
	switch {
	case ctx.Err() != nil:
		return ocispec.Descriptor{}, "", ctx.Err()
	case storeErr != nil:
		return ocispec.Descriptor{}, "", fmt.Errorf("store the base: %w", storeErr)
	case err != nil:
		why := tail.failure()
		return ocispec.Descriptor{}, "", builders.WithHint(fmt.Errorf("mmdebstrap %s: %s (%w)", spec.Suite, why, err), hint(why))
	}
	desc, err := layer.commit(ctx)
	return desc, layer.diff, err
}

func hint(failure string) string {
	if os.Geteuid() != 0 && strings.Contains(failure, "unshare") {
		return "without root, mmdebstrap needs user namespaces and the package uidmap"
	}
	return ""
}

// args keeps from the base what belongs to this host, and keeps services from
// being started while packages are installed, as in Debian's own images.
func (s Spec) args() []string {
	args := []string{
		"--variant=" + s.Variant, "--format=tar", "--architectures=" + debianArch(s.Arch),
		`--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"`,
		`--customize-hook=printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"; chmod 755 "$1/usr/sbin/policy-rc.d"`,
	}
	if os.Geteuid() == 0 {
		args = append(args, "--mode=root")
	} else {
		args = append(args, "--mode=unshare")
	}
	if len(s.Components) > 0 {
		args = append(args, "--components="+strings.Join(s.Components, ","))
	}
	if len(s.Packages) > 0 {
		args = append(args, "--include="+strings.Join(s.Packages, ","))
	}
	return append(args, s.Suite, "-", s.Mirror)
}

// image is the base's configuration.
func (s Spec) image(r release, diff digest.Digest) ocispec.Image {
	return ocispec.Image{
		Created:  &r.date,
		Platform: ocispec.Platform{OS: "linux", Architecture: s.Arch},
		Config:   ocispec.ImageConfig{Env: []string{defaultPath}, Cmd: []string{"/bin/sh"}},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diff}},
		History:  []ocispec.History{{Created: &r.date, CreatedBy: "mmdebstrap --variant=" + s.Variant + " " + s.Suite}},
	}
}

// remove deletes a folder. Should there be mounts in it, what they show belongs
// to the host: they are detached before.
func remove(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := detach(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
