package registry

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
	"oras.land/oras-go/v2/content/oci"

	"github.com/ingot-build/ingot/internal/artifact"
)

func TestOpenMakesNothing(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), filepath.Join(t.TempDir(), "registry")
	r := open(t, "", dir)
	if _, ok, err := r.Lookup(ctx, "web", keyOf("x")); ok || err != nil {
		t.Errorf("lookup: %v, %v", ok, err)
	}
	if list, err := r.Buckets(ctx); len(list) > 0 || err != nil {
		t.Errorf("buckets: %v, %v", list, err)
	}
	if freed, err := r.GC(ctx, 0); freed != 0 || err != nil {
		t.Errorf("gc: %v, %v", freed, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// TestOtherProgramsReadTheLayout reads it with oras, and has another program
// rewrite the index.
func TestOtherProgramsReadTheLayout(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, "", t.TempDir())
	v := publishWeb(t, r)
	store, err := oci.New(r.Layout())
	if err != nil {
		t.Fatal(err)
	}
	desc, err := store.Resolve(ctx, "web:production")
	if err != nil || string(desc.Digest) != v.Digest {
		t.Fatalf("%s, %v", desc.Digest, err)
	}
	if err := store.Tag(ctx, desc, "someone/else"); err != nil { // rewrites index.json
		t.Fatal(err)
	}
	if got, ok, err := r.Version(ctx, "web", "1.4.0"); !ok || err != nil || got.Digest != v.Digest {
		t.Errorf("after another program: %v, %v", ok, err)
	}
	if err := publishOne(r, "2.0.0"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(r.Layout(), "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc ocispec.Index
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(doc.Manifests, func(d ocispec.Descriptor) bool { return d.Annotations[ocispec.AnnotationRefName] == "someone/else" }) {
		t.Error("the other program's name is lost")
	}
	if list, err := r.Versions(ctx, "web"); err != nil || len(list) != 2 {
		t.Errorf("versions: %v, %v", list, err)
	}
}

func TestImageOfAnotherLayout(t *testing.T) {
	t.Parallel()
	ctx, r, other := context.Background(), open(t, "", t.TempDir()), t.TempDir()
	rec := container(t, other, "docker.web", "one", "amd64")
	if err := r.Record(ctx, "web", rec); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.Lookup(ctx, "web", rec.Key); !ok || err != nil {
		t.Fatalf("lookup: %v, %v", ok, err)
	}
	path, err := r.layout.blobPath(imageDescriptor(rec.Artifact.Image).Digest)
	if err != nil {
		t.Fatal(err)
	}
	a, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.Stat(strings.Replace(path, r.Layout(), other, 1))
	if err != nil || !os.SameFile(a, b) {
		t.Errorf("copied, not linked: %v", err)
	}
	damaged := container(t, other, "docker.db", "two", "amd64")
	bad := strings.Replace(mustPath(t, r, damaged), r.Layout(), other, 1)
	write(t, bad, strings.Repeat("x", int(damaged.Artifact.Image.Size)), 0o644)
	err = r.Record(ctx, "web", damaged)
	checkError(t, err, "corrupt")
	if _, ok, err := r.Lookup(ctx, "web", damaged.Key); ok || err != nil {
		t.Errorf("damaged: found %v, %v", ok, err)
	}
}

func mustPath(t *testing.T, r *Registry, rec artifact.Record) string {
	t.Helper()
	path, err := r.layout.blobPath(imageDescriptor(rec.Artifact.Image).Digest)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMissingBlobs(t *testing.T) {
	t.Parallel()
	r := open(t, "", t.TempDir())
	rec := container(t, r.Layout(), "docker.web", "one", "amd64")
	if err := os.Remove(mustPath(t, r, rec)); err != nil {
		t.Fatal(err)
	}
	checkError(t, r.Record(context.Background(), "web", rec), "are missing in "+r.Layout())
}

// A builder finds a cut blob and takes it for the blob: the error of recording
// names it, and how it is made anew.
func TestCutBlob(t *testing.T) {
	t.Parallel()
	r := open(t, "", t.TempDir())
	rec := container(t, r.Layout(), "docker.web", "one", "amd64")
	path := mustPath(t, r, rec)
	write(t, path, "cut", 0o644)
	checkError(t, r.Record(context.Background(), "web", rec), "is corrupt: it has 3 bytes, not ", "remove "+path)
}

func TestCorruption(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, "", t.TempDir())
	v := publishWeb(t, r)
	path, err := r.layout.blobPath(digestOf(v.Digest))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Repeat(" ", 100), 0o644)
	_, _, err = r.Version(ctx, "web", "1.4.0")
	checkError(t, err, "is corrupt", "remove "+path)
	index := filepath.Join(r.Layout(), "index.json")
	write(t, index, `{"manifests": [{`, 0o644)
	_, _, err = r.Latest(ctx, "web")
	checkError(t, err, index+" is corrupt", "restore the file")
	checkError(t, publishOne(r, "2.0.0"), index+" is corrupt")
}

// TestFolderThatCanNotBeWritten acts as another user, on a thread of its own
// that ends with the test.
func TestFolderThatCanNotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, "", filepath.Join(dir, "registry"))
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				done <- err
				return
			}
		}
		done <- r.Record(context.Background(), "web", machine("null.web", "m"))
	}()
	checkError(t, <-done, "permission denied", "must be readable and writable")
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := open(t, "", t.TempDir())
	checkError(t, r.explain("publish", &os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}), "no space left", "ingot registry gc")
}

