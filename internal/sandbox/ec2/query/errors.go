package query

import (
	"fmt"
	"net/http"
)

// Error is an error that a service answers.
type Error struct {
	Code    string
	Message string
	Status  int // of HTTP
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// statuses are those that are not 400.
var statuses = map[string]int{
	"AuthFailure":                  http.StatusUnauthorized,
	"OptInRequired":                http.StatusUnauthorized,
	"UnauthorizedOperation":        http.StatusForbidden,
	"AccessDenied":                 http.StatusForbidden,
	"ExpiredToken":                 http.StatusForbidden,
	"InvalidClientTokenId":         http.StatusForbidden,
	"SignatureDoesNotMatch":        http.StatusForbidden,
	"NoSuchEntity":                 http.StatusNotFound,
	"EntityAlreadyExists":          http.StatusConflict,
	"DeleteConflict":               http.StatusConflict,
	"DryRunOperation":              http.StatusPreconditionFailed,
	"InsufficientInstanceCapacity": http.StatusInternalServerError,
	"InternalError":                http.StatusInternalServerError,
	"InternalFailure":              http.StatusInternalServerError,
	"RequestLimitExceeded":         http.StatusServiceUnavailable,
	"Unavailable":                  http.StatusServiceUnavailable,
	"ServiceUnavailable":           http.StatusServiceUnavailable,
}

// StatusOf returns the status of HTTP that an error with the code has.
func StatusOf(code string) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// Errorf returns an Error with the code and its status.
func Errorf(code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: StatusOf(code)}
}
