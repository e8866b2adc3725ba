package amazon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh"
)

// cleanTime is how long the removal of what a launch that failed has made may
// take.
const cleanTime = 10 * time.Minute

// addressTime is how long an instance that runs may be without an address.
const addressTime = 15 * time.Second

// plan is what a builder adds to a launch.
type plan struct {
	checks  []func(context.Context) error // before anything is made
	encrypt bool                          // the volumes
	kmsKey  string
}

// Launch starts an instance.
func (c *ebs) Launch(ctx context.Context, base builders.Base, env builders.Env) (m machine.Machine, err error) {
	quiet := c.access.outages.Listen(env.Log)
	defer func() {
		if err != nil {
			quiet()
		}
	}()
	r, err := c.access.Region(ctx, "")
	if err != nil {
		return nil, err
	}
	from, err := c.launchedFrom(ctx, r, base)
	if err != nil {
		return nil, err
	}
	name := from.values.Text(c.ami.Name)
	var old *types.Image
	p := plan{
		encrypt: c.ami.encrypts(), kmsKey: c.ami.kmsKey(r.Name),
	}
	if !env.Trial {
		p.checks = []func(context.Context) error{
			func(ctx context.Context) (err error) {
				old, err = c.checkName(ctx, r, name, from.id, env.Force)
				return
			},
			func(ctx context.Context) error { return c.checkRegions(ctx, r, name, from.id, env.Force) },
		}
	}
	s := c.newStay(r, env, from.image, from.values)
	s.again = base.From != nil
	i, err := s.start(ctx, p)
	if err != nil {
		return nil, err
	}
	i.quiet = quiet
	return &ebsInstance{instance: i, cloud: c, name: name, old: old}, nil
}

// start is what an instance is launched from.
type start struct {
	id     string
	image  types.Image
	values op.Values // of the tokens of the source image
}

// launchedFrom returns what an instance is launched from in a region.
func (c *ebs) launchedFrom(ctx context.Context, r *Region, base builders.Base) (s start, err error) {
	s.id, s.values = base.ID, base.Vars
	if base.From != nil {
		if s.id, err = placeIn(*base.From, r.Name); err != nil {
			return s, err
		}
	}
	if s.image, err = c.base(ctx, r, s.id); err == nil && s.values == nil {
		s.values = baseVars(s.image, r.Name)
	}
	return s, err
}

// kmsKey returns the key to encrypt with in a region, "" for its default.
func (c AMIConfig) kmsKey(region string) string {
	if c.KMSKeyID != "" {
		return c.KMSKeyID
	}
	return c.RegionKMSKeyIDs[region]
}

// checkRegions refuses regions that the image can't be copied to: they are not
// enabled, or another image has the name there.
func (c *ebs) checkRegions(ctx context.Context, r *Region, name, base string, force bool) error {
	if len(c.ami.Regions) > 0 && !c.ami.SkipRegionValidation {
		if err := r.Enabled(ctx, c.ami.Regions); err != nil {
			return err
		}
	}
	if force || c.ami.ForceDeregister {
		return nil // Distribute replaces them
	}
	var checks []func(context.Context) error
	for _, region := range c.ami.Regions {
		checks = append(checks, func(ctx context.Context) error {
			other, err := c.access.Region(ctx, region)
			if err != nil {
				return err
			}
			_, err = c.checkName(ctx, other, name, base, force)
			return err
		})
	}
	return together(ctx, checks...)
}

// start launches an instance of an image, and returns when it runs. It leaks
// nothing when it fails.
func (s *stay) start(ctx context.Context, p plan) (*instance, error) {
	at, err := s.preflight(ctx, s.r, p.checks...)
	if err != nil {
		return nil, err
	}
	i := &instance{stay: s, client: s.ssh}
	if err := i.launch(ctx, at, p); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		return nil, errors.Join(err, i.Destroy(closing))
	}
	return i, nil
}

// launch makes what the instance needs, all at the same time, then the
// instance, and waits until it runs.
func (i *instance) launch(ctx context.Context, at site, p plan) error {
	l := launch{profile: i.run.IAMInstanceProfile, disks: i.disks(p.encrypt, p.kmsKey)}
	i.warnRoot()
	var err error
	if l.data, err = i.instanceData(); err != nil {
		return err
	}
	if text := string(l.data); !i.again && i.host.Secrets.Redact(text) != text {
		i.env.Log.Warn("user_data has a sensitive value, which cloud-init keeps in /var/lib/cloud of the image where no step removes it")
	}
	err = together(ctx,
		func(ctx context.Context) (err error) { i.key, l.pair, err = i.login(ctx); return },
		func(ctx context.Context) (err error) { l.groups, err = i.group(ctx, at); return },
		func(ctx context.Context) error {
			name, err := i.temporaryProfile(ctx)
			if name != "" {
				l.profile = name
			}
			return err
		},
	)
	if err != nil {
		return err
	}
	if i.key != (ssh.Key{}) && i.client != nil {
		i.client = i.client.WithKey(i.key)
	}
	if err := i.awaitProfile(ctx, l, at.places[0]); err != nil {
		return err
	}
	if i.spot.wanted() {
		i.id, err = i.runSpot(ctx, l, at.places)
	} else {
		i.id, err = i.runOnDemand(ctx, l, at.places)
	}
	if err != nil {
		return err
	}
	i.env.Log.Say("Instance ID: " + i.id)
	i.env.Log.Say("Waiting for instance (" + i.id + ") to become ready...")
	return i.awaitRunning(ctx)
}

// awaitRunning waits until the instance runs and has the address that it is
// reached at.
func (i *instance) awaitRunning(ctx context.Context) error {
	running := func(now types.Instance) bool { return stateOf(now) == types.InstanceStateNameRunning }
	now, err := i.r.awaitInstance(ctx, i.id, i.patience(runningTime), running)
	if err != nil {
		return err
	}
	if i.reached() && i.address(now) == "" {
		now, err = i.r.awaitInstance(ctx, i.id, addressTime, func(now types.Instance) bool { return i.address(now) != "" })
		if err != nil && ctx.Err() == nil {
			return builders.WithHint(fmt.Errorf("the instance %s has no address for ssh_interface %q", i.id, i.network.SSHInterface),
				"set associate_public_ip_address = true, or another ssh_interface")
		}
	}
	i.saw(now)
	return err
}
