package ec2

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
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

func statusOf(code string) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusBadRequest
}

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

func fail(code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: statusOf(code)}
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: "InternalError", Message: err.Error(), Status: http.StatusInternalServerError}
}

// kind is a kind of resource with ids.
type kind struct {
	prefix    string
	tags      string // its name in tag specifications
	malformed string // error codes
	notFound  string
	what      string // in messages
}

// kinds of resources, by the prefix of their ids.
var kinds = map[string]kind{
	"ami":    {"ami", "image", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", "image id"},
	"i":      {"i", "instance", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "instance ID"},
	"snap":   {"snap", "snapshot", "InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound", "snapshot"},
	"vol":    {"vol", "volume", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", "volume"},
	"sg":     {"sg", "security-group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound", "security group"},
	"vpc":    {"vpc", "vpc", "InvalidVpcID.NotFound", "InvalidVpcID.NotFound", "vpc ID"},
	"subnet": {"subnet", "subnet", "InvalidSubnetID.NotFound", "InvalidSubnetID.NotFound", "subnet ID"},
	"key":    {"key", "key-pair", "InvalidKeyPair.NotFound", "InvalidKeyPair.NotFound", "key pair ID"},
	"lt":     {"lt", "launch-template", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound", "launch template ID"},
	"fleet":  {"fleet", "fleet", "InvalidFleetId.Malformed", "InvalidFleetId.NotFound", "fleet ID"},
	"sir":    {"sir", "spot-instances-request", "InvalidSpotInstanceRequestID.Malformed", "InvalidSpotInstanceRequestID.NotFound", "spot instance request ID"},
	"eni":    {"eni", "network-interface", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound", "networkInterface ID"},
	"sgr":    {"sgr", "security-group-rule", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound", "security group rule ID"},
}

var (
	hexID   = regexp.MustCompile(`^[a-z]+-(?:[0-9a-f]{8}|[0-9a-f]{17})$`)
	uuidID  = regexp.MustCompile(`^fleet-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	spotID  = regexp.MustCompile(`^sir-[0-9a-z]{8}$`)
	someIDs = regexp.MustCompile(`^([a-z]+)-`)
)

// checkID refuses what is no id of the kind with this prefix; "" is no id.
func checkID(prefix, id string) error {
	if prefix == "" {
		return nil
	}
	ok := hexID.MatchString(id) && id[:len(prefix)+1] == prefix+"-"
	switch prefix {
	case "fleet":
		ok = uuidID.MatchString(id)
	case "sir":
		ok = spotID.MatchString(id)
	}
	if ok {
		return nil
	}
	k := kinds[prefix]
	return fail(k.malformed, "Invalid id: %q (expecting %q)", id, prefix+"-...")
}

// kindOf returns the kind of an id.
func kindOf(id string) (kind, bool) {
	m := someIDs.FindStringSubmatch(id)
	if m == nil {
		return kind{}, false
	}
	k, ok := kinds[m[1]]
	return k, ok && checkID(k.prefix, id) == nil
}

// notFound says that there is no such resource.
func notFound(prefix, id string) error {
	k := kinds[prefix]
	return fail(k.notFound, "The %s '%s' does not exist", k.what, id)
}
