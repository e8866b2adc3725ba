package amazon

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/pause"
)

// trustEC2 lets instances take on a role.
const trustEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// policyJSON is the policy as IAM takes it.
func (p PolicyDocument) policyJSON() (string, error) {
	if p.Version == "" {
		p.Version = "2012-10-17"
	}
	text, err := json.Marshal(p)
	return string(text), err
}

// temporaryProfile makes an instance profile with a role that has the policy of
// the options, and returns its name; "" where they have none.
func (s *stay) temporaryProfile(ctx context.Context) (string, error) {
	p := s.run.TemporaryPolicy
	if p == nil {
		return "", nil
	}
	policy, err := p.policyJSON()
	if err != nil {
		return "", err
	}
	s.env.Log.Say("Creating the temporary instance profile: " + s.name)
	client := s.r.IAM()
	err = together(ctx,
		func(ctx context.Context) error {
			_, err := s.createNamed(ctx, kindProfile, s.name, "EntityAlreadyExists", func(ctx context.Context) (string, error) {
				_, err := client.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &s.name, Tags: identityTags(s.tags, s.marks)})
				return nameIf(s.name, err)
			})
			return s.r.explain(ctx, "create the instance profile", err)
		},
		func(ctx context.Context) error {
			_, err := s.createNamed(ctx, kindRole, s.name, "EntityAlreadyExists", func(ctx context.Context) (string, error) {
				_, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &s.name, AssumeRolePolicyDocument: aws.String(trustEC2),
					Description: aws.String("Temporary role of ingot"), Tags: identityTags(s.tags, s.marks)})
				return nameIf(s.name, err)
			})
			if err != nil {
				return s.r.explain(ctx, "create the role", err)
			}
			err = eventually(ctx, func() error {
				_, err := client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &s.name, PolicyName: &s.name, PolicyDocument: &policy})
				return err
			}, "NoSuchEntity")
			if hasCode(err, "MalformedPolicyDocument") {
				return builders.WithHint(s.r.explain(ctx, "set the role's policy", err), "see temporary_iam_instance_profile_policy_document")
			}
			return s.r.explain(ctx, "set the role's policy", err)
		},
	)
	if err != nil {
		return "", err
	}
	err = eventually(ctx, func() error {
		_, err := client.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &s.name, RoleName: &s.name})
		if hasCode(err, "LimitExceeded") { // it has the role from an earlier try
			return nil
		}
		return err
	}, "NoSuchEntity")
	return s.name, s.r.explain(ctx, "give the instance profile its role", err)
}

// nameIf returns the name of what was made, where it was.
func nameIf(name string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return name, nil
}

func identityTags(all ...map[string]string) []iamtypes.Tag {
	var out []iamtypes.Tag
	for _, t := range tagList(all...) {
		out = append(out, iamtypes.Tag{Key: t.Key, Value: t.Value})
	}
	return out
}

// profileTime is how long a new instance profile may take to be known to EC2.
const profileTime = 2 * time.Minute

// awaitProfile waits until EC2 takes the instance profile that was made just
// now. It asks for a launch that would be refused for nothing else.
func (s *stay) awaitProfile(ctx context.Context, l launch, p types.Subnet) error {
	if s.run.TemporaryPolicy == nil {
		return nil
	}
	in := s.runInput(l, p)
	in.InstanceType = types.InstanceType(s.kinds()[0])
	in.DryRun = aws.Bool(true)
	ctx, cancel := context.WithTimeoutCause(ctx, profileTime, fmt.Errorf("EC2 does not know the instance profile %s after %s", s.name, profileTime))
	defer cancel()
	for attempt := 0; ; attempt++ {
		_, err := s.r.EC2.RunInstances(ctx, in)
		unknown := hasCode(err, "InvalidParameterValue") && strings.Contains(strings.ToLower(plain(err)), "instance profile") || hasCode(err, newCodes()...)
		switch {
		case hasCode(err, "DryRunOperation"):
			return nil
		case !unknown:
			return s.r.explain(ctx, "try the instance profile "+s.name, err)
		}
		d, _ := backoff(attempt, nil)
		if err := pause.For(ctx, min(d, 3*time.Second)); err != nil {
			return err
		}
	}
}
