package registry

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// explain says where and while doing what an error came up, and what the user
// can do about it.
func (r *Registry) explain(op string, err error) error {
	var conflict *ConflictError
	if err == nil || errors.As(err, &conflict) {
		return err
	}
	e := &Error{Op: "registry " + r.address + ": " + op, Err: plain(err)}
	var inner *Error
	if errors.As(err, &inner) && inner.Advice != "" {
		e.Advice = inner.Advice
		return e
	}
	if r.Remote() {
		r.explainRemote(e, err)
	}
	if e.Advice == "" {
		r.explainLocal(e, err)
	}
	return e
}

func (r *Registry) explainRemote(e *Error, err error) {
	host, _, _ := strings.Cut(r.address, "/")
	var resp *errcode.ErrorResponse
	var netErr net.Error
	switch {
	case errors.As(err, &resp):
		e.Err = &restated{statusText(resp), err}
		e.Advice = statusAdvice(resp.StatusCode, host)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		e.Err = &restated{"the registry asks for a login, and there is none for " + host, err}
		e.Advice = statusAdvice(http.StatusUnauthorized, host)
	case errors.Is(err, context.Canceled):
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Advice = "the registry talks plain http: ingot does so only with registries of this host, or when the address starts with http://"
	case errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		e.Err = &restated{"the registry does not answer: " + root(err).Error(), err}
		e.Advice = "check the address, and that " + host + " can be reached from here"
	case strings.Contains(err.Error(), "credential"):
		e.Advice = "the login is read from " + dockerConfig() + " and the helpers it names"
	}
}

func statusText(resp *errcode.ErrorResponse) string {
	text := http.StatusText(resp.StatusCode)
	if len(resp.Errors) > 0 {
		text = resp.Errors[0].Code
		if m := resp.Errors[0].Message; m != "" {
			text = m
		}
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return "the registry refuses the login: " + text
	case http.StatusForbidden:
		return "the registry denies access: " + text
	}
	return "the registry answers " + strconv.Itoa(resp.StatusCode) + ": " + text
}

func statusAdvice(status int, host string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "log in with: docker login " + host + " (ingot reads " + dockerConfig() + ")"
	case status == http.StatusForbidden:
		return "the login of " + dockerConfig() + " for " + host + " may not do this; another one: docker login " + host
	case status == http.StatusTooManyRequests:
		return "the registry limits requests: try again later"
	case status >= 500:
		return "the registry has a problem of its own: try again later; what was pushed is kept"
	}
	return ""
}

func (r *Registry) explainLocal(e *Error, err error) {
	var corrupt *corruptError
	switch {
	case errors.As(err, &corrupt):
		e.Advice = r.corruptAdvice(corrupt)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		e.Advice = "the folder " + r.layout.dir + " must be readable and writable; -registry or INGOT_REGISTRY names another registry"
	case errors.Is(err, syscall.ENOSPC):
		e.Advice = "the disk is full: ingot registry gc removes what no version uses"
	case errors.Is(err, errdef.ErrNotFound):
		e.Advice = "content of the registry was removed; build again with -force to make it anew"
	}
}

func (r *Registry) corruptAdvice(c *corruptError) string {
	if c.digest == r.layout.indexPath() {
		return "restore the file from a copy; without it the registry begins anew and finds none of its versions"
	}
	path, err := r.layout.blobPath(digest.Digest(c.digest))
	if err != nil || r.Remote() {
		return "the content was changed after it was published"
	}
	return "remove " + path + " and build again: what is missing is made anew"
}

// restated is an error told in other words.
type restated struct {
	text string
	err  error
}

func (e *restated) Error() string { return e.text }
func (e *restated) Unwrap() error { return e.err }

// plain returns the part of an error's chain that comes after what libraries
// say about themselves ("failed to …").
func plain(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if !strings.Contains(e.Error(), "failed to") {
			return e
		}
	}
	return err
}

// root returns the innermost error.
func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// transient reports whether a transfer may succeed when it is tried again.
func transient(err error) bool {
	var resp *errcode.ErrorResponse
	if errors.As(err, &resp) {
		return resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
	}
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF)
}

func isStatus(err error, status int) bool {
	var resp *errcode.ErrorResponse
	return errors.As(err, &resp) && resp.StatusCode == status
}

// dockerConfig returns the file that logins are read from.
func dockerConfig() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "config.json of the docker client"
	}
	return filepath.Join(home, ".docker", "config.json")
}
