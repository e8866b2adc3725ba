package amazon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/poll"
)

// account is what all builds of a process have in common that reach one
// account in the same way: connections, rate limit, pollers, what was looked up.
type account struct {
	lock    chan struct{} // held by one who reads or changes the fields below
	cfg     *aws.Config
	home    string // the region where no option names one; "" before that is looked up
	regions map[string]*Region

	identities memo[*sts.GetCallerIdentityOutput]
}

// Region is one region of an account. Its clients share the account's rate
// limit, and what is waited for is asked about for all builds at once.
type Region struct {
	Name string
	EC2  *ec2.Client
	// Config makes clients of other services.
	Config aws.Config

	account *account
	decode  bool // decode_authorization_messages

	instances *poll.Poller[types.Instance]
	images    *poll.Poller[types.Image]
	snapshots *poll.Poller[types.Snapshot]
	volumes   *poll.Poller[types.Volume]
	imports   *poll.Poller[types.ImportImageTask]

	found   memo[[]types.Image]
	subnets memo[[]types.Subnet]
	vpcs    memo[[]types.Vpc]
	groups  memo[[]types.SecurityGroup]
	offers  memo[map[string][]string]
	enabled memo[map[string]bool]
	names   *poll.Gather[types.Image] // own images by name
	ids     *poll.Gather[types.Image] // images by id
}

// Region returns the region called name; "" is the one of the configuration.
func (a *Access) Region(ctx context.Context, name string) (*Region, error) {
	acc := a.account
	select {
	case acc.lock <- struct{}{}:
		defer func() { <-acc.lock }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if acc.cfg == nil {
		cfg, err := a.load(ctx)
		if err != nil {
			return nil, err
		}
		if err := a.credentials(ctx, cfg); err != nil {
			return nil, err
		}
		acc.cfg, acc.regions = &cfg, map[string]*Region{}
	}
	if name == "" {
		name = a.config.Region
	}
	if name == "" {
		if err := acc.lookHome(ctx, a); err != nil {
			return nil, err
		}
		name = acc.home
	}
	if name == "" {
		return nil, builders.WithHint(errors.New("there is no region to build in"), "set region, or AWS_REGION")
	}
	if r := acc.regions[name]; r != nil {
		return r, nil
	}
	r := acc.newRegion(name, a.config)
	acc.regions[name] = r
	return r, nil
}

// lookHome finds out the region of builds whose options name none. The account's
// configuration may be that of a build with such an option.
func (acc *account) lookHome(ctx context.Context, a *Access) error {
	if acc.home != "" {
		return nil
	}
	cfg, err := a.load(ctx)
	if err == nil {
		acc.home = cfg.Region
	}
	return err
}

// credentials gets the credentials once, so that it is said at once where
// there are none.
func (a *Access) credentials(ctx context.Context, cfg aws.Config) error {
	if cfg.Credentials == nil {
		return noCredentials(errors.New("none are set up"))
	}
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := cfg.Credentials.Retrieve(within)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return noCredentials(err)
	}
	return nil
}

func (acc *account) newRegion(name string, c AccessConfig) *Region {
	cfg := acc.cfg.Copy()
	cfg.Region = name
	client := ec2.NewFromConfig(cfg, func(o *ec2.Options) {
		if c.CustomEndpointEC2 != "" {
			o.BaseEndpoint = &c.CustomEndpointEC2
		}
	})
	every := c.pollDelay()
	return &Region{
		Name: name, EC2: client, Config: cfg, account: acc, decode: c.DecodeAuthorizationMessages,
		instances: &poll.Poller[types.Instance]{Fetch: fetchInstances(client), Retry: retryPoll, Every: every},
		images:    &poll.Poller[types.Image]{Fetch: fetchImages(client), Retry: retryPoll, Every: every},
		snapshots: &poll.Poller[types.Snapshot]{Fetch: fetchSnapshots(client), Retry: retryPoll, Every: every},
		volumes:   &poll.Poller[types.Volume]{Fetch: fetchVolumes(client), Retry: retryPoll, Every: every},
		imports:   &poll.Poller[types.ImportImageTask]{Fetch: fetchImports(client), Retry: retryPoll, Every: every, Idle: idleImports},
		names:     &poll.Gather[types.Image]{Ask: askNames(client), Most: batch, Patience: callTime},
		ids:       &poll.Gather[types.Image]{Ask: fetchImages(client), Most: batch, Patience: callTime},
	}
}

// IAM returns a client of the account's identities.
func (r *Region) IAM() *iam.Client { return iam.NewFromConfig(r.Config) }

