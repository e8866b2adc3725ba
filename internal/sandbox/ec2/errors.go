package ec2

import (
	"errors"
	"net/http"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
)

// messages are what errors say that a fault file names without a message.
var messages = map[string]string{
	"RequestLimitExceeded":         "Request limit exceeded.",
	"InsufficientInstanceCapacity": "There is no Spot or On-Demand capacity available that matches your request.",
	"RequestExpired":               "Request has expired.",
	"ExpiredToken":                 "The security token included in the request is expired",
	"Unavailable":                  "The server is overloaded and can't handle the request.",
	"InternalError":                "An internal error has occurred",
	"UnauthorizedOperation":        "You are not authorized to perform this operation.",
	"AuthFailure":                  "AWS was not able to validate the provided access credentials",
}

func fail(code, format string, args ...any) error { return query.Errorf(code, format, args...) }

func asError(err error) *query.Error {
	var e *query.Error
	if errors.As(err, &e) {
		return e
	}
	return &query.Error{Code: "InternalError", Message: err.Error(), Status: http.StatusInternalServerError}
}

// notFound says that there is no such resource.
func notFound(prefix, id string) error { return query.NotFound(prefix, id) }
