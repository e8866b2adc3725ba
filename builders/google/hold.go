package google

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/ssh"
)

// heldInstance is what is kept of an instance that is held.
type heldInstance struct {
	Name     string            `json:"name"`
	Project  string            `json:"project"`
	Zone     string            `json:"zone"`
	Disk     string            `json:"disk"`
	Labels   map[string]string `json:"labels"`             // of all that was made with it
	Key      string            `json:"key,omitempty"`      // private, made for the build
	User     string            `json:"user"`               // who logs in
	OSLogin  bool              `json:"osLogin,omitempty"`  // the account's profile has the key
	Password string            `json:"password,omitempty"` // of Windows
}

// Ends returns when the instance ends by itself.
func (l *launch) Ends() time.Time {
	seconds, err := strconv.ParseInt(l.labels[expiresLabel], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// Hold labels the instance with the time until which it is held.
func (m *instance) Hold(ctx context.Context, until time.Time) (json.RawMessage, error) {
	i, err := m.there(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.expire(ctx, i, until); err != nil {
		return nil, err
	}
	return json.Marshal(heldInstance{
		Name: m.name, Project: m.ProjectID, Zone: m.Zone, Disk: m.disk, Labels: m.labels,
		Key: m.key.Private, User: m.user, OSLogin: m.osLogin, Password: m.password,
	})
}

// there returns the instance, or an error where it is not there any more.
func (m *instance) there(ctx context.Context) (*gce.Instance, error) {
	i, err := m.api.Compute.Instances.Get(m.ProjectID, m.Zone, m.name).Context(ctx).Do()
	switch {
	case gcp.IsNotFound(err), err == nil && i.Labels[runLabel] != m.labels[runLabel]:
		return nil, fmt.Errorf("the instance %s: %w", m.name, builders.ErrMachineGone)
	case err != nil:
		return nil, fmt.Errorf("look for the instance %s: %w", m.name, gcp.Explain(err))
	}
	return i, nil
}

// wake returns the instance, and starts one that is stopped, or was stopped for
// its image.
func (m *instance) wake(ctx context.Context) (*gce.Instance, error) {
	i, err := m.there(ctx)
	if err != nil || i.Status == "RUNNING" {
		return i, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.stateTimeout(), fmt.Errorf("it does not run within %s (state_timeout)", m.stateTimeout()))
	defer cancel()
	m.env.Log.Say("Starting the instance " + m.name + ", which was stopped...")
	if i, err = m.restart(ctx); err != nil {
		return nil, fmt.Errorf("start the instance %s: %w", m.name, gcp.Explain(err))
	}
	return i, nil
}

// restart starts an instance that is stopped, or is about to be.
func (m *instance) restart(ctx context.Context) (*gce.Instance, error) {
	stopped := func(i *gce.Instance) (bool, error) { return i == nil || i.Status == "TERMINATED", nil }
	if _, err := m.api.Instance(ctx, m.ProjectID, m.Zone, m.name, stopped); err != nil {
		return nil, err
	}
	op, err := m.api.Compute.Instances.Start(m.ProjectID, m.Zone, m.name).RequestId(gcp.RequestID()).Context(ctx).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if err != nil {
		return nil, err
	}
	return m.api.Instance(ctx, m.ProjectID, m.Zone, m.name, m.hasAddress)
}

// expire sets the label that says when the instance may be swept. Sweeps on
// other hosts see nothing else of it.
func (m *instance) expire(ctx context.Context, i *gce.Instance, when time.Time) error {
	labels := maps.Clone(i.Labels)
	labels[expiresLabel] = fmt.Sprint(when.Unix())
	op, err := m.api.Compute.Instances.SetLabels(m.ProjectID, m.Zone, m.name, &gce.InstancesSetLabelsRequest{
		Labels: labels, LabelFingerprint: i.LabelFingerprint,
	}).RequestId(gcp.RequestID()).Context(ctx).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if err != nil {
		return fmt.Errorf("label the instance %s with %s: %w", m.name, expiresLabel, gcp.Explain(err))
	}
	return nil
}

// Resume resumes by the cloud's builder.
func (b *builder) Resume(ctx context.Context, base builders.Base, held json.RawMessage, env builders.Env) (builders.Session, error) {
	return machine.Resume(ctx, b.Builder, base, held, env)
}

// Resume finds an instance again that was held.
func (c *cloud) Resume(ctx context.Context, base builders.Base, h machine.Held, env builders.Env) (at machine.Machine, err error) {
	var was heldInstance
	if err := json.Unmarshal(h.Machine, &was); err != nil {
		return nil, fmt.Errorf("what was kept of the instance can't be read: %w", err)
	}
	if was.Project != c.ProjectID || was.Zone != c.Zone {
		return nil, fmt.Errorf("the instance %s is in %s/%s, and the source is of %s/%s", was.Name, was.Project, was.Zone, c.ProjectID, c.Zone)
	}
	quiet := c.api.Listen(env.Log)
	defer func() {
		if err != nil {
			quiet()
		}
	}()
	m, err := c.held(base, h.HostKey, was, env)
	if err != nil {
		return nil, err
	}
	m.quiet = quiet
	var i *gce.Instance
	err = together(ctx, func(ctx context.Context) (err error) { i, err = m.wake(ctx); return }, m.checkSourceImage, m.checkImageName)
	if err != nil {
		return nil, err
	}
	if end := m.Ends(); !end.IsZero() {
		if err := m.expire(ctx, i, end); err != nil {
			return nil, err
		}
	}
	m.internal, m.external = addresses(i)
	env.Log.Say(fmt.Sprintf("Going on with the instance %s: %s", m.name, m.target()))
	return m, nil
}

// held is the instance with all that was made for it, as the journal has it.
func (c *cloud) held(base builders.Base, hostKey string, was heldInstance, env builders.Env) (*instance, error) {
	l, err := c.newLaunch(base, env)
	if err != nil {
		return nil, err
	}
	l.name, l.disk, l.labels = was.Name, was.Disk, was.Labels
	l.user, l.osLogin, l.hostKey = was.User, was.OSLogin, hostKey
	m := &instance{launch: l, password: was.Password}
	for _, text := range []string{was.Key, was.Password} {
		c.host.Secrets.Add(text)
	}
	if was.Key != "" {
		if l.key, err = ssh.ReadKey(was.Key); err != nil {
			return nil, err
		}
		l.public = l.key.Authorized
	}
	for _, e := range env.Journal.Entries(env.Build) {
		if r := e.Resource(); r.Cloud == journalName {
			m.made = append(m.made, m.madeBefore(r, e))
		}
	}
	return m, nil
}

// madeBefore is something that the session made before it was held.
func (m *instance) madeBefore(r journal.Resource, e *journal.Entry) made {
	out := made{kind: r.Kind, name: r.Name, entry: e}
	project, where, _ := strings.Cut(r.Place, "/")
	switch {
	case r.Kind == "instance":
		out.remove = m.removeInstance
	case r.Kind == loginKeyKind:
		out.remove = func(ctx context.Context) error { return removeLoginKey(ctx, m.api, r.Place, r.Name) }
	case r.Kind == "disk" && isZone(where):
		out.remove = func(ctx context.Context) error { return m.removeDisk(ctx, r.Name) }
	case r.Kind == "disk":
		out.remove = func(ctx context.Context) error { return m.removeRegionDisk(ctx, r.Name) }
	case r.Kind == "snapshot":
		out.remove = func(ctx context.Context) error {
			op, err := m.api.Compute.Snapshots.Delete(project, r.Name).RequestId(gcp.RequestID()).Context(ctx).Do()
			return m.ended(ctx, op, err)
		}
	default:
		out.remove = func(ctx context.Context) error {
			op, err := m.api.Compute.Images.Delete(project, r.Name).RequestId(gcp.RequestID()).Context(ctx).Do()
			return m.ended(ctx, op, err)
		}
	}
	return out
}

// Proxy leads to the instance by Google's proxy, where the build goes there so.
func (m *instance) Proxy() string {
	if !m.UseIAP {
		return ""
	}
	return "gcloud compute start-iap-tunnel " + m.name + " %p --listen-on-stdin --project=" + m.ProjectID + " --zone=" + m.Zone
}
