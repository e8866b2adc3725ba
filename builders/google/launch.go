package google

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/ssh"
)

// cleanupTimeout is how long the removal of what a failed launch made may take.
const cleanupTimeout = 10 * time.Minute

// launch is an instance about to be created.
type launch struct {
	*cloud
	env    builders.Env
	name   string // of the instance
	disk   string // name of its boot disk
	image  string // partial URL
	origin string // name of the source image
	again  bool   // image was made by a build of this source, with its key
	labels map[string]string

	source    *gce.Image
	key       ssh.Key         // made for this build
	public    string          // line of the public key that the instance is to know, "" for none
	user      string          // who logs in
	windows   *rsa.PrivateKey // that the password of Windows is encrypted for; nil where it is known
	osLogin   bool
	address   string // reserved, to be used
	replacing bool   // an image of the same name is to be deleted
	hostKey   string // fingerprint that the instance must show; "" pins the first one
}

// names returns those of the instance and its boot disk. One of a trial runs
// beside that of the build, and beside others, so that its names are made up.
func (c *cloud) names(env builders.Env) (instance, disk string) {
	if instance = c.InstanceName; instance == "" || env.Trial {
		instance = madeUpName()
	}
	if disk = c.DiskName; disk == "" || env.Trial {
		disk = instance
	}
	return instance, disk
}

// madeUpName is one that nothing else has.
func madeUpName() string { return "ingot-" + strings.ToLower(rand.Text()[:20]) }

// Launch starts an instance.
func (c *cloud) Launch(ctx context.Context, base builders.Base, env builders.Env) (at machine.Machine, err error) {
	quiet := c.api.Listen(env.Log)
	defer func() {
		if err != nil {
			quiet()
		}
	}()
	l, err := c.newLaunch(base, env)
	if err != nil {
		return nil, err
	}
	l.name, l.disk = c.names(env)
	ctx, cancel := context.WithTimeoutCause(ctx, c.stateTimeout()+c.WaitToAddSSHKeys,
		fmt.Errorf("the instance does not run within %s (state_timeout)", c.stateTimeout()))
	defer cancel()
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	m := &instance{launch: l, quiet: quiet}
	if err := m.start(ctx); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		return nil, errors.Join(gcp.Explain(err), m.Destroy(end))
	}
	return m, nil
}

// newLaunch is an instance to be launched from base.
func (c *cloud) newLaunch(base builders.Base, env builders.Env) (*launch, error) {
	image, err := bootImage(base)
	if err != nil {
		return nil, err
	}
	origin := cmp.Or(base.Vars["build.SourceImageName"].Reveal(), gcp.Last(image))
	return &launch{cloud: c, env: env, image: image, again: base.From != nil, origin: origin, labels: c.runLabels(env, time.Now())}, nil
}

// prepare asks all that has to be known, in one round of calls, and makes the
// key meanwhile. Of several errors the first in the order of the checks is
// told: what is wrong with a zone is also wrong with all that is in it.
func (l *launch) prepare(ctx context.Context) error {
	return together(ctx, append(l.checks(), func(context.Context) error { return l.makeKey() })...)
}

// together calls all functions at the same time, and returns the first error in
// their order.
func together(ctx context.Context, checks ...func(context.Context) error) error {
	errs := make([]error, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() { errs[i] = check(ctx) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *launch) makeKey() error {
	if l.winrm != nil {
		return l.makeWindowsKey()
	}
	if l.ssh == nil {
		return nil
	}
	l.user = l.ssh.User()
	if l.ssh.HasLogin() {
		_, l.public = l.ssh.PrivateKey()
		return nil
	}
	comment := l.TemporaryKeyPairName
	if comment == "" {
		comment = l.name
	}
	key, err := l.NewKey(comment)
	if err != nil {
		return err
	}
	l.key, l.public = key, key.Authorized
	l.host.Secrets.Add(key.Private)
	return nil
}

// zoneURL returns the partial URL of something in the zone.
func (l *launch) zoneURL(kind, name string) string {
	return "zones/" + l.Zone + "/" + kind + "/" + name
}

// intend writes a resource of the zone into the journal.
func (l *launch) intend(kind, name, token string) (*journal.Entry, error) {
	return l.env.Journal.Intend(journal.Resource{
		Cloud: journalName, Place: l.ProjectID + "/" + l.Zone, Kind: kind, Name: name, Token: token,
		Tags: l.labels, Access: l.Access.Journal(l.host), Build: l.env.Build,
	})
}
