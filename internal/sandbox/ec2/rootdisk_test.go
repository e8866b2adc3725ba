//go:build linux

package ec2

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The root file system of a disk image, with and without partitions, is an
// image that a machine can be made of.
func TestRootDisk(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"mkfs.ext4", "sfdisk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("cannot run here: " + err.Error())
		}
	}
	if _, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0); err != nil {
		t.Skip("cannot run here: " + err.Error())
	}
	tree := t.TempDir()
	for name, text := range map[string]string{"etc/hostname": "web\n", "usr/bin/app": "#!/bin/sh\n"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755), os.WriteFile(filepath.Join(tree, name), []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for name, table := range map[string]string{"whole": "", "gpt": "label: gpt\nsize=1MiB\n-\n", "mbr": "label: dos\nsize=1MiB\n-\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := filepath.Join(t.TempDir(), "snap-1.img")
			if err := makeSparse(disk, 32<<20); err != nil {
				t.Fatal(err)
			}
			at := part{size: 32 << 20}
			if table != "" {
				cmd := exec.Command("sfdisk", "-q", disk)
				cmd.Stdin = strings.NewReader(table)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("sfdisk: %v\n%s", err, out)
				}
				f, err := os.Open(disk)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if at, err = rootPart(f, 32<<20); err != nil || at.from == 0 {
					t.Fatal("partition:", at, err)
				}
			}
			offset := itoa(int(at.from))
			if out, err := exec.Command("mkfs.ext4", "-q", "-d", tree, "-E", "offset="+offset, disk, itoa(int(at.size>>10))+"k").CombinedOutput(); err != nil {
				t.Fatalf("mkfs: %v\n%s", err, out)
			}
			ref, err := layout(t.Context(), disk)
			if errors.Is(err, os.ErrPermission) {
				t.Skip("cannot run here: " + err.Error())
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := "oci-layout:" + disk + ".oci:latest"; ref != want {
				t.Errorf("reference %s, want %s", ref, want)
			}
			names := tarred(t, disk+layoutExt)
			for _, want := range []string{"etc/hostname", "usr/bin/app"} {
				if !slices.Contains(names, want) {
					t.Errorf("%s is not in it: %v", want, names)
				}
			}
		})
	}
}

// tarred returns the names in the layer of a layout.
func tarred(t *testing.T, dir string) []string {
	t.Helper()
	var index ocispec.Index
	var manifest ocispec.Manifest
	load(t, filepath.Join(dir, "index.json"), &index)
	load(t, filepath.Join(dir, "blobs/sha256", index.Manifests[0].Digest.Encoded()), &manifest)
	f, err := os.Open(filepath.Join(dir, "blobs/sha256", manifest.Layers[0].Digest.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimPrefix(h.Name, "/"))
	}
}

func load(t *testing.T, file string, v any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}
