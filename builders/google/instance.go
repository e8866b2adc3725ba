package google

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
)

// instance is an instance that an image is made of.
type instance struct {
	*launch
	internal, external string // addresses
	conn               *ssh.Conn
	tunnel             *gcloudTunnel
	password           string // of Windows, once it is known

	mu       sync.Mutex
	made     []made         // in the order of creation
	deleting *gce.Operation // of the instance
	account  string         // whose OS Login profile has the key
	quiet    func()         // ends that the build is told of outages
}

// made is something that Destroy removes.
type made struct {
	kind, name string
	entry      *journal.Entry
	remove     func(ctx context.Context) error
}

// start creates the instance and waits until it runs and has its address.
func (m *instance) start(ctx context.Context) error {
	if m.osLogin && m.public != "" && !m.ssh.HasLogin() {
		if err := m.importKey(ctx); err != nil {
			return err
		}
	}
	body, err := m.body()
	if err != nil {
		return err
	}
	m.env.Log.Say(fmt.Sprintf("Creating the instance %s in %s from %s...", m.name, m.Zone, gcp.Last(m.image)))
	if err := m.create(ctx, body); err != nil {
		return m.explainLaunch(err)
	}
	i, err := m.api.Instance(ctx, m.ProjectID, m.Zone, m.name, m.hasAddress)
	if err != nil {
		return fmt.Errorf("instance %s: %w", m.name, err)
	}
	m.internal, m.external = addresses(i)
	m.env.Log.Say(fmt.Sprintf("The instance runs: %s", m.target()))
	if m.WaitToAddSSHKeys > 0 && !m.osLogin {
		return m.addKeyLater(ctx)
	}
	return nil
}

// create calls instances.insert, with what it makes in the journal before.
func (m *instance) create(ctx context.Context, body *gce.Instance) error {
	request := gcp.RequestID()
	inst, err := m.intend("instance", m.name, request)
	if err != nil {
		return err
	}
	m.add(made{"instance", m.name, inst, m.removeInstance})
	disks, err := m.intendDisks(request)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	known, done := machine.Outlive(ctx)
	defer done()
	op, err := m.api.Compute.Instances.Insert(m.ProjectID, m.Zone, body).RequestId(request).Context(known).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if gcp.IsConflict(err) {
		return errors.Join(err, m.disown())
	}
	if err != nil {
		return cmp.Or(context.Cause(known), err) // the first says why nobody waits any longer
	}
	for _, e := range append(disks, inst) {
		if err := e.Made(e.Resource().Name); err != nil {
			return err
		}
	}
	return nil
}

// disown forgets an instance and disks that were not made because their names
// are in use: what has them is someone else's.
func (m *instance) disown() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	m.made = slices.DeleteFunc(m.made, func(r made) bool {
		if r.kind != "instance" && r.kind != "disk" {
			return false
		}
		errs = append(errs, r.entry.Gone())
		return true
	})
	return errors.Join(errs...)
}

// intendDisks writes the disks that do not go with the instance.
func (m *instance) intendDisks(request string) ([]*journal.Entry, error) {
	boot, err := m.intend("disk", m.disk, request)
	if err != nil {
		return nil, err
	}
	m.add(made{"disk", m.disk, boot, func(ctx context.Context) error { return m.removeDisk(ctx, m.disk) }})
	entries := []*journal.Entry{boot}
	for i, d := range m.DiskAttachment {
		if d.SourceVolume != "" || m.keeps(d) || !d.CreateImage {
			continue
		}
		name, remove := m.attachedName(i), m.removeDisk
		r := journal.Resource{Cloud: journalName, Place: m.ProjectID + "/" + m.Zone, Kind: "disk", Name: name,
			Token: request, Tags: m.labels, Access: m.Access.Journal(m.launch.host), Build: m.env.Build}
		if len(d.ReplicaZones) > 0 {
			r.Place, remove = m.ProjectID+"/"+m.Region, m.removeRegionDisk
		}
		e, err := m.env.Journal.Intend(r)
		if err != nil {
			return nil, err
		}
		m.add(made{"disk", name, e, func(ctx context.Context) error { return remove(ctx, name) }})
		entries = append(entries, e)
	}
	return entries, nil
}

func (m *instance) add(r made) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made = append(m.made, r)
}

// explainLaunch says in which place there was no room.
func (m *instance) explainLaunch(err error) error {
	if gcp.IsConflict(err) {
		return builders.WithHint(fmt.Errorf("create the instance %s: the name of the instance or of a disk is in use", m.name),
			"leave instance_name and disk_name out, or make them unique")
	}
	return fmt.Errorf("create the instance %s (%s in %s): %w", m.name, m.MachineType, m.Zone, gcp.Explain(err))
}

