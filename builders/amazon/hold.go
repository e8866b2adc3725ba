package amazon

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/ssh"
)

// heldInstance is what is kept of an instance that is held.
type heldInstance struct {
	ID      string    `json:"id"`
	Region  string    `json:"region"`
	Name    string    `json:"name"`             // of all that was made with it
	Key     string    `json:"key,omitempty"`    // private, made for the build
	Expires time.Time `json:"expires,omitzero"` // when it ends by itself
}

// Ends returns when the instance ends by itself.
func (s *stay) Ends() time.Time {
	end, _ := time.Parse(time.RFC3339, s.marks[tagExpires]) // zero without a lifetime
	return end
}

// Hold marks the instance, and what it is reached by, with the time until which
// it is held.
func (i *instance) Hold(ctx context.Context, until time.Time) (json.RawMessage, error) {
	s, err := i.there(ctx)
	if err != nil {
		return nil, err
	}
	if s != types.InstanceStateNameRunning && (i.halted.Load() || i.run.DisableStopInstance) {
		return nil, fmt.Errorf("a step has shut the instance %s down, and started once more it would not be what it was", i.id)
	}
	if err := i.expire(ctx, until); err != nil {
		return nil, err
	}
	return json.Marshal(heldInstance{ID: i.id, Region: i.r.Name, Name: i.name, Key: i.key.Private, Expires: i.Ends()})
}

// there refuses an instance that is not there any more.
func (i *instance) there(ctx context.Context) (types.InstanceStateName, error) {
	found, err := fetchInstances(i.r.EC2)(ctx, []string{i.id})
	if err != nil && !hasCode(err, "InvalidInstanceID.NotFound") {
		return "", i.r.explain(ctx, "look for the instance "+i.id, err)
	}
	now, ok := found[i.id]
	s := stateOf(now)
	switch {
	case !ok:
		return "", fmt.Errorf("the instance %s: %w", i.id, builders.ErrMachineGone)
	case s == types.InstanceStateNameTerminated, s == types.InstanceStateNameShuttingDown:
		return "", fmt.Errorf("%w: %w", builders.ErrMachineGone, endedError(now))
	}
	i.saw(now)
	return s, nil
}

// wake starts an instance that is stopped, or was stopped for its image.
func (i *instance) wake(ctx context.Context) error {
	s, err := i.there(ctx)
	if err != nil || s == types.InstanceStateNameRunning {
		return err
	}
	i.env.Log.Say("Starting the instance " + i.id + ", which was stopped...")
	stopped := func(now types.Instance) bool { return stateOf(now) == types.InstanceStateNameStopped }
	if _, err := i.r.awaitInstance(ctx, i.id, i.patience(stoppingTime), stopped); err != nil {
		return err
	}
	if _, err := i.r.EC2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{i.id}}); err != nil {
		return i.r.explain(ctx, "start the instance "+i.id, err)
	}
	return i.awaitRunning(ctx)
}

// expire sets the tag that says when the instance and its security group, key
// pair and volumes may be swept. Sweeps on other hosts see nothing else of it.
func (i *instance) expire(ctx context.Context, when time.Time) error {
	ids := []string{i.id}
	for _, m := range i.left(kindGroup, kindKeyPair) {
		if m.id != "" {
			ids = append(ids, m.id)
		}
	}
	for _, d := range i.last().BlockDeviceMappings {
		if d.Ebs != nil && d.Ebs.VolumeId != nil {
			ids = append(ids, *d.Ebs.VolumeId)
		}
	}
	_, err := i.r.EC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []types.Tag{
		{Key: aws.String(tagExpires), Value: aws.String(when.UTC().Format(time.RFC3339))},
	}})
	return i.r.explain(ctx, "tag the instance "+i.id+" with "+tagExpires, err)
}

// Resume resumes by the cloud's builder.
func (d distributed) Resume(ctx context.Context, base builders.Base, held json.RawMessage, env builders.Env) (builders.Session, error) {
	return machine.Resume(ctx, d.Builder, base, held, env)
}

// Resume finds an instance again that was held.
func (c *ebs) Resume(ctx context.Context, base builders.Base, h machine.Held, env builders.Env) (machine.Machine, error) {
	return c.resume(ctx, base, h, env)
}

// Resume finds an instance again that was held.
func (c *surrogate) Resume(ctx context.Context, base builders.Base, h machine.Held, env builders.Env) (machine.Machine, error) {
	i, err := c.resume(ctx, base, h, env)
	if err != nil {
		return nil, err
	}
	return &surrogateInstance{ebsInstance: i, cloud: c}, nil
}

func (c *ebs) resume(ctx context.Context, base builders.Base, h machine.Held, env builders.Env) (i *ebsInstance, err error) {
	var was heldInstance
	if err := json.Unmarshal(h.Machine, &was); err != nil {
		return nil, fmt.Errorf("what was kept of the instance can't be read: %w", err)
	}
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
	if r.Name != was.Region {
		return nil, fmt.Errorf("the instance %s is in %s, and the source is of %s", was.ID, was.Region, r.Name)
	}
	from, err := c.launchedFrom(ctx, r, base)
	if err != nil {
		return nil, err
	}
	name := from.values.Text(c.ami.Name)
	old, err := c.checkName(ctx, r, name, from.id, env.Force)
	if err == nil {
		err = c.checkRegions(ctx, r, name, from.id, env.Force)
	}
	if err != nil {
		return nil, err
	}
	held, err := c.heldInstance(r, from, h.HostKey, was, env)
	if err != nil {
		return nil, err
	}
	if err := held.wake(ctx); err != nil {
		return nil, err
	}
	if end := held.Ends(); !end.IsZero() {
		if err := held.expire(ctx, end); err != nil {
			return nil, err
		}
	}
	held.quiet = quiet
	env.Log.Say("Going on with the instance " + held.id)
	return &ebsInstance{instance: held, cloud: c, name: name, old: old}, nil
}

// heldInstance is the instance with all that was made for it, as the journal
// has it.
func (c *ebs) heldInstance(r *Region, from start, hostKey string, was heldInstance, env builders.Env) (*instance, error) {
	i := &instance{stay: c.newStay(r, env, from.image, from.values), client: c.ssh, id: was.ID}
	i.name = was.Name
	delete(i.marks, tagExpires)
	if !was.Expires.IsZero() {
		i.marks[tagExpires] = was.Expires.UTC().Format(time.RFC3339)
	}
	for _, e := range env.Journal.Entries(env.Build) {
		if res := e.Resource(); res.Cloud == cloud && res.Place == r.Name {
			i.made = append(i.made, &made{kind: res.Kind, id: res.ID, entry: e})
		}
	}
	if was.Key != "" {
		key, err := ssh.ReadKey(was.Key)
		if err != nil {
			return nil, err
		}
		c.host.Secrets.Add(was.Key)
		i.key = key
		if i.client != nil {
			i.client = i.client.WithKey(key)
		}
	}
	if i.client != nil {
		i.client = i.client.Pinned(hostKey)
	}
	return i, nil
}

// Proxy leads to the instance by Systems Manager, where the build goes there so.
func (i *instance) Proxy() string {
	if i.network.SSHInterface != "session_manager" {
		return ""
	}
	return "aws ssm start-session --region " + i.r.Name + " --target " + i.id +
		" --document-name AWS-StartSSHSession --parameters portNumber=%p"
}
