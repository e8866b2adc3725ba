package amazon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ingot-build/ingot/builders"
)

// site is where an instance is launched.
type site struct {
	places []types.Subnet // best first
	groups []string       // security groups; none: one is to be made
	cidrs  []string       // that the group to be made lets in
}

// preflight looks up what the launch needs and checks what can be checked
// before anything is made, all at the same time. checks are the builder's own.
func (s *source) preflight(ctx context.Context, r *Region, checks ...func(context.Context) error) (site, error) {
	var at site
	var offers map[string][]string
	all := append([]func(context.Context) error{
		func(ctx context.Context) (err error) { at.places, err = s.places(ctx, r); return },
		func(ctx context.Context) (err error) { at.groups, err = s.groupsNamed(ctx, r); return },
		func(ctx context.Context) (err error) { offers, err = r.offered(ctx, s.kinds()); return },
		func(ctx context.Context) (err error) { at.cidrs, err = s.sources(ctx); return },
		func(ctx context.Context) error { return s.checkCredentials(ctx, r) },
		func(ctx context.Context) error { return s.checkProfile(ctx, r) },
		func(ctx context.Context) error { return s.checkKeyPair(ctx, r) },
		s.checkPlugin,
	}, checks...)
	if err := together(ctx, all...); err != nil {
		return at, err
	}
	var err error
	if at.places, err = s.offering(r, at.places, offers); err != nil {
		return at, err
	}
	return at, s.checkReachable(at.places)
}

// together calls all functions at the same time, and returns the error that
// came first. The others are told to end.
func together(ctx context.Context, list ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	errs := make(chan error, len(list))
	for _, f := range list {
		go func() { errs <- f(ctx) }()
	}
	var first error
	for range list {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel(err)
		}
	}
	return first
}

func (s *source) checkCredentials(ctx context.Context, r *Region) error {
	if s.access.config.SkipCredentialValidation {
		return nil
	}
	_, err := r.Account(ctx)
	return err
}

func (s *source) checkProfile(ctx context.Context, r *Region) error {
	name := s.run.IAMInstanceProfile
	if name == "" || s.run.SkipProfileValidation {
		return nil
	}
	_, err := r.IAM().GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	if hasCode(err, "NoSuchEntity") {
		return builders.WithHint(fmt.Errorf("there is no instance profile %q", name),
			"check iam_instance_profile: it is the name of the instance profile, which may differ from the role's")
	}
	if err != nil {
		return builders.WithHint(r.explain(ctx, "look for the instance profile "+name, err), "skip_profile_validation = true does not look")
	}
	return nil
}

func (s *source) checkKeyPair(ctx context.Context, r *Region) error {
	name := s.keys.KeypairName
	if name == "" {
		return nil
	}
	_, err := r.EC2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{name}})
	if hasCode(err, "InvalidKeyPair.NotFound") {
		return builders.WithHint(fmt.Errorf("there is no key pair %q in %s", name, r.Name), "check ssh_keypair_name; without it a key is made for the build")
	}
	return r.explain(ctx, "look for the key pair "+name, err)
}

// checkName refuses a name that another image has, or returns that image where
// it is to be replaced. The one that the instance starts from does not count:
// then no image of that name is to be made.
func (c *ebs) checkName(ctx context.Context, r *Region, name, base string, force bool) (replace *types.Image, err error) {
	if c.capture.SkipCreateAMI {
		return nil, nil
	}
	img, taken, err := r.named(ctx, name)
	switch {
	case err != nil:
		return nil, r.explain(ctx, "look whether the name is free", err)
	case !taken:
		return nil, nil
	case force || c.ami.ForceDeregister:
		return &img, nil
	case aws.ToString(img.ImageId) != base:
		return nil, unfinished(img, nameTaken(name, r.Name, aws.ToString(img.ImageId)))
	}
	return nil, nil
}

// unfinished adds to the error of a name that is in use that the image never
// got to where it was to be: one that did has no expiry.
func unfinished(img types.Image, taken error) error {
	if tags := tagMap(img.Tags); tags[tagExpires] == "" || tags[tagUser] != whoami() {
		return taken
	}
	return builders.WithHint(taken, "a run left that image that was killed, and `ingot sweep` removes it, or whose tests failed, and -force replaces it. Or "+builders.Hint(taken))
}

func nameTaken(name, region, id string) error {
	return builders.WithHint(fmt.Errorf("the name %q is in use in %s, by %s", name, region, id),
		"choose another ami_name, e.g. with a timestamp, or set force_deregister = true to replace that image")
}

// sources returns the addresses that the security group made for the build
// lets in.
func (s *source) sources(ctx context.Context) ([]string, error) {
	switch {
	case len(s.network.TemporaryCIDRs) > 0:
		return s.network.TemporaryCIDRs, nil
	case !s.network.TemporaryPublicIP:
		return []string{"0.0.0.0/0"}, nil
	case s.host.Sandbox != nil:
		return []string{"127.0.0.1/32"}, nil
	}
	ip, err := publicIP(ctx)
	if err != nil {
		return nil, builders.WithHint(fmt.Errorf("find out this host's public address: %w", err),
			"set temporary_security_group_source_cidrs instead of temporary_security_group_source_public_ip")
	}
	return []string{single(ip)}, nil
}

const checkIP = "https://checkip.amazonaws.com"

// publicIP asks AWS for the address that this host comes from.
func publicIP(ctx context.Context) (net.IP, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, checkIP, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 256))
	if err != nil {
		return nil, err
	}
	ip := net.ParseIP(strings.TrimSpace(string(text)))
	if resp.StatusCode != http.StatusOK || ip == nil {
		return nil, errors.New(checkIP + " did not answer with an address")
	}
	return ip, nil
}