func TestTemporaryFilesOfTheDead(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, "", t.TempDir())
	if err := os.MkdirAll(r.layout.tmp(), 0o755); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(r.layout.tmp(), "dead")
	write(t, dead, "half", 0o644)
	if err := r.Record(ctx, "web", machine("null.web", "m")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
}

func TestGC(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, "", t.TempDir())
	v := publishWeb(t, r)
	changed := v.Records[1] // a container whose record is replaced: the version keeps the old one
	changed.RunID = "run-2"
	if err := r.Record(ctx, "web", changed); err != nil {
		t.Fatal(err)
	}
	loose := container(t, r.Layout(), "docker.loose", "loose", "amd64")
	if freed, err := r.GC(ctx, time.Hour); freed != 0 || err != nil {
		t.Fatalf("within the grace: %d, %v", freed, err)
	}
	freed, err := r.GC(ctx, 0)
	if err != nil || freed < loose.Artifact.Image.Size {
		t.Fatalf("freed %d, %v", freed, err)
	}
	if _, err := os.Stat(mustPath(t, r, loose)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the loose image is left: %v", err)
	}
	got, ok, err := r.Version(ctx, "web", "1.4.0")
	if err != nil || !ok || got.Records[1].RunID != "run-1" {
		t.Fatalf("version: %+v, %v, %v", got.Records, ok, err)
	}
	for _, rec := range got.Records {
		if _, ok, err := r.Lookup(ctx, "web", rec.Key); !ok || err != nil {
			t.Errorf("%s: %v, %v", rec.Build, ok, err)
		}
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		ctx, out := context.Background(), t.TempDir()
		v := publishWeb(t, r)
		dir := filepath.Join(out, "layout")
		if _, err := r.Pull(ctx, "web", "production", PullTo{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		checkPulled(t, dir, "1.4.0", "1.4.0-docker.arm", "1.4.0-docker.web")
		_, err := r.Pull(ctx, "web", "production", PullTo{Dir: dir})
		checkError(t, err, "not empty", "new folder")

		file := filepath.Join(out, "web.tar")
		if _, err := r.Pull(ctx, "web", "1.4.0", PullTo{Tar: file, Build: "docker.web"}); err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(out, "untarred")
		untar(t, file, dir)
		checkPulled(t, dir, "1.4.0")
		checkDocker(t, dir, v.Records[2])

		_, err = r.Pull(ctx, "web", "1.4.0", PullTo{Dir: filepath.Join(out, "no"), Build: "docker.nope"})
		checkError(t, err, "no container image of build docker.nope", "docker.arm, docker.web")
		_, err = r.Pull(ctx, "web", "nope", PullTo{Dir: filepath.Join(out, "no")})
		checkError(t, err, "no such version or channel", "list web")
		left, err := os.ReadDir(out)
		if err != nil || len(left) != 3 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// checkPulled reads a pulled layout with oras, all blobs of each name.
func checkPulled(t *testing.T, dir string, names ...string) {
	t.Helper()
	ctx := context.Background()
	store, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		desc, err := store.Resolve(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if whole, err := newLayout(dir).whole(ctx, desc); !whole || err != nil {
			t.Errorf("%s: whole %v, %v", name, whole, err)
		}
	}
}

func untar(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			write(t, path, string(data), 0o644)
		}
	}
}

// checkDocker reads manifest.json as docker load does.
func checkDocker(t *testing.T, dir string, rec artifact.Record) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []dockerImage
	if err := json.Unmarshal(data, &list); err != nil || len(list) != 1 {
		t.Fatalf("manifest.json: %v, %v", list, err)
	}
	if len(list[0].RepoTags) != 1 || list[0].RepoTags[0] != "web:1.4.0" || len(list[0].Layers) != 1 {
		t.Errorf("manifest.json: %+v", list[0])
	}
	for _, name := range append(list[0].Layers, list[0].Config) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", rec.Build, err)
		}
	}
}