// Account returns the account's id. It asks once.
func (r *Region) Account(ctx context.Context) (string, error) {
	who, err := r.account.identities.get(ctx, "", time.Hour, func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
		return sts.NewFromConfig(r.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	})
	if err != nil {
		return "", r.explain(ctx, "check the credentials", err)
	}
	return aws.ToString(who.Account), nil
}

// Enabled returns an error where one of the regions is unknown or not enabled
// for the account.
func (r *Region) Enabled(ctx context.Context, names []string) error {
	known, err := r.enabled.get(ctx, "", time.Hour, func(ctx context.Context) (map[string]bool, error) {
		all := true
		out, err := r.EC2.DescribeRegions(ctx, &ec2.DescribeRegionsInput{AllRegions: &all})
		if err != nil {
			return nil, err
		}
		m := map[string]bool{}
		for _, reg := range out.Regions {
			m[aws.ToString(reg.RegionName)] = aws.ToString(reg.OptInStatus) != "not-opted-in"
		}
		return m, nil
	})
	if err != nil {
		return r.explain(ctx, "list the regions", err)
	}
	for _, n := range names {
		on, ok := known[n]
		if !ok {
			return builders.WithHint(fmt.Errorf("there is no region %q", n), "see aws ec2 describe-regions --all-regions; skip_region_validation takes it as it is")
		}
		if !on {
			return builders.WithHint(fmt.Errorf("the region %s is not enabled for this account", n),
				"enable it: aws account enable-region --region-name "+n)
		}
	}
	return nil
}

const batch = 200 // values that a filter takes

// retryPoll waits on through throttling, faults of the service and lost
// connections: the one who waits has a deadline.
func retryPoll(err error) (again, throttled bool) { return transient(err), isThrottle(err) }

func fetchInstances(c *ec2.Client) func(context.Context, []string) (map[string]types.Instance, error) {
	return func(ctx context.Context, ids []string) (map[string]types.Instance, error) {
		out := map[string]types.Instance{}
		for _, part := range chunks(ids) {
			p := ec2.NewDescribeInstancesPaginator(c, &ec2.DescribeInstancesInput{Filters: []types.Filter{filter("instance-id", part...)}})
			for p.HasMorePages() {
				page, err := p.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, res := range page.Reservations {
					for _, i := range res.Instances {
						out[aws.ToString(i.InstanceId)] = i
					}
				}
			}
		}
		return out, nil
	}
}

func fetchImages(c *ec2.Client) func(context.Context, []string) (map[string]types.Image, error) {
	return inBatches("image-id", func(ctx context.Context, f []types.Filter) ([]types.Image, error) {
		page, err := c.DescribeImages(ctx, &ec2.DescribeImagesInput{Filters: f})
		if err != nil {
			return nil, err
		}
		return page.Images, nil
	}, func(i types.Image) *string { return i.ImageId })
}

func fetchSnapshots(c *ec2.Client) func(context.Context, []string) (map[string]types.Snapshot, error) {
	return inBatches("snapshot-id", func(ctx context.Context, f []types.Filter) ([]types.Snapshot, error) {
		page, err := c.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{Filters: f})
		if err != nil {
			return nil, err
		}
		return page.Snapshots, nil
	}, func(s types.Snapshot) *string { return s.SnapshotId })
}

func fetchVolumes(c *ec2.Client) func(context.Context, []string) (map[string]types.Volume, error) {
	return inBatches("volume-id", func(ctx context.Context, f []types.Filter) ([]types.Volume, error) {
		page, err := c.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{Filters: f})
		if err != nil {
			return nil, err
		}
		return page.Volumes, nil
	}, func(v types.Volume) *string { return v.VolumeId })
}

// inBatches asks for things by a filter on their ids, as many at once as a
// filter takes. An id that is not there is no error then.
func inBatches[T any](name string, ask func(context.Context, []types.Filter) ([]T, error), id func(T) *string) func(context.Context, []string) (map[string]T, error) {
	return func(ctx context.Context, ids []string) (map[string]T, error) {
		out := map[string]T{}
		for _, part := range chunks(ids) {
			found, err := ask(ctx, []types.Filter{filter(name, part...)})
			if err != nil {
				return nil, err
			}
			for _, v := range found {
				out[aws.ToString(id(v))] = v
			}
		}
		return out, nil
	}
}

func chunks(ids []string) [][]string {
	var out [][]string
	for len(ids) > batch {
		out, ids = append(out, ids[:batch]), ids[batch:]
	}
	return append(out, ids)
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}
