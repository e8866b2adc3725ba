package ec2

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/pause"
)

// chosen is a request about instances.
type chosen struct {
	IDs []string `q:"InstanceId,required,id=i"`
}

type stateChange struct {
	ID  string   `xml:"instanceId"`
	Now stateOut `xml:"currentState"`
	Was stateOut `xml:"previousState"`
}

type stateChanges struct {
	All list[stateChange] `xml:"instancesSet"`
}

// each runs f for the instances, once check has found nothing wrong with any.
func (c *call) each(ids []string, check func(i *instance, st string) error, f func(*instance, string)) (stateChanges, error) {
	var all []*instance
	for _, id := range ids {
		i := c.Instances[id]
		if i == nil {
			return stateChanges{}, notFound("i", id)
		}
		if err := check(i, i.status(c.now)); err != nil {
			return stateChanges{}, err
		}
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	if err := c.ready(); err != nil {
		return stateChanges{}, err
	}
	var out stateChanges
	for _, i := range all {
		was := i.status(c.now)
		f(i, was)
		out.All.Items = append(out.All.Items, stateChange{i.ID, stateNamed(i.status(c.now)), stateNamed(was)})
	}
	return out, nil
}

func wrongState(i *instance, st, what string) error {
	return fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s: it is '%s'.", i.ID, what, st)
}

func startInstances(c *call, in *chosen) (stateChanges, error) {
	return c.each(in.IDs, func(i *instance, st string) error {
		if st != "stopped" && st != "running" && st != "pending" {
			return wrongState(i, st, "started")
		}
		if !i.Content.tree() && i.Content.File == "" {
			return fail("IncorrectInstanceState", "Instance '%s' does not have a volume attached at root (%s)", i.ID, i.RootDevice)
		}
		return nil
	}, func(i *instance, st string) {
		if st != "stopped" {
			return
		}
		if i.WantsPublic {
			i.Public = c.address(i.Public)
		}
		i.Phase, i.Done, i.Launched, i.Reason, i.ReasonCode = starting, time.Time{}, c.now, "", ""
		c.begin(i)
	})
}

// address returns a new address, or the one before where the host has none.
func (c *call) address(before netip.Addr) netip.Addr {
	if a, err := c.Host.Address(); err == nil {
		return a
	}
	return before
}

type stopIn struct {
	chosen
	Force     bool `q:"Force"`
	Hibernate bool `q:"Hibernate"`
	SkipOS    bool `q:"SkipOsShutdown"`
}

func stopInstances(c *call, in *stopIn) (stateChanges, error) {
	return c.each(in.IDs, func(i *instance, st string) error {
		switch {
		case st == "terminated" || st == "shutting-down" || st == "pending":
			return wrongState(i, st, "stopped")
		case i.Launch.NoStop:
			return fail("OperationNotPermitted", "The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", i.ID)
		case i.Spot != "":
			return fail("UnsupportedOperation", "You can't stop the Spot Instance '%s' because it is associated with a one-time Spot Instance request.", i.ID)
		case in.Hibernate:
			return fail("UnsupportedHibernationConfiguration", "The sandbox does not hibernate instances")
		}
		return nil
	}, func(i *instance, st string) {
		if st == "running" {
			i.ReasonCode, i.Reason = "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"
			c.stop(i)
		}
	})
}

type terminateIn struct {
	chosen
	Force  bool `q:"Force"`
	SkipOS bool `q:"SkipOsShutdown"`
}

func terminateInstances(c *call, in *terminateIn) (stateChanges, error) {
	return c.each(in.IDs, func(i *instance, _ string) error {
		if i.Launch.Protected {
			return fail("OperationNotPermitted", "The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", i.ID)
		}
		return nil
	}, func(i *instance, st string) {
		if st != "terminated" && st != "shutting-down" {
			i.ReasonCode, i.Reason = "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"
			c.terminate(i)
		}
	})
}

func rebootInstances(c *call, in *chosen) (done, error) {
	_, err := c.each(in.IDs, func(i *instance, st string) error {
		if st != "running" {
			return wrongState(i, st, "rebooted")
		}
		return nil
	}, func(i *instance, _ string) {
		s, id := c.Server, i.ID
		s.queue(id, func() {
			s.halt(id)
			s.boot(id, time.Now())
		})
	})
	return done{err == nil}, err
}

type consoleIn struct {
	ID     string `q:"InstanceId,required,id=i"`
	Latest bool   `q:"Latest"`
}

type consoleOut struct {
	ID     string `xml:"instanceId"`
	At     stamp  `xml:"timestamp"`
	Output string `xml:"output"`
}

func consoleOutput(c *call, in *consoleIn) (consoleOut, error) {
	i := c.Instances[in.ID]
	if i == nil {
		return consoleOut{}, notFound("i", in.ID)
	}
	text, err := c.Host.Console(i.ID)
	if err != nil {
		text = nil // it has not booted yet
	}
	return consoleOut{i.ID, stamp(c.now), base64.StdEncoding.EncodeToString(text)}, nil
}

type instanceIn struct {
	ID string `q:"InstanceId,required,id=i"`
}

type passwordOut struct {
	ID       string `xml:"instanceId"`
	At       stamp  `xml:"timestamp"`
	Password string `xml:"passwordData"`
}

// passwordTag is a tag by which an instance here says that it is a Windows one
// whose password is the tag's value. What runs is Debian in any case.
const passwordTag = "sandbox:windows-password"

// passwordData is empty, as it is for instances of Linux, unless there is the
// tag: then it is that password, encrypted for the instance's key pair.
func passwordData(c *call, in *instanceIn) (passwordOut, error) {
	i := c.Instances[in.ID]
	if i == nil {
		return passwordOut{}, notFound("i", in.ID)
	}
	out := passwordOut{ID: in.ID, At: stamp(c.now)}
	password, k := c.Tags[in.ID][passwordTag], c.KeyPairs[i.Launch.Key]
	if password == "" || k == nil {
		return out, nil
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Public))
	if err != nil {
		return passwordOut{}, err
	}
	if held, ok := public.(ssh.CryptoPublicKey); ok {
		if key, ok := held.CryptoPublicKey().(*rsa.PublicKey); ok {
			//lint:ignore SA1019 EC2 encrypts passwords so
			raw, err := rsa.EncryptPKCS1v15(rand.Reader, key, []byte(password))
			out.Password = base64.StdEncoding.EncodeToString(raw)
			return out, err
		}
	}
	return passwordOut{}, fail("UnsupportedOperation", "The key pair '%s' is not of type RSA, which passwords of Windows are encrypted for", k.Name)
}

// interrupt takes back the spot instances that run, after a notice.
func (s *Server) interrupt(notice time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Now().Add(notice)
	for _, r := range s.state.Regions {
		for id, i := range r.Instances {
			if i.Spot == "" || i.Phase != starting || !i.Interrupt.IsZero() {
				continue
			}
			i.Interrupt = at
			s.takeBack(id, notice)
		}
	}
	s.save()
}

// takeBack ends a spot instance after a notice.
func (s *Server) takeBack(id string, notice time.Duration) {
	s.after(notice, func() {
		s.change(id, func(_ *region, i *instance) {
			if i.Phase == starting {
				i.ReasonCode = "Server.SpotInstanceTermination"
				i.Reason = "Server.SpotInstanceTermination: Spot instance termination"
				s.terminate(i)
			}
		})
	})
}

// after runs f in a while, unless the server has ended.
func (s *Server) after(d time.Duration, f func()) {
	s.work.Go(func() {
		if pause.For(s.ctx, d) == nil {
			f()
		}
	})
}