// TestDigestsFromOutside has a version whose digests are paths.
func TestDigestsFromOutside(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, "", t.TempDir())
	for i, d := range []string{"../../etc/passwd", "sha256:../../../etc/passwd", "", "sha256:" + strings.Repeat("A", 64)} {
		rec := machine("docker.web", fmt.Sprint(i))
		rec.Artifact.Image = &artifact.Image{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: 1}
		if err := r.Record(ctx, "web", rec); err == nil {
			t.Errorf("%q is taken", d)
		}
		doc := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, ArtifactType: VersionType,
			Annotations: map[string]string{ocispec.AnnotationVersion: "9"},
			Manifests:   []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageManifest, Digest: digestOf(d), Size: 1}}}
		desc, err := push(ctx, r.layout, doc.MediaType, doc)
		if err != nil {
			t.Fatal(err)
		}
		if err := (&layoutBucket{r.layout, "bad"}).name(ctx, desc, "9"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Pull(ctx, "bad", "9", PullTo{Dir: filepath.Join(t.TempDir(), "out")}); err == nil {
			t.Errorf("%q is pulled", d)
		}
	}
}

func BenchmarkThousandVersions(b *testing.B) {
	ctx, dir := context.Background(), b.TempDir()
	r, err := Open("", dir)
	if err != nil {
		b.Fatal(err)
	}
	var last artifact.Record
	for i := range 1000 {
		last = machine("null.web", fmt.Sprint(i))
		if _, _, err := r.Publish(ctx, Version{Bucket: "web", Name: fmt.Sprintf("v%d", i), Channels: []string{"edge"}, Records: []artifact.Record{last}}); err != nil {
			b.Fatal(err)
		}
	}
	cold := func(do func(r *Registry) (bool, error)) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				r, err := Open("", dir) // as a new process
				if err != nil {
					b.Fatal(err)
				}
				if ok, err := do(r); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		}
	}
	b.Run("lookup", cold(func(r *Registry) (bool, error) { _, ok, err := r.Lookup(ctx, "web", last.Key); return ok, err }))
	b.Run("latest", cold(func(r *Registry) (bool, error) { _, ok, err := r.Latest(ctx, "web"); return ok, err }))
	b.Run("versions", cold(func(r *Registry) (bool, error) { v, err := r.Versions(ctx, "web"); return len(v) == 1000, err }))
}
