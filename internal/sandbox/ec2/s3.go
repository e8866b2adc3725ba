package ec2

import (
	"crypto/md5" //nolint:gosec // what an ETag is
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// object is a file in S3. Every bucket that somebody names is there.
type object struct {
	File    string
	Size    int64
	ETag    string
	Created time.Time
}

// upload is an object that comes in parts.
type upload struct {
	Name    string // "bucket/key"
	Created time.Time
	Parts   map[int]object
}

// s3call is a request to S3, with the bucket in its path.
type s3call struct {
	*Server
	action, bucket, key string
	r                   *http.Request
}

func (c *s3call) name() string { return c.bucket + "/" + c.key }

func (s *Server) serveS3(w http.ResponseWriter, r *http.Request, sc scope) {
	c := &s3call{Server: s, r: r, action: s3Action(r)}
	c.bucket, c.key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.Faults.Serve(w, r, "s3."+c.action+"@"+sc.region, func(w http.ResponseWriter, r *http.Request) {
		sum := r.Header.Get("X-Amz-Content-Sha256")
		err := s.authenticate(sc, r, sum)
		if err == nil {
			err = c.serve(w, sum)
		}
		if err != nil {
			refuseS3(w, r, asError(err))
		}
	}, func(w http.ResponseWriter, r *http.Request, rule fault.Rule) { refuseS3(w, r, ruled(rule)) })
}

// s3Action is the name of the action that a request is.
func s3Action(r *http.Request) string {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	switch r.Method + " " + map[bool]string{true: "object", false: "bucket"}[key != ""] {
	case "PUT bucket":
		return "CreateBucket"
	case "HEAD bucket":
		return "HeadBucket"
	case "GET bucket":
		if q.Has("uploads") {
			return "ListMultipartUploads"
		}
	case "HEAD object":
		return "HeadObject"
	case "PUT object":
		switch {
		case r.Header.Get("X-Amz-Copy-Source") != "":
			return "CopyObject"
		case q.Has("uploadId"):
			return "UploadPart"
		}
		return "PutObject"
	case "POST object":
		if q.Has("uploads") {
			return "CreateMultipartUpload"
		}
		return "CompleteMultipartUpload"
	case "DELETE object":
		if q.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	}
	return r.Method + " " + bucket
}

func (c *s3call) serve(w http.ResponseWriter, sum string) error {
	switch c.action {
	case "CreateBucket", "HeadBucket":
		w.WriteHeader(http.StatusOK)
		return nil
	case "PutObject", "UploadPart":
		return c.put(w, sum)
	case "HeadObject":
		return c.head(w)
	case "DeleteObject":
		c.change(func(s *state) { c.drop(s.Objects[c.name()]); delete(s.Objects, c.name()) })
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "CreateMultipartUpload":
		id := hexOf(32)
		c.change(func(s *state) { s.Uploads[id] = &upload{Name: c.name(), Created: time.Now(), Parts: map[int]object{}} })
		return answerS3(w, struct {
			XMLName xml.Name `xml:"InitiateMultipartUploadResult"`
			Bucket  string
			Key     string
			ID      string `xml:"UploadId"`
		}{Bucket: c.bucket, Key: c.key, ID: id})
	case "CompleteMultipartUpload":
		return c.complete(w)
	case "AbortMultipartUpload":
		return c.abort(w)
	case "ListMultipartUploads":
		return c.uploads(w)
	}
	return fail("NotImplemented", "The sandbox's S3 does not have this request: %s", c.action)
}

// change changes the state, and returns when it is stored.
func (c *s3call) change(f func(*state)) {
	c.mu.Lock()
	f(c.state)
	stored := c.save()
	c.mu.Unlock()
	<-stored
}

// drop removes what an object holds.
func (*s3call) drop(o *object) {
	if o != nil {
		_ = os.Remove(o.File) // it is not found any more in any case
	}
}

// put takes an object, or a part of one, as its body comes.
func (c *s3call) put(w http.ResponseWriter, sum string) error {
	if strings.HasPrefix(sum, "STREAMING-") {
		return fail("NotImplemented", "The sandbox's S3 does not take bodies with %s", sum)
	}
	o, got, err := c.receive()
	if err != nil {
		return err
	}
	if sum != "UNSIGNED-PAYLOAD" && sum != got {
		c.drop(&o)
		return fail("BadDigest", "The body has the SHA-256 %s, and not %s", got, sum)
	}
	if c.action == "PutObject" {
		c.change(func(s *state) {
			c.drop(s.Objects[c.name()])
			s.Objects[c.name()] = &o
		})
	} else {
		number, _ := strconv.Atoi(c.r.URL.Query().Get("partNumber"))
		found := false
		c.change(func(s *state) {
			u := s.Uploads[c.r.URL.Query().Get("uploadId")]
			if found = u != nil && number > 0; found {
				old := u.Parts[number]
				c.drop(&old)
				u.Parts[number] = o
			}
		})
		if !found {
			c.drop(&o)
			return noUpload()
		}
	}
	w.Header().Set("ETag", strconv.Quote(o.ETag))
	w.WriteHeader(http.StatusOK)
	return nil
}

func noUpload() error {
	return fail("NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
}

// receive writes the body to a file, and returns its SHA-256 too.
func (c *s3call) receive() (object, string, error) {
	o := object{File: filepath.Join(c.Dir, "s3-"+hexOf(32)), Created: time.Now()}
	f, err := os.OpenFile(o.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return o, "", err
	}
	sum, tag := sha256.New(), md5.New() //nolint:gosec // what an ETag is
	o.Size, err = io.Copy(io.MultiWriter(f, sum, tag), c.r.Body)
	if err := errors.Join(err, f.Close()); err != nil {
		c.drop(&o)
		return o, "", err
	}
	o.ETag = hex.EncodeToString(tag.Sum(nil))
	return o, hex.EncodeToString(sum.Sum(nil)), nil
}

func (c *s3call) head(w http.ResponseWriter) error {
	c.mu.Lock()
	o := c.state.Objects[c.name()]
	c.mu.Unlock()
	if o == nil {
		return fail("NoSuchKey", "The specified key does not exist.")
	}
	w.Header().Set("Content-Length", strconv.FormatInt(o.Size, 10))
	w.Header().Set("ETag", strconv.Quote(o.ETag))
	w.Header().Set("Last-Modified", o.Created.UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusOK)
	return nil
}

// complete makes an object of the parts that the request lists.
func (c *s3call) complete(w http.ResponseWriter) error {
	var in struct {
		Parts []struct {
			ETag       string
			PartNumber int
		} `xml:"Part"`
	}
	if err := xml.NewDecoder(io.LimitReader(c.r.Body, maxBody)).Decode(&in); err != nil {
		return fail("MalformedXML", "%v", err)
	}
	id := c.r.URL.Query().Get("uploadId")
	c.mu.Lock()
	u := c.state.Uploads[id]
	c.mu.Unlock()
	if u == nil || u.Name != c.name() {
		return noUpload()
	}
	o := &object{File: filepath.Join(c.Dir, "s3-"+hexOf(32)), Created: time.Now()}
	out, err := os.OpenFile(o.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var errs []error
	tags := md5.New() //nolint:gosec // what an ETag is
	for _, p := range in.Parts {
		part, ok := u.Parts[p.PartNumber]
		if !ok || part.ETag != strings.Trim(p.ETag, `"`) {
			errs = append(errs, fail("InvalidPart", "One or more of the specified parts could not be found: %d", p.PartNumber))
			break
		}
		raw, _ := hex.DecodeString(part.ETag)
		tags.Write(raw)
		n, err := appendFile(out, part.File)
		o.Size += n
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, out.Close())...); err != nil {
		c.drop(o)
		return err
	}
	o.ETag = fmt.Sprintf("%x-%d", tags.Sum(nil), len(in.Parts))
	c.change(func(s *state) {
		c.drop(s.Objects[c.name()])
		s.Objects[c.name()] = o
		c.forgetUpload(s, id)
	})
	return answerS3(w, struct {
		XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}{Bucket: c.bucket, Key: c.key, ETag: strconv.Quote(o.ETag)})
}

func appendFile(out *os.File, name string) (int64, error) {
	in, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	return io.Copy(out, in)
}

func (c *s3call) forgetUpload(s *state, id string) bool {
	u := s.Uploads[id]
	if u == nil {
		return false
	}
	for _, p := range u.Parts {
		c.drop(&p)
	}
	delete(s.Uploads, id)
	return true
}

func (c *s3call) abort(w http.ResponseWriter) error {
	found := false
	c.change(func(s *state) { found = c.forgetUpload(s, c.r.URL.Query().Get("uploadId")) })
	if !found {
		return noUpload()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type uploadOut struct {
	Key       string
	ID        string `xml:"UploadId"`
	Initiated string
}

func (c *s3call) uploads(w http.ResponseWriter) error {
	var list []uploadOut
	c.mu.Lock()
	for id, u := range c.state.Uploads {
		if bucket, key, _ := strings.Cut(u.Name, "/"); bucket == c.bucket && strings.HasPrefix(key, c.r.URL.Query().Get("prefix")) {
			list = append(list, uploadOut{key, id, u.Created.UTC().Format(time.RFC3339)})
		}
	}
	c.mu.Unlock()
	slices.SortFunc(list, func(a, b uploadOut) int { return strings.Compare(a.Key+a.ID, b.Key+b.ID) })
	return answerS3(w, struct {
		XMLName     xml.Name `xml:"ListMultipartUploadsResult"`
		Bucket      string
		IsTruncated bool
		Upload      []uploadOut
	}{Bucket: c.bucket, Upload: list})
}

func answerS3(w http.ResponseWriter, out any) error {
	body, err := xml.Marshal(out)
	if err == nil {
		write(w, "application/xml", http.StatusOK, append([]byte(xml.Header), body...))
	}
	return err
}

func refuseS3(w http.ResponseWriter, r *http.Request, e *query.Error) {
	_, _ = io.Copy(io.Discard, r.Body) // else the client may see no answer, only that it can't go on sending
	status := e.Status
	switch e.Code {
	case "NoSuchKey", "NoSuchUpload":
		status = http.StatusNotFound
	case "NotImplemented":
		status = http.StatusNotImplemented
	}
	w.Header().Set("X-Amz-Request-Id", requestID())
	write(w, "application/xml", status, []byte(xml.Header+
		"<Error><Code>"+text(e.Code)+"</Code><Message>"+text(e.Message)+"</Message></Error>"))
}
