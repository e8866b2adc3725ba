package amazon

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/ingot-build/ingot/internal/outage"
	"github.com/ingot-build/ingot/internal/pause"
)

const (
	// callTime is how long one request may take, with all that it is tried again.
	callTime       = 10 * time.Minute
	longestBackoff = 10 * time.Second
)

// newRetryer returns the retryer that all requests to an account share. It
// slows all of them down when one was throttled, and tries again for as long
// as the request has time; maxRetries above 0 bounds it.
func newRetryer(maxRetries int) aws.Retryer {
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(s *retry.StandardOptions) {
			s.RateLimiter = ratelimit.None
			s.MaxAttempts = math.MaxInt // 0 is the SDK's default of 3
			if maxRetries > 0 {
				s.MaxAttempts = maxRetries + 1
			}
			s.Backoff = retry.BackoffDelayerFunc(backoff)
			s.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(retryable)}, s.Retryables...)
		})
	})
}

// retryable decides what the SDK does not, or decides otherwise: that there is
// no capacity comes as a fault of the service.
func retryable(err error) aws.Ternary {
	var down *outage.Error
	switch {
	case noCapacity(err), errors.As(err, &down) && down.Final:
		return aws.FalseTernary
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), down != nil:
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// noCapacity reports whether another zone or type of instance may do.
func noCapacity(err error) bool {
	return hasCode(err, "InsufficientInstanceCapacity", "InsufficientCapacity", "InsufficientHostCapacity",
		"InsufficientReservedInstanceCapacity", "InsufficientFreeAddressesInSubnet", "Unsupported", "UnfulfillableCapacity",
		"SpotMaxPriceTooLow", "MaxSpotInstanceCountExceeded", "InstanceTypeNotSupported")
}

// backoff doubles from 0.1 s, with jitter.
func backoff(attempt int, _ error) (time.Duration, error) {
	d := min(100*time.Millisecond<<min(attempt, 10), longestBackoff)
	return d/2 + rand.N(d/2), nil
}

// callDeadline bounds each request.
func callDeadline() []func(*middleware.Stack) error {
	return []func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("ingot/deadline",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				ctx, cancel := context.WithTimeout(ctx, callTime)
				defer cancel()
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
	}}
}

// eventually calls f until its error is none of the codes, e.g. because what
// was made just now is not known everywhere yet, for at most a minute.
func eventually(ctx context.Context, f func() error, codes ...string) error {
	end := time.Now().Add(time.Minute)
	for attempt := 0; ; attempt++ {
		err := f()
		if err == nil || !slices.Contains(codes, code(err)) || time.Now().After(end) {
			return err
		}
		d, _ := backoff(attempt, nil)
		if pause.For(ctx, min(d, 2*time.Second)) != nil {
			return err
		}
	}
}

// soon is eventually for calls about an image or a snapshot that was made just
// now, in this region or in another.
func soon(ctx context.Context, f func() error) error {
	return eventually(ctx, f, "InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound")
}

// code returns the code of an error of a service, "" where it is none.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	var own *Error
	if errors.As(err, &own) {
		return own.Code
	}
	return ""
}

func hasCode(err error, codes ...string) bool { return err != nil && slices.Contains(codes, code(err)) }

func isThrottle(err error) bool {
	return retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

// transient reports whether the same request may succeed later.
func transient(err error) bool {
	if isThrottle(err) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if noCapacity(err) {
		return false
	}
	var status *awshttp.ResponseError
	if errors.As(err, &status) && status.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	var netErr net.Error
	return code(err) == "" && (errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

// refused reports whether the service said that it did not do what it was
// asked to. Of other errors it is not known whether it was done.
func refused(err error) bool {
	var own *Error
	if errors.As(err, &own) && own.Err == nil {
		return true // what a fleet says of its instances
	}
	var status *awshttp.ResponseError
	return noCapacity(err) || code(err) != "" && errors.As(err, &status) && status.HTTPStatusCode() < http.StatusInternalServerError
}
