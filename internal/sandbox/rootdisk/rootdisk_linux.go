package rootdisk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// Layout returns a reference of the root file system of a disk image, as an
// image in an OCI layout beside it. It is made once.
func Layout(ctx context.Context, file string) (string, error) {
	dir := file + LayoutExt
	ref := "oci-layout:" + dir + ":latest"
	if _, err := os.Stat(dir); err == nil {
		return ref, nil
	}
	temp := dir + ".new"
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	err := writeLayout(ctx, file, temp)
	if err == nil {
		err = os.Rename(temp, dir)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("read the root disk: %w", err), os.RemoveAll(temp))
	}
	return ref, nil
}

func writeLayout(ctx context.Context, file, dir string) error {
	fs, err := mountDisk(file)
	if err != nil {
		return err
	}
	defer fs.Close()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return err
	}
	// The dot makes it the folder, not the link that stands for it.
	tree := archive.Diff(ctx, "", "/proc/self/fd/"+strconv.Itoa(int(fs.Fd()))+"/.")
	defer tree.Close()
	layer, err := putBlob(blobs, ocispec.MediaTypeImageLayer, tree)
	if err != nil {
		return err
	}
	config, err := putJSON(blobs, ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: goruntime.GOARCH},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}},
	})
	if err != nil {
		return err
	}
	manifest, err := putJSON(blobs, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer},
	})
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{ocispec.AnnotationRefName: "latest"}
	index, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{manifest}})
	if err != nil {
		return err
	}
	version := []byte(`{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`)
	return errors.Join(os.WriteFile(filepath.Join(dir, ocispec.ImageIndexFile), index, 0o600),
		os.WriteFile(filepath.Join(dir, ocispec.ImageLayoutFile), version, 0o600))
}

func putBlob(dir, mediaType string, r io.Reader) (ocispec.Descriptor, error) {
	f, err := os.CreateTemp(dir, "new")
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	sum := digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(f, sum.Hash()), r)
	if err := errors.Join(err, f.Close()); err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: sum.Digest(), Size: n}
	return d, os.Rename(f.Name(), filepath.Join(dir, d.Digest.Encoded()))
}

func putJSON(dir, mediaType string, v any) (ocispec.Descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return d, os.WriteFile(filepath.Join(dir, d.Digest.Encoded()), raw, 0o600)
}

// mountDisk mounts the root file system of a disk image for reading, nowhere:
// the mount ends with the file, and so with this process.
func mountDisk(file string) (*os.File, error) {
	disk, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	info, err := disk.Stat()
	if err != nil {
		return nil, err
	}
	at, err := rootPart(disk, info.Size())
	if err != nil {
		return nil, err
	}
	loop, err := loopOf(disk, at)
	if err != nil {
		return nil, err
	}
	defer loop.Close() // the mount has it open
	var errs []error
	for _, kind := range [][]string{{"ext4", "noload"}, {"xfs", "norecovery", "nouuid"}, {"btrfs"}} {
		fs, err := mountReadOnly(kind[0], loop.Name(), kind[1:])
		if err == nil {
			return fs, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", kind[0], err))
	}
	return nil, fmt.Errorf("no file system is known at byte %d of it: %w", at.from, errors.Join(errs...))
}

func loopOf(disk *os.File, at part) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, os.NewSyscallError("find a free loop device", err)
		}
		loop, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(disk.Fd())}
		config.Info.Offset, config.Info.Sizelimit = uint64(at.from), uint64(at.size)
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_READ_ONLY
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) { // another process was faster
			return nil, os.NewSyscallError("set up a loop device", err)
		}
	}
}

func mountReadOnly(kind, device string, flags []string) (*os.File, error) {
	fd, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.FsconfigSetString(fd, "source", device); err != nil {
		return nil, err
	}
	for _, flag := range append(flags, "ro") {
		if err := unix.FsconfigSetFlag(fd, flag); err != nil {
			return nil, err
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, err
	}
	mount, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(mount), device), nil
}
