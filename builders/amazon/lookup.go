package amazon

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// named returns the account's own image of that name, if there is one.
func (r *Region) named(ctx context.Context, name string) (types.Image, bool, error) {
	return r.names.Get(ctx, name)
}

func askNames(client *ec2.Client) func(context.Context, []string) (map[string]types.Image, error) {
	return func(ctx context.Context, names []string) (map[string]types.Image, error) {
		escape := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`)
		var patterns []string
		for _, n := range names {
			patterns = append(patterns, escape.Replace(n))
		}
		disabled, deprecated := true, true
		out, err := client.DescribeImages(ctx, &ec2.DescribeImagesInput{
			Owners: []string{"self"}, Filters: []types.Filter{filter("name", patterns...)},
			IncludeDeprecated: &deprecated, IncludeDisabled: &disabled,
		})
		if err != nil {
			return nil, err
		}
		found := map[string]types.Image{}
		for _, i := range out.Images {
			found[aws.ToString(i.Name)] = i
		}
		return found, nil
	}
}

// present returns an image by its id, if it is there.
func (r *Region) present(ctx context.Context, id string) (types.Image, bool, error) {
	img, ok, err := r.ids.Get(ctx, id)
	return img, ok, r.explain(ctx, "look for the image "+id, err)
}
