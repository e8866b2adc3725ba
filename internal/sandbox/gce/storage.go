package gce

import (
	"crypto/md5" //nolint:gosec // what the service names objects' content by
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/storage/v1"
)

// object is a file in Cloud Storage. Every bucket that somebody names is there.
type object struct {
	File       string            `json:"file"` // in the folder disks
	Size       int64             `json:"size"`
	CRC        uint32            `json:"crc"` // of Castagnoli
	MD5        []byte            `json:"md5"`
	Generation int64             `json:"generation"`
	Created    time.Time         `json:"created"`
	Type       string            `json:"type,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
}

func noObject(name string) error {
	return &apiError{Code: 404, Reason: "notFound", Message: "No such object: " + name}
}

func (c *call) object() (string, *object, error) {
	if err := mayStore(c.scopes, c.method.HTTP != http.MethodGet); err != nil {
		return "", nil, err
	}
	name := c.param("bucket") + "/" + c.param("object")
	if o := c.state.Objects[name]; o != nil {
		return name, o, nil
	}
	return "", nil, noObject(name)
}

// mayStore reports whether a token of these scopes is good for Cloud Storage;
// one that has none listed is good for all.
func mayStore(scopes []string, write bool) error {
	good := []string{"cloud-platform", "devstorage.full_control", "devstorage.read_write"}
	if !write {
		good = append(good, "devstorage.read_only", "cloud-platform.read-only")
	}
	for _, scope := range scopes {
		if slices.Contains(good, path.Base(scope)) {
			return nil
		}
	}
	if len(scopes) == 0 {
		return nil
	}
	return &apiError{Code: 403, Reason: "insufficientPermissions", Message: "Request had insufficient authentication scopes."}
}

func getObject(c *call) (any, error) {
	name, o, err := c.object()
	if err != nil {
		return nil, err
	}
	return o.api(name), nil
}

// insertObject refuses an object without content, as the service does.
func insertObject(*call) (any, error) {
	return nil, badRequest("Upload requests must include an uploadType URL parameter and a URL path beginning with /upload/")
}

func deleteObject(c *call) (any, error) {
	name, o, err := c.object()
	if err != nil {
		return nil, err
	}
	delete(c.state.Objects, name)
	c.dirty = true
	if err := os.Remove(c.file(o.File)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return struct{}{}, nil
}

// api is an object as the service describes it.
func (o *object) api(name string) *storage.Object {
	bucket, key, _ := strings.Cut(name, "/")
	stamp := o.Created.UTC().Format("2006-01-02T15:04:05.000Z")
	return &storage.Object{
		Kind: "storage#object", Id: fmt.Sprintf("%s/%d", name, o.Generation), Name: key, Bucket: bucket, Size: uint64(o.Size),
		Crc32c:  base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, o.CRC)),
		Md5Hash: base64.StdEncoding.EncodeToString(o.MD5), Generation: o.Generation, Metageneration: 1,
		TimeCreated: stamp, Updated: stamp, ContentType: o.Type, Metadata: o.Metadata, StorageClass: "STANDARD",
		SelfLink: "https://www.googleapis.com/storage/v1/b/" + bucket + "/o/" + strings.ReplaceAll(key, "/", "%2F"),
	}
}

// download answers with the content of an object.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	method, params, err := s.api.Route(r)
	if err == nil {
		_, err = caller(r)
	}
	if err == nil && method.ID != "storage.objects.get" {
		err = badRequest("The method has no media.")
	}
	if err == nil {
		err = mayStore(tokenScopes(bearer(r)), false)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	name := params.Get("bucket") + "/" + params.Get("object")
	s.mu.Lock()
	o := s.state.Objects[name]
	s.mu.Unlock()
	if o == nil {
		writeError(w, noObject(name))
		return
	}
	f, err := os.Open(s.file(o.File))
	if err != nil {
		writeError(w, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", o.Type)
	http.ServeContent(w, r, "", o.Created, f)
}

// store makes an object of a file that is complete.
func (s *Server) store(name string, o *object) error {
	f, err := os.Open(s.file(o.File))
	if err != nil {
		return err
	}
	defer f.Close()
	crc, sum := crc32.New(castagnoli), md5.New() //nolint:gosec // see above
	size, err := io.Copy(io.MultiWriter(crc, sum), f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Size, o.CRC, o.MD5, o.Created = size, crc.Sum32(), sum.Sum(nil), time.Now()
	o.Generation = o.Created.UnixMicro()
	if old := s.state.Objects[name]; old != nil {
		_ = os.Remove(s.file(old.File)) // it is not found any more in any case
	}
	s.state.Objects[name], s.dirty = o, true
	return s.save()
}
