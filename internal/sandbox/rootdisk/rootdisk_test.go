//go:build linux

package rootdisk

import (
	"archive/tar"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The root file system of a disk image, with and without partitions, is an
// image that a machine can be made of.
func TestRootDisk(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("cannot run here: " + err.Error())
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil || os.Geteuid() != 0 {
		t.Skip("cannot run here: disk images are mounted as root, by loop devices")
	}
	tree := t.TempDir()
	for name, text := range map[string]string{"etc/hostname": "web\n", "usr/bin/app": "#!/bin/sh\n"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755), os.WriteFile(filepath.Join(tree, name), []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	const size, from = 32 << 20, 2 << 20
	for name, table := range map[string]func([]byte){"whole": nil, "mbr": mbr, "gpt": guids} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := filepath.Join(t.TempDir(), "snap-1.img")
			at, head := part{size: size}, make([]byte, 4*sector)
			if table != nil {
				table(head)
				at = part{from, size - 2*from}
			}
			if err := errors.Join(os.WriteFile(disk, head, 0o600), os.Truncate(disk, size)); err != nil {
				t.Fatal(err)
			}
			offset := strconv.FormatInt(at.from, 10)
			if out, err := exec.Command("mkfs.ext4", "-q", "-d", tree, "-E", "offset="+offset, disk, strconv.FormatInt(at.size>>10, 10)+"k").CombinedOutput(); err != nil {
				t.Fatalf("mkfs: %v\n%s", err, out)
			}
			ref, err := Layout(t.Context(), disk)
			if err != nil {
				t.Fatal(err)
			}
			if want := "oci-layout:" + disk + ".oci:latest"; ref != want {
				t.Errorf("reference %s, want %s", ref, want)
			}
			names := tarred(t, disk+LayoutExt)
			for _, want := range []string{"etc/hostname", "usr/bin/app"} {
				if !slices.Contains(names, want) {
					t.Errorf("%s is not in it: %v", want, names)
				}
			}
		})
	}
}

// mbr writes a partition table of the first megabyte, and of the disk behind it
// but for its end.
func mbr(head []byte) {
	head[510], head[511] = 0x55, 0xAA
	for i, p := range []part{{1 << 20, 1 << 20}, {2 << 20, 28 << 20}} {
		binary.LittleEndian.PutUint32(head[446+16*i+8:], uint32(p.from/sector))
		binary.LittleEndian.PutUint32(head[446+16*i+12:], uint32(p.size/sector))
	}
}

// guids writes the same as a GUID partition table.
func guids(head []byte) {
	header, entries := head[sector:], head[2*sector:]
	copy(header, "EFI PART")
	binary.LittleEndian.PutUint64(header[72:], 2)
	binary.LittleEndian.PutUint32(header[80:], 2)
	binary.LittleEndian.PutUint32(header[84:], 128)
	for i, p := range []part{{1 << 20, 1 << 20}, {2 << 20, 28 << 20}} {
		binary.LittleEndian.PutUint64(entries[128*i+32:], uint64(p.from/sector))
		binary.LittleEndian.PutUint64(entries[128*i+40:], uint64((p.from+p.size)/sector-1))
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
