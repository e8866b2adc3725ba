package gce

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"

	"google.golang.org/api/storage/v1"

	"github.com/ingot-build/ingot/internal/sandbox/gce/discovery"
)

// Uploads to Cloud Storage: the content alone, with what is said of it, or in
// parts: https://cloud.google.com/storage/docs/resumable-uploads

const uploadPath = "/upload"

// session is an upload in parts. It is in no inventory: the service lists none,
// and forgets them after a week.
type session struct {
	Name   string  `json:"name"` // "bucket/key"
	Object *object `json:"object"`
	Done   bool    `json:"done,omitempty"`
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	name, act := "storage.objects.insert", s.beginUpload
	if r.URL.Query().Has("upload_id") {
		name, act = "storage.objects.upload", s.resumeUpload
	}
	s.serve(w, r, name, func(w http.ResponseWriter, r *http.Request) {
		if err := act(w, r); err != nil {
			_, _ = io.Copy(io.Discard, r.Body) // else the client may see no answer, only that it can't go on sending
			writeError(w, err)
		}
	})
}

// beginUpload takes an object whole, or begins to take it in parts.
func (s *Server) beginUpload(w http.ResponseWriter, r *http.Request) error {
	if _, err := caller(r); err != nil {
		return err
	}
	if err := mayStore(tokenScopes(bearer(r)), true); err != nil {
		return err
	}
	inner := r.Clone(r.Context())
	inner.URL.Path = strings.TrimPrefix(r.URL.Path, uploadPath)
	inner.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, uploadPath)
	method, params, err := s.api.Route(inner)
	if err != nil {
		return err
	}
	name := func(said storage.Object) (string, error) {
		key := params.Get("name")
		if said.Name != "" {
			key = said.Name
		}
		if key == "" {
			return "", &discovery.Violation{Reason: "required", Message: "Required"}
		}
		return params.Get("bucket") + "/" + key, nil
	}
	switch kind := params.Get("uploadType"); kind {
	case "media":
		return s.uploadWhole(w, storage.Object{ContentType: r.Header.Get("Content-Type")}, name, r.Body)
	case "multipart":
		said, content, err := s.parts(method, r)
		if err != nil {
			return err
		}
		return s.uploadWhole(w, said, name, content)
	case "resumable":
		said, err := s.described(method, r.Body)
		if err != nil {
			return err
		}
		if said.ContentType == "" {
			said.ContentType = r.Header.Get("X-Upload-Content-Type")
		}
		return s.openSession(w, r, said, name)
	default:
		return invalid("uploadType", kind, "It is none of media, multipart, resumable.")
	}
}

// described reads what is said of an object.
func (s *Server) described(method *discovery.Method, r io.Reader) (storage.Object, error) {
	var o storage.Object
	text, err := io.ReadAll(io.LimitReader(r, maxBody))
	if err != nil {
		return o, err
	}
	body, err := s.api.Request(method, text)
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(body, &o)
}

// parts reads the first part of a body, and returns the second.
func (s *Server) parts(method *discovery.Method, r *http.Request) (storage.Object, io.Reader, error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return storage.Object{}, nil, badRequest("Malformed multipart body.")
	}
	all := multipart.NewReader(r.Body, params["boundary"])
	first, err := all.NextRawPart()
	if err != nil {
		return storage.Object{}, nil, badRequest("Malformed multipart body.")
	}
	said, err := s.described(method, first)
	if err != nil {
		return said, nil, err
	}
	second, err := all.NextRawPart()
	if err != nil {
		return said, nil, badRequest("Malformed multipart body.")
	}
	if said.ContentType == "" {
		said.ContentType = second.Header.Get("Content-Type")
	}
	return said, second, nil
}

func newObject(said storage.Object) *object {
	return &object{File: "gcs-" + rand.Text(), Type: said.ContentType, Metadata: said.Metadata}
}