// hasAddress reports whether the instance runs and can be reached.
func (m *instance) hasAddress(i *gce.Instance) (bool, error) {
	if i == nil {
		return false, nil
	}
	switch i.Status {
	case "STOPPING", "STOPPED", "TERMINATED", "SUSPENDING", "SUSPENDED":
		return false, fmt.Errorf("it is %s: %s", i.Status, i.StatusMessage)
	case "RUNNING":
		internal, external := addresses(i)
		return internal != "" && (m.OmitExternalIP || external != ""), nil
	}
	return false, nil
}

func addresses(i *gce.Instance) (internal, external string) {
	for _, n := range i.NetworkInterfaces {
		for _, a := range n.AccessConfigs {
			if external == "" {
				external = a.NatIP
			}
		}
		if internal == "" {
			internal = n.NetworkIP
		}
	}
	return internal, external
}

// target is where the instance is reached.
func (m *instance) target() string {
	switch {
	case m.winrm != nil && m.winrm.Host() != "":
		return m.winrm.Host()
	case m.winrm == nil && m.Host != "":
		return m.Host
	case m.UseInternalIP || m.UseIAP || m.external == "":
		return m.internal
	}
	return m.external
}

// Vars says what is known of the instance.
func (m *instance) Vars() op.Values {
	v := op.Values{
		"build.ID":              secret.Plain(m.name),
		"build.Host":            secret.Plain(m.target()),
		"build.Port":            secret.Plain(strconv.Itoa(m.door())),
		"build.SourceImageName": secret.Plain(m.origin),
	}
	if m.password != "" {
		v["build.WinRMPassword"] = secret.Sensitive(m.password)
	}
	if m.ssh == nil {
		return v
	}
	v["build.User"] = secret.Plain(m.user)
	if m.key.Private != "" {
		v["build.SSHPrivateKey"] = secret.Sensitive(m.key.Private)
		v["build.SSHPublicKey"] = secret.Plain(m.key.Authorized)
	}
	return v
}

// addKeyLater adds the key for the login to the metadata of the instance that
// runs already.
func (m *instance) addKeyLater(ctx context.Context) error {
	m.env.Log.Say(fmt.Sprintf("Waiting %s before the SSH key is added...", m.WaitToAddSSHKeys))
	if err := pause.For(ctx, m.WaitToAddSSHKeys); err != nil {
		return err
	}
	i, err := m.api.Compute.Instances.Get(m.ProjectID, m.Zone, m.name).Context(ctx).Do()
	if err != nil {
		return err
	}
	metadata, err := m.metadata(true)
	if err != nil {
		return err
	}
	metadata.Fingerprint = i.Metadata.Fingerprint
	op, err := m.api.Compute.Instances.SetMetadata(m.ProjectID, m.Zone, m.name, metadata).RequestId(gcp.RequestID()).Context(ctx).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if err != nil {
		return fmt.Errorf("add the SSH key to the instance %s: %w", m.name, err)
	}
	return nil
}

// Destroy removes the instance and what came with it, in reverse order. What
// is gone already counts as removed.
func (m *instance) Destroy(ctx context.Context) error {
	defer m.quiet()
	if m.tunnel != nil {
		m.tunnel.close()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	var left []made
	// The instance goes first: its disks are free after that.
	for _, r := range m.made {
		if err := r.remove(ctx); err != nil {
			errs = append(errs, fmt.Errorf("remove the %s %s: %w", r.kind, r.name, gcp.Explain(err)))
			left = append(left, r)
			continue
		}
		if err := r.entry.Gone(); err != nil {
			errs = append(errs, err)
		}
	}
	m.made = left
	return errors.Join(errs...)
}

// deleteInstance begins to delete the instance. Its disks stay.
func (m *instance) deleteInstance(ctx context.Context) (*gce.Operation, error) {
	return m.api.Compute.Instances.Delete(m.ProjectID, m.Zone, m.name).RequestId(gcp.RequestID()).Context(ctx).Do()
}

func (m *instance) removeInstance(ctx context.Context) error {
	if m.deleting != nil {
		err := m.api.Wait(ctx, m.deleting)
		m.deleting = nil
		if err == nil {
			return nil
		}
	}
	op, err := m.deleteInstance(ctx)
	return m.ended(ctx, op, err)
}

func (m *instance) removeDisk(ctx context.Context, name string) error {
	op, err := m.api.Compute.Disks.Delete(m.ProjectID, m.Zone, name).RequestId(gcp.RequestID()).Context(ctx).Do()
	return m.ended(ctx, op, err)
}

func (m *instance) removeRegionDisk(ctx context.Context, name string) error {
	op, err := m.api.Compute.RegionDisks.Delete(m.ProjectID, m.Region, name).RequestId(gcp.RequestID()).Context(ctx).Do()
	return m.ended(ctx, op, err)
}

// ended waits for the end of a deletion. What is not there was deleted.
func (c *cloud) ended(ctx context.Context, op *gce.Operation, err error) error {
	if err == nil {
		err = c.api.Wait(ctx, op)
	}
	if gcp.IsNotFound(err) {
		return nil
	}
	return err
}
