package amazon

import "context"

// Explain makes one clear line, with a hint, of an error of an AWS service.
// What is what was to be done: "read the parameter /web/ami".
func (r *Region) Explain(ctx context.Context, what string, err error) error {
	return r.explain(ctx, what, err)
}