func (s *Server) uploadWhole(w http.ResponseWriter, said storage.Object, nameOf func(storage.Object) (string, error), content io.Reader) error {
	name, err := nameOf(said)
	if err != nil {
		return err
	}
	o := newObject(said)
	if _, err := s.extend(o, 0, content); err != nil {
		return errors.Join(err, os.Remove(s.file(o.File)))
	}
	if err := s.store(name, o); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, o.api(name))
	return nil
}

// extend writes content into an object's file, from some byte on. It returns
// where it ends, also with an error.
func (s *Server) extend(o *object, from int64, content io.Reader) (int64, error) {
	f, err := os.OpenFile(s.file(o.File), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return from, err
	}
	n, err := io.Copy(io.NewOffsetWriter(f, from), content)
	return from + n, errors.Join(err, f.Close())
}

func (s *Server) openSession(w http.ResponseWriter, r *http.Request, said storage.Object, nameOf func(storage.Object) (string, error)) error {
	name, err := nameOf(said)
	if err != nil {
		return err
	}
	id := rand.Text()
	up := &session{Name: name, Object: newObject(said)}
	if _, err := s.extend(up.Object, 0, strings.NewReader("")); err != nil {
		return err
	}
	s.locked(func() { s.state.Uploads[id], s.dirty = up, true })
	bucket, _, _ := strings.Cut(name, "/")
	w.Header().Set("Location", fmt.Sprintf("http://%s%s/storage/v1/b/%s/o?uploadType=resumable&upload_id=%s", r.Host, uploadPath, bucket, id))
	w.Header().Set("X-Guploader-Uploadid", id)
	w.WriteHeader(http.StatusOK)
	return nil
}

// partGrain is what the size of a part must be a multiple of, but for the last.
const partGrain = 256 << 10

// resumeUpload takes a part, "bytes FROM-TO/SIZE", where SIZE may be "*"; or
// says how far it has come, for "bytes */SIZE". The address of a session is all
// that one needs.
func (s *Server) resumeUpload(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	up := s.state.Uploads[r.URL.Query().Get("upload_id")]
	s.mu.Unlock()
	if up == nil {
		return &apiError{Code: 410, Reason: "gone", Message: "The upload session is not there any more."}
	}
	if up.Done {
		_, _ = io.Copy(io.Discard, r.Body)
		writeJSON(w, http.StatusOK, up.Object.api(up.Name))
		return nil
	}
	span, size, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	if !ok {
		span, size = "0-", "*"
		if r.ContentLength >= 0 {
			size = strconv.FormatInt(r.ContentLength, 10)
		}
	}
	if err := s.takePart(up, span, size, r.Body); err != nil {
		return err
	}
	if size != strconv.FormatInt(up.Object.Size, 10) {
		if up.Object.Size > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", up.Object.Size-1))
		}
		status := http.StatusPermanentRedirect
		if r.Header.Get("X-Guploader-No-308") == "yes" {
			w.Header().Set("X-Http-Status-Code-Override", "308")
			status = http.StatusOK
		}
		w.WriteHeader(status)
		return nil
	}
	if err := s.store(up.Name, up.Object); err != nil {
		return err
	}
	s.locked(func() { up.Done, s.dirty = true, true })
	writeJSON(w, http.StatusOK, up.Object.api(up.Name))
	return nil
}

// takePart writes a part. What the session has already is not taken again.
func (s *Server) takePart(up *session, span, size string, content io.Reader) error {
	if span == "*" {
		return nil
	}
	first, last, _ := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from > up.Object.Size {
		return &apiError{Code: 503, Reason: "backendError", Message: fmt.Sprintf("Invalid request. The part %s does not follow byte %d.", span, up.Object.Size)}
	}
	if to, err := strconv.ParseInt(last, 10, 64); err == nil && size == "*" && (to+1-from)%partGrain != 0 {
		return invalid("Content-Range", span, "Its size is not a multiple of %d.", partGrain)
	}
	end, err := s.extend(up.Object, from, content)
	s.locked(func() { up.Object.Size, s.dirty = max(end, up.Object.Size), true })
	return err
}
