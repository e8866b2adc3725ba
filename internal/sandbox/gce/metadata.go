package gce

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// The metadata server of an instance, at http://metadata.google.internal.

// folder is a folder of metadata. Its values are folders, lists of them, text,
// and lists of text.
type folder map[string]any

type (
	lines   []string // a line each
	oneLine []string // as JSON, also where text is asked for
)

// storageHost is where machines reach Cloud Storage: by its real name, though
// with no TLS, for which they would have to trust somebody.
const storageHost = "storage.googleapis.com"

const metadataRoot = "/computeMetadata/v1/"

// metadataServer answers the requests of one instance.
func (s *Server) metadataServer(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == storageHost {
			s.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Metadata-Flavor", "Google")
		w.Header().Set("Server", "Metadata Server for VM")
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, "computeMetadata/\n")
			return
		}
		if r.Header.Get("Metadata-Flavor") != "Google" || r.Header.Get("X-Forwarded-For") != "" {
			http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
			return
		}
		below, ok := strings.CutPrefix(r.URL.Path, metadataRoot)
		if !ok {
			http.NotFound(w, r)
			return
		}
		if name, ok := strings.CutPrefix(below, "instance/guest-attributes/"); ok && r.Method != http.MethodGet {
			s.writeGuest(w, r, path, name)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "Method not allowed.", http.StatusMethodNotAllowed)
			return
		}
		s.readMetadata(w, r, path, below)
	})
}

func (s *Server) readMetadata(w http.ResponseWriter, r *http.Request, path, below string) {
	q := r.URL.Query()
	var limit <-chan time.Time
	if n, err := strconv.Atoi(q.Get("timeout_sec")); err == nil && n > 0 {
		t := time.NewTimer(time.Duration(n) * time.Second)
		defer t.Stop()
		limit = t.C
	}
	first := ""
	for {
		text, kind, changed, err := s.metadata(path, below, q.Get("recursive") == "true", q.Get("alt"))
		if err == errIsFolder {
			http.Redirect(w, r, r.URL.Path+"/?"+r.URL.RawQuery, http.StatusMovedPermanently)
			return
		}
		if err != nil {
			http.NotFound(w, r)
			return
		}
		sum := sha256.Sum256(text)
		etag := hex.EncodeToString(sum[:8])
		if first == "" {
			if first = q.Get("last_etag"); first == "" || first == "0" {
				first = etag
				if q.Get("last_etag") == "0" {
					first = "0"
				}
			}
		}
		if q.Get("wait_for_change") == "true" && etag == first {
			select {
			case <-changed:
				continue
			case <-limit:
			case <-r.Context().Done():
				return
			case <-s.ctx.Done():
				return
			}
		}
		w.Header().Set("ETag", etag)
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text)
		return
	}
}

var (
	errIsFolder   = errors.New("a folder")
	errNoMetadata = errors.New("not found")
)

// metadata renders what is at a path, and returns the channel that is closed
// when it may have changed.
func (s *Server) metadata(path, below string, recursive bool, alt string) ([]byte, string, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.state.Resources[path]
	if r == nil {
		return nil, "", nil, errNoMetadata
	}
	if strings.HasPrefix(below, "instance/guest-attributes") && !s.enabled(r, "enable-guest-attributes") {
		return nil, "", nil, errNoMetadata
	}
	if account, ok := strings.CutSuffix(below, "/token"); ok && strings.HasPrefix(account, "instance/service-accounts/") && len(r.Instance.ServiceAccounts) > 0 {
		text, err := json.Marshal(newToken(r.Instance.ServiceAccounts[0].Email, r.Instance.ServiceAccounts[0].Scopes...))
		return text, "application/json", s.changed, err
	}
	var at any = s.metadataTree(path, r)
	for name := range strings.SplitSeq(strings.Trim(below, "/"), "/") {
		if name == "" {
			continue
		}
		switch v := at.(type) {
		case folder:
			at = v[name]
		case []folder:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(v) {
				return nil, "", nil, errNoMetadata
			}
			at = v[n]
		default:
			at = nil
		}
		if at == nil {
			return nil, "", nil, errNoMetadata
		}
	}
	text, kind, err := renderMetadata(at, below, recursive, alt)
	return text, kind, s.changed, err
}

