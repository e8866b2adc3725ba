package gcp

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	xoauth2 "golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/outage"
)

// LoginError says that there are no credentials, or that no token could be had
// for them.
type LoginError struct{ Err error }

func (e *LoginError) Error() string {
	text, _, _ := strings.Cut(e.Err.Error(), "\n")
	if strings.Contains(text, "could not find default credentials") || strings.Contains(text, metadataPath) {
		return "there are no credentials for Google Cloud"
	}
	return "log in to Google Cloud: " + text
}

func (e *LoginError) Unwrap() error { return e.Err }

// Hint says how to log in.
func (e *LoginError) Hint() string {
	return "log in with: gcloud auth application-default login; or set credentials_file, or GOOGLE_APPLICATION_CREDENTIALS"
}

// metadataPath is where a machine of Google's gets its token from.
const metadataPath = "/computeMetadata/v1/instance/service-accounts/"

// isTokenError reports whether an error of a call is one of the token that it
// was to carry.
func isTokenError(err error) bool {
	var retrieve *xoauth2.RetrieveError
	var network *net.OpError
	text := err.Error()
	if strings.Contains(text, metadataPath) {
		return true
	}
	if errors.As(err, &network) {
		return false
	}
	return errors.As(err, &retrieve) || strings.Contains(text, "oauth2: ") || strings.Contains(text, "impersonate: ") ||
		strings.Contains(text, "vault: ") || strings.HasPrefix(text, "auth: ")
}

// OperationError is an operation that ended with an error.
type OperationError struct {
	Code    string // e.g. "ZONE_RESOURCE_POOL_EXHAUSTED"
	Message string
	Status  int // of HTTP, as the operation says; 0 where it says none
}

func (e *OperationError) Error() string { return e.Message }

func operationError(op *gce.Operation) error {
	if op.Error == nil || len(op.Error.Errors) == 0 {
		return nil
	}
	first := op.Error.Errors[0]
	e := &OperationError{Code: first.Code, Message: first.Message, Status: int(op.HttpErrorStatusCode)}
	if e.Message == "" {
		e.Message = first.Code
	}
	return e
}

// IsNotFound reports whether what was asked for is not there.
func IsNotFound(err error) bool {
	return hasStatus(err, http.StatusNotFound) || hasCode(err, "RESOURCE_NOT_FOUND")
}

// IsForbidden reports whether the account may not do it.
func IsForbidden(err error) bool { return hasStatus(err, http.StatusForbidden) }

// IsConflict reports whether the name is in use, or something else is going on
// with the resource.
func IsConflict(err error) bool {
	return hasStatus(err, http.StatusConflict) || hasCode(err, "RESOURCE_ALREADY_EXISTS")
}

// IsInUse reports whether a resource can't be changed because another uses it.
func IsInUse(err error) bool {
	return hasCode(err, "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE") || hasReason(err, "resourceInUseByAnotherResource") ||
		hasCode(err, "RESOURCE_NOT_READY") || hasReason(err, "resourceNotReady")
}

func hasStatus(err error, status int) bool {
	var api *googleapi.Error
	var op *OperationError
	return errors.As(err, &api) && api.Code == status || errors.As(err, &op) && op.Status == status
}

func hasCode(err error, code string) bool {
	var op *OperationError
	return errors.As(err, &op) && strings.HasPrefix(op.Code, code)
}

func hasReason(err error, reason string) bool {
	var api *googleapi.Error
	if !errors.As(err, &api) {
		return false
	}
	for _, e := range api.Errors {
		if e.Reason == reason {
			return true
		}
	}
	return false
}

