package amazon

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func (s *stay) runSpot(ctx context.Context, l launch, places []types.Subnet) (string, error) {
	return "", errors.New("spot")
}
