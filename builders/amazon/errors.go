package amazon

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/outage"
)

// Error is an error of an AWS service.
type Error struct {
	What    string // what was to be done: "launch from ami-1"
	Code    string // of the service; "" where the request did not get there
	Message string
	Advice  string // what the user can do; "" where the message says it
	Err     error
}

func (e *Error) Error() string {
	text := e.Message
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.What == "" {
		return text
	}
	return e.What + ": " + text
}

// Unwrap returns the SDK's error.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns the advice.
func (e *Error) Hint() string { return e.Advice }

// explain makes one clear line and a hint of an error of the SDK. It returns
// nil for nil, and why ctx ended where it has.
func (r *Region) explain(ctx context.Context, what string, err error) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return during(what, context.Cause(ctx))
	case errors.As(err, &known):
		return during(what, err)
	}
	e := &Error{What: what, Code: code(err), Message: plain(err), Err: err, Advice: builders.Hint(err)}
	if e.Code == "UnauthorizedOperation" || e.Code == "AccessDenied" {
		e.Message = r.decoded(ctx, e.Message)
	}
	if e.Code == "OptInRequired" && !strings.Contains(e.Message, "Marketplace") {
		e.Message = "the region " + r.Name + " is not enabled for this account"
		e.Advice = "enable it: aws account enable-region --region-name " + r.Name
	}
	if e.Advice == "" {
		e.Advice = advice(e.Code, e.Message)
	}
	if e.Code == "" && errors.Is(err, context.DeadlineExceeded) {
		e.Message = "AWS did not answer in time: " + e.Message
	}
	return e
}

// during says what was being done as an error came up, where that is said.
func during(what string, err error) error {
	if what == "" {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// plain returns the message of an error without the SDK's layers.
func plain(err error) string {
	var down *outage.Error
	if errors.As(err, &down) {
		return down.Error()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return strings.TrimSuffix(strings.TrimSpace(api.ErrorMessage()), ".")
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return op.Service() + " " + op.Operation() + ": " + rootCause(op.Err)
	}
	return err.Error()
}

// rootCause leaves out what the SDK puts before the cause: request ids and
// counts of attempts.
func rootCause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || strings.Contains(err.Error(), "lookup ") && !strings.Contains(inner.Error(), "lookup ") ||
			strings.Contains(err.Error(), "dial ") && !strings.Contains(inner.Error(), "dial ") {
			return err.Error()
		}
		err = inner
	}
}

// advice says what the user can do about an error with this code.
func advice(code, message string) string {
	for _, a := range advices() {
		for _, c := range a.codes {
			if c == code || strings.HasSuffix(c, "*") && strings.HasPrefix(code, strings.TrimSuffix(c, "*")) {
				return a.text
			}
		}
	}
	switch {
	case strings.Contains(message, "no identity-based policy allows"):
		return "give the credentials this permission"
	case strings.Contains(message, "Invalid IAM Instance Profile"):
		return "check iam_instance_profile: aws iam list-instance-profiles shows those that there are"
	case strings.Contains(message, "does not match the architecture"):
		return "choose an instance_type of the architecture of source_ami"
	}
	return ""
}

type coded struct {
	codes []string
	text  string
}

func advices() []coded {
	return []coded{
		{[]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"},
			"the credentials have expired: log in again (aws sso login, or new keys), then run again; ingot sweep removes what is left over"},
		{[]string{"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "IncompleteSignature"},
			"check the credentials (aws sts get-caller-identity), the clock of this host, and that the region is enabled for the account"},
		{[]string{"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"},
			"give the credentials this permission; decode_authorization_messages = true shows an encoded message in plain text"},
		{[]string{"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity", "InsufficientFreeAddressesInSubnet", "UnfulfillableCapacity"},
			"try again later, another instance_type, or leave subnet_id and availability_zone open so that other zones are tried"},
		{[]string{"VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"},
			"ask for a higher quota of running instances, or end some"},
		{[]string{"ResourceLimitExceeded", "AMIQuotaExceeded", "ImageLimitExceeded", "AmiLimitExceeded"},
			"deregister images that nobody needs, or ask for a higher quota"},
		{[]string{"SnapshotLimitExceeded", "PendingSnapshotLimitExceeded", "ConcurrentSnapshotLimitExceeded", "SnapshotCreationPerVolumeRateExceeded"},
			"delete snapshots that nobody needs, or ask for a higher quota"},
		{[]string{"InvalidAMIName.Duplicate"}, "choose another ami_name, e.g. with a timestamp, or set force_deregister = true to replace that image"},
		{[]string{"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable"}, "check source_ami, and that it is in this region"},
		{[]string{"VPCIdNotSpecified", "DefaultVpcDoesNotExist"}, "set vpc_id and subnet_id (or filters for them), or make a default VPC: aws ec2 create-default-vpc"},
		{[]string{"MissingInput"}, "set subnet_id, or make a default VPC: aws ec2 create-default-vpc"},
		{[]string{"InvalidSubnetID.NotFound", "InvalidSubnet*"}, "check subnet_id, and that it is in this region"},
		{[]string{"InvalidVpcID.NotFound"}, "check vpc_id, and that it is in this region"},
		{[]string{"InvalidGroup.NotFound", "InvalidGroupId.Malformed", "InvalidSecurityGroupID.NotFound"}, "check security_group_id, and that it belongs to the VPC"},
		{[]string{"SecurityGroupLimitExceeded"}, "set security_group_id, or remove groups that nobody needs; ingot sweep removes those that dead runs left"},
		{[]string{"Unsupported", "InstanceTypeNotSupported", "InvalidInstanceType"}, "choose another instance_type: not every one is to be had in each zone and with each image"},
		{[]string{"OptInRequired"}, "accept the terms of the image in the AWS Marketplace"},
		{[]string{"SpotMaxPriceTooLow"}, `raise spot_price, or set it to "auto"`},
	}
}

// noCredentials is the error of a host that has none.
func noCredentials(err error) error {
	if hint := builders.Hint(err); hint != "" {
		return err
	}
	if c := code(err); c != "" {
		return &Error{What: "get credentials", Code: c, Message: plain(err), Err: err, Advice: advice(c, plain(err))}
	}
	return builders.WithHint(fmt.Errorf("there are no AWS credentials: %s", rootCause(err)),
		"set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with aws sso login; ingot build -sandbox needs none")
}

var encodedPattern = regexp.MustCompile(`(?s)Encoded authorization failure message: (\S+)`)

// decoded puts the plain text of an authorization failure where it is encoded,
// as decode_authorization_messages says.
func (r *Region) decoded(ctx context.Context, message string) string {
	m := encodedPattern.FindStringSubmatch(message)
	if m == nil {
		return message
	}
	short := strings.TrimSpace(strings.Replace(message, m[0], "", 1))
	if !r.decode {
		return short
	}
	out, err := sts.NewFromConfig(r.Config).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &m[1]})
	if err != nil {
		return short
	}
	return short + " " + aws.ToString(out.DecodedMessage)
}