var (
	storageRight   = regexp.MustCompile(`does not have (storage\.[a-zA-Z.]+) access`)
	permission     = regexp.MustCompile(`[Rr]equired '([a-zA-Z.]+)' permission for '([^']+)'`)
	missingProject = regexp.MustCompile(`[Rr]esource 'projects/([^'/]+)' was not found|[Pp]roject '?([a-z0-9:.-]+)'? (?:was )?not found|[Uu]nknown project id: ([a-z0-9:.-]+)`)
	disabledAPI    = regexp.MustCompile(`([A-Za-z() ]+ API) has not been used in project ([^ ]+) before or it is disabled`)
)

// Explain makes one clear line of an error of a call or an operation, with a
// hint where the user can do something about it.
func Explain(err error) error {
	var down *outage.Error
	if errors.As(err, &down) {
		return down
	}
	if err == nil || builders.Hint(err) != "" {
		return err
	}
	var api *googleapi.Error
	var op *OperationError
	switch {
	case errors.As(err, &op):
		return explainOperation(err, op)
	case errors.As(err, &api):
		return explainCall(api)
	}
	return err
}

// callError is an error of a call in words that fit into one line.
type callError struct {
	text string
	err  error
}

func (e *callError) Error() string { return e.text }
func (e *callError) Unwrap() error { return e.err }

func explainCall(api *googleapi.Error) error {
	text, _, _ := strings.Cut(strings.TrimSpace(api.Message), "\n")
	if text == "" {
		text = fmt.Sprintf("status %d", api.Code)
	}
	line := func(format string, args ...any) error { return &callError{fmt.Sprintf(format, args...), api} }
	if m := disabledAPI.FindStringSubmatch(text); m != nil {
		name := map[bool]string{true: "oslogin.googleapis.com", false: "compute.googleapis.com"}[strings.Contains(m[1], "OS Login")]
		if strings.Contains(m[1], "Secret") {
			name = "secretmanager.googleapis.com"
		}
		return builders.WithHint(line("the %s is not enabled in the project %s", strings.TrimSpace(m[1]), m[2]),
			"enable it with: gcloud services enable "+name+" --project "+m[2])
	}
	if m := missingProject.FindStringSubmatch(text); m != nil && (api.Code == http.StatusNotFound || api.Code == http.StatusBadRequest || api.Code == http.StatusForbidden) {
		return builders.WithHint(line("there is no project %q", m[1]+m[2]+m[3]), "check project_id: it is the project's id, not its name")
	}
	m := storageRight.FindStringSubmatch(text)
	if m == nil {
		m = permission.FindStringSubmatch(text)
	}
	if m != nil {
		return builders.WithHint(line("%s", text), "give the account a role that has "+m[1]+": docs/google.md lists the permissions that a build needs")
	}
	switch {
	case api.Code == http.StatusUnauthorized:
		return builders.WithHint(line("Google Cloud refused the credentials: %s", text),
			"the token may have expired: log in again with gcloud auth application-default login, or use credentials that can be renewed (credentials_file)")
	case len(api.Errors) > 0 && exhausted(api.Errors[0].Reason):
		return noRoom(line("%s", text))
	case hasReason(api, "quotaExceeded") || strings.Contains(text, "Quota '"):
		return quota(line("%s", text))
	}
	return line("%s", text)
}

func noRoom(err error) error {
	return builders.WithHint(err, "the zone has no room for this machine type now: set another zone or machine_type, or try again later")
}

func quota(err error) error {
	return builders.WithHint(err, "ask for more at https://console.cloud.google.com/iam-admin/quotas, remove what is not needed, or build elsewhere (zone)")
}

func explainOperation(err error, op *OperationError) error {
	switch {
	case exhausted(op.Code), op.Code == "STOCKOUT":
		return noRoom(err)
	case strings.HasPrefix(op.Code, "QUOTA_EXCEEDED"), strings.HasPrefix(op.Code, "QUOTAS_EXCEEDED"):
		return quota(err)
	case op.Code == "CONDITION_NOT_MET" && strings.Contains(op.Message, "externalIp"):
		return builders.WithHint(err, "the organization allows no external address: set omit_external_ip, with use_iap or use_internal_ip")
	}
	return err
}