func renderMetadata(at any, below string, recursive bool, alt string) ([]byte, string, error) {
	var listing []string
	switch v := at.(type) {
	case folder:
		for name, value := range v {
			switch value.(type) {
			case folder, []folder:
				name += "/"
			}
			listing = append(listing, name)
		}
		sort.Strings(listing)
	case []folder:
		for i := range v {
			listing = append(listing, strconv.Itoa(i)+"/")
		}
	default:
		if alt == "json" {
			text, err := json.Marshal(at)
			return text, "application/json", err
		}
		return []byte(plain(at)), "application/text", nil
	}
	if recursive {
		if alt == "text" {
			var b strings.Builder
			flatten(&b, "", at)
			return []byte(b.String()), "application/text", nil
		}
		text, err := json.Marshal(camel(at, !strings.Contains(below, "attributes") && !strings.Contains(below, "service-accounts")))
		return text, "application/json", err
	}
	if !strings.HasSuffix(below, "/") && below != "" {
		return nil, "", errIsFolder
	}
	text := strings.Join(listing, "\n")
	if text != "" {
		text += "\n"
	}
	return []byte(text), "application/text", nil
}

func plain(v any) string {
	switch v := v.(type) {
	case lines:
		return strings.Join(v, "\n")
	case oneLine:
		text, _ := json.Marshal(append([]string{}, v...))
		return string(text)
	}
	return fmt.Sprint(v)
}

func flatten(b *strings.Builder, prefix string, at any) {
	switch v := at.(type) {
	case folder:
		for _, name := range sortedKeys(v) {
			flatten(b, prefix+"/"+name, v[name])
		}
	case []folder:
		for i := range v {
			flatten(b, prefix+"/"+strconv.Itoa(i), v[i])
		}
	default:
		fmt.Fprintf(b, "%s %s\n", strings.TrimPrefix(prefix, "/"), plain(v))
	}
}

// camel turns the names of folders as "machine-type" into those that JSON has,
// as "machineType". Names that users chose stay.
func camel(at any, rename bool) any {
	switch v := at.(type) {
	case folder:
		out := map[string]any{}
		for name, value := range v {
			free := name == "attributes" || name == "guest-attributes" || name == "service-accounts"
			if rename {
				parts := strings.Split(name, "-")
				for i := 1; i < len(parts); i++ {
					if parts[i] != "" {
						parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
					}
				}
				name = strings.Join(parts, "")
			}
			out[name] = camel(value, rename && !free)
		}
		return out
	case []folder:
		out := []any{}
		for _, item := range v {
			out = append(out, camel(item, rename))
		}
		return out
	}
	return at
}

const maxGuestAttribute = 256 << 10 // bytes

// writeGuest sets or removes a guest attribute, "NAMESPACE/KEY".
func (s *Server) writeGuest(w http.ResponseWriter, r *http.Request, path, name string) {
	namespace, key, ok := strings.Cut(strings.Trim(name, "/"), "/")
	if !ok || namespace == "" || key == "" || strings.Contains(key, "/") {
		http.Error(w, "A guest attribute has a namespace and a key.", http.StatusBadRequest)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxGuestAttribute+1))
	if err != nil || len(text) > maxGuestAttribute {
		http.Error(w, "The value is too large.", http.StatusRequestEntityTooLarge)
		return
	}
	status := http.StatusOK
	s.locked(func() {
		in := s.state.Resources[path]
		switch {
		case in == nil || !s.enabled(in, "enable-guest-attributes"):
			status = http.StatusForbidden
		case r.Method == http.MethodPut:
			if in.Guest == nil {
				in.Guest = map[string]string{}
			}
			in.Guest[namespace+"/"+key] = string(text)
		case r.Method == http.MethodDelete:
			delete(in.Guest, namespace+"/"+key)
		default:
			status = http.StatusMethodNotAllowed
		}
		if status == http.StatusOK {
			s.dirty = true
			close(s.changed)
			s.changed = make(chan struct{})
		}
	})
	if status != http.StatusOK {
		http.Error(w, "Guest attributes endpoint access is disabled.", status)
	}
}
