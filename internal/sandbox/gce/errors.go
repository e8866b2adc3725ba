package gce

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/gce/discovery"
)

// apiError is an error as the service answers it.
type apiError struct {
	Code    int // HTTP
	Reason  string
	Message string
	Status  string // as of google.rpc.Code, where the service gives it
}

func (e *apiError) Error() string { return e.Message }

func notFound(path string) error {
	return &apiError{Code: 404, Reason: "notFound", Message: fmt.Sprintf("The resource '%s' was not found", path)}
}

func exists(path string) error {
	return &apiError{Code: 409, Reason: "alreadyExists", Message: fmt.Sprintf("The resource '%s' already exists", path)}
}

func inUse(kind, path, by string) error {
	return &apiError{Code: 400, Reason: "resourceInUseByAnotherResource",
		Message: fmt.Sprintf("The %s resource '%s' is already being used by '%s'", kind, path, by)}
}

func notReady(path string) error {
	return &apiError{Code: 400, Reason: "resourceNotReady", Message: fmt.Sprintf("The resource '%s' is not ready", path)}
}

func invalid(field, value, format string, args ...any) error {
	return &apiError{Code: 400, Reason: "invalid",
		Message: fmt.Sprintf("Invalid value for field '%s': '%s'. ", field, value) + fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &apiError{Code: 400, Reason: "badRequest", Message: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &apiError{Code: 403, Reason: "forbidden", Message: fmt.Sprintf(format, args...)}
}

func quota(metric string, limit int, where string) error {
	return &apiError{Code: 403, Reason: "quotaExceeded", Message: fmt.Sprintf("Quota '%s' exceeded.  Limit: %d.0 %s.", metric, limit, where)}
}

// known are the errors that a fault may name, with their HTTP status and words.
func known(code string) (int, string) {
	switch code {
	case "", "rateLimitExceeded":
		return 403, "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com'."
	case "quotaExceeded":
		return 403, "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1."
	case "forbidden":
		return 403, "Required permission is missing"
	case "authError":
		return 401, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
	case "resourceNotReady":
		return 400, "The resource is not ready"
	case "notFound":
		return 404, "The resource was not found"
	case "alreadyExists":
		return 409, "The resource already exists"
	case "backendError":
		return 503, "Internal error. Please try again or contact Google Support."
	case "internalError":
		return 500, "Internal error. Please try again or contact Google Support."
	}
	return 503, "Service is currently unavailable."
}

// ruleError is the error of a fault, without a code the one of too many
// requests.
func ruleError(rule fault.Rule) *apiError {
	status, message := known(rule.Code)
	e := &apiError{Code: status, Reason: rule.Code, Message: message}
	if rule.Code == "" {
		e.Reason = "rateLimitExceeded"
	}
	if rule.Status != 0 {
		e.Code = rule.Status
	}
	if rule.Message != "" {
		e.Message = rule.Message
	}
	if e.Code == 401 {
		e.Status = "UNAUTHENTICATED"
	}
	return e
}

// refuse answers a call that a fault hits. A code in capitals is one of an
// operation: the call is taken, and its operation fails.
func (s *Server) refuse(c *call, r *http.Request, rule fault.Rule) ([]byte, error) {
	if rule.Code == "" || strings.ToUpper(rule.Code) != rule.Code || c.method.Response != "compute.Operation" || c.method.HTTP == http.MethodGet {
		return nil, ruleError(rule)
	}
	if err := s.read(c, r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	op := c.operation(c.target(), 0)
	op.Failure = &failure{Code: rule.Code, Message: rule.Message, Status: rule.Status}
	if op.Failure.Message == "" {
		op.Failure.Message = operationMessage(rule.Code, c)
	}
	s.start(op)
	text, err := json.Marshal(op.API)
	return text, errors.Join(err, s.save())
}

func operationMessage(code string, c *call) string {
	where := fmt.Sprintf("projects/%s/zones/%s", c.param("project"), c.param("zone"))
	switch code {
	case "ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS":
		return fmt.Sprintf("The zone '%s' does not have enough resources available to fulfill the request.  Try a different zone, or try again later.", where)
	case "QUOTA_EXCEEDED":
		return "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1."
	}
	return "Internal error. Please try again or contact Google Support. (Code: '" + code + "')"
}

func writeError(w http.ResponseWriter, err error) {
	e := envelope(err)
	type detail struct {
		Message string `json:"message"`
		Domain  string `json:"domain"`
		Reason  string `json:"reason"`
	}
	body := map[string]any{"code": e.Code, "message": e.Message, "errors": []detail{{e.Message, "global", e.Reason}}}
	if e.Status != "" {
		body["status"] = e.Status
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(e.Code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": body})
}

// envelope turns any error into one of the service.
func envelope(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	var v *discovery.Violation
	if errors.As(err, &v) {
		e = &apiError{Code: 400, Reason: v.Reason, Message: v.Message}
		switch v.Reason {
		case "notFound":
			e.Code, e.Status = 404, "NOT_FOUND"
		case "badRequest", "parseError":
			e.Status = "INVALID_ARGUMENT"
		}
		return e
	}
	return &apiError{Code: 500, Reason: "internalError", Message: err.Error(), Status: "INTERNAL"}
}
