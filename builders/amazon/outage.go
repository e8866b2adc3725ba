package amazon

import (
	"context"
	"sync"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/ingot-build/ingot/internal/outage"
)

// watchKey is under which an account's watch is kept in builders.Host.Shared.
type watchKey string

// sharedWatch returns the watch of all builds of this process that reach an
// account in the same way.
func sharedWatch(shared *sync.Map, identity string) *outage.Watch {
	fresh := &outage.Watch{}
	if shared == nil {
		return fresh
	}
	w, _ := shared.LoadOrStore(watchKey(identity), fresh)
	return w.(*outage.Watch)
}

// watching tells the watch of each try that did not reach its service. In a
// hurry a few of them are enough.
func watching(w *outage.Watch) func(*middleware.Stack) error {
	try := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, meta, err := next.HandleDeserialize(ctx, in)
		req, ok := in.Request.(*smithyhttp.Request)
		if !ok || awsmiddleware.GetServiceID(ctx) == imds.ServiceID { // that is there on an instance only
			return out, meta, err
		}
		service := awsmiddleware.GetServiceID(ctx) + " at " + req.URL.Scheme + "://" + req.URL.Host
		cause := outage.Cause(err)
		if cause == "" {
			if out.RawResponse != nil {
				w.Answered(service)
			}
			return out, meta, err
		}
		final := outage.Final(ctx)
		if !final {
			until, _ := ctx.Deadline()
			w.Refused(service, cause, until)
		}
		return out, meta, &outage.Error{Service: service, Cause: cause, Final: final, Err: err}
	}
	return func(s *middleware.Stack) error {
		return s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("ingot/outage", try), middleware.After)
	}
}
