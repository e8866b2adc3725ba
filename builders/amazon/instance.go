package amazon

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
)

// instance is the machine of a session.
type instance struct {
	*stay
	id     string
	key    ssh.Key     // made for the build; the zero Key where none was
	client *ssh.Client // with the key; nil without a communicator

	look    sync.Mutex
	now     types.Instance // as it was last seen
	session *ssmSession    // with ssh_interface session_manager

	password atomic.Pointer[string] // of Windows, once it is known

	halted atomic.Bool    // a step has stopped it
	ends   sync.WaitGroup // of what ends the instance while its image is made
	quiet  func()         // ends that the build is told of services that can't be reached
}

func (i *instance) saw(now types.Instance) {
	i.look.Lock()
	defer i.look.Unlock()
	i.now = now
}

func (i *instance) last() types.Instance {
	i.look.Lock()
	defer i.look.Unlock()
	return i.now
}

// address is where the instance is reached, "" where it is not known yet.
func (s *source) address(now types.Instance) string {
	if given := s.givenHost(); given != "" {
		return given
	}
	public, private := aws.ToString(now.PublicIpAddress), aws.ToString(now.PrivateIpAddress)
	switch s.network.SSHInterface {
	case "public_ip":
		return public
	case "private_ip":
		return private
	case "public_dns":
		return aws.ToString(now.PublicDnsName)
	case "private_dns":
		return aws.ToString(now.PrivateDnsName)
	case "ipv6":
		for _, n := range now.NetworkInterfaces {
			for _, a := range n.Ipv6Addresses {
				return aws.ToString(a.Ipv6Address)
			}
		}
		return aws.ToString(now.Ipv6Address)
	case "session_manager":
		return "127.0.0.1"
	}
	return cmp.Or(public, private)
}

// port is the port that the instance is reached at, as seen from here.
func (i *instance) port() int {
	i.look.Lock()
	defer i.look.Unlock()
	if i.session != nil {
		return i.session.port
	}
	return i.door()
}

// Vars says where the instance is, and what it was launched from.
func (i *instance) Vars() op.Values {
	v := maps.Clone(i.values)
	extra := op.Values{"build.ID": secret.Plain(i.id)}
	if i.reached() {
		extra["build.Host"] = secret.Plain(i.address(i.last()))
		extra["build.Port"] = secret.Plain(strconv.Itoa(i.port()))
	}
	if password := i.password.Load(); password != nil {
		extra["build.WinRMPassword"] = secret.Sensitive(*password)
	}
	if i.key.Private != "" {
		extra["build.SSHPrivateKey"] = secret.Sensitive(i.key.Private)
		extra["build.SSHPublicKey"] = secret.Plain(i.key.Authorized)
	}
	maps.Copy(v, extra)
	return v
}

// TemporaryKey is the public key that was put on the instance for the build,
// as it stands in authorized_keys.
func (i *instance) TemporaryKey() string { return i.key.Authorized }

// Ended says why the instance is gone.
func (i *instance) Ended(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found, err := fetchInstances(i.r.EC2)(ctx, []string{i.id})
	now, ok := found[i.id]
	if err != nil || !ok {
		return nil
	}
	switch stateOf(now) {
	case types.InstanceStateNamePending, types.InstanceStateNameRunning:
		return nil
	}
	return endedError(now)
}

// Stopped waits until a step has stopped the instance.
func (i *instance) Stopped(ctx context.Context) error {
	_, err := i.r.awaitInstance(ctx, i.id, endless, func(now types.Instance) bool {
		s := stateOf(now)
		return s == types.InstanceStateNameStopping || s == types.InstanceStateNameStopped
	})
	if err == nil {
		i.halted.Store(true)
	}
	return err
}

const (
	dialPause = 100 * time.Millisecond // while nothing listens yet
	dialTry   = 2 * time.Second        // for one try: packets to a machine that boots are lost
)

// Dial connects to the SSH server. Right after the boot nothing answers for a
// while: it is tried again at short intervals.
func (i *instance) Dial(ctx context.Context) (net.Conn, error) {
	if i.network.SSHInterface == "session_manager" {
		if err := i.openSession(ctx); err != nil {
			return nil, err
		}
	}
	addr := net.JoinHostPort(i.address(i.last()), strconv.Itoa(i.port()))
	if i.comm.BastionHost != "" || i.comm.ProxyHost != "" {
		return i.client.Dial(ctx, addr)
	}
	for {
		try, cancel := context.WithTimeout(ctx, dialTry)
		conn, err := i.client.Dial(try, addr)
		cancel()
		if err == nil && i.network.SSHInterface == "session_manager" {
			return ssh.Tunnelled(conn), nil // a session takes one connection
		}
		var timeout net.Error
		if err == nil || ctx.Err() != nil || !errors.Is(err, syscall.ECONNREFUSED) && !(errors.As(err, &timeout) && timeout.Timeout()) {
			return conn, err
		}
		if pause.For(ctx, dialPause) != nil {
			return nil, err
		}
	}
}

// Connect logs in. An instance that ends meanwhile ends the waiting.
func (i *instance) Connect(ctx context.Context, _ *ssh.Client) (*ssh.Conn, error) {
	watched, stop := i.watched(ctx)
	defer stop()
	if i.network.SSHInterface == "session_manager" {
		if err := i.openSession(watched); err != nil {
			return nil, i.notReached(ctx, cmp.Or(endOf(watched, ctx), err))
		}
	}
	name := i.client.User() + "@" + net.JoinHostPort(i.address(i.last()), strconv.Itoa(i.port()))
	conn, err := i.client.Connect(watched, ssh.Target{Name: name, Dial: i.Dial})
	if err != nil {
		return nil, i.notReached(ctx, cmp.Or(endOf(watched, ctx), err))
	}
	return conn, nil
}

// watched returns a context that ends also when the instance does.
func (i *instance) watched(ctx context.Context) (context.Context, func()) {
	watched, cancel := context.WithCancelCause(ctx)
	go func() {
		_, err := i.r.awaitInstance(watched, i.id, endless, func(types.Instance) bool { return false })
		if watched.Err() == nil {
			cancel(err)
		}
	}()
	return watched, func() { cancel(nil) }
}

// endless is longer than anything waits.
const endless = 30 * 24 * time.Hour

// endOf returns why the waiting was cut short, nil where the one who waits ended it.
func endOf(watched, ctx context.Context) error {
	if watched.Err() != nil && ctx.Err() == nil {
		return context.Cause(watched)
	}
	return nil
}

// consoleLines is how much of the console is shown.
const consoleLines = 20

// notReached adds to the error of an instance that was not reached what its
// console has, and what may be wrong.
func (i *instance) notReached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	hint := builders.Hint(err)
	if now := i.last(); i.network.SSHInterface == "" && i.givenHost() == "" && aws.ToString(now.PublicIpAddress) == "" {
		hint = fmt.Sprintf("the instance has only the private address %s, as its subnet gives no public one: set associate_public_ip_address = true, or run ingot where that address is reached",
			aws.ToString(now.PrivateIpAddress))
	}
	lines := i.console(ctx)
	if len(lines) == 0 {
		return builders.WithHint(err, hint)
	}
	i.env.Log.Say(fmt.Sprintf("The console of %s, its last %d lines:", i.id, len(lines)))
	for _, l := range lines {
		i.env.Log.Output(l, false)
	}
	return builders.WithHint(err, strings.TrimPrefix(hint+fmt.Sprintf("; its console ends with %q", lines[len(lines)-1]), "; "))
}

// console returns the last lines of the instance's console. Not every type of
// instance gives the latest; others give what was there a while ago.
func (i *instance) console(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := i.r.EC2.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &i.id, Latest: aws.Bool(true)})
	if err != nil {
		out, err = i.r.EC2.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &i.id})
	}
	if err != nil {
		return nil
	}
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
	if err != nil {
		return nil
	}
	var lines []string
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimRight(l, "\r\n \t"); l != "" {
			lines = append(lines, l)
		}
	}
	return lines[max(0, len(lines)-consoleLines):]
}

// terminate tells the instance to end, once. Nobody waits for it here.
func (i *instance) terminate(ctx context.Context) error {
	i.mu.Lock()
	done := i.ending
	i.mu.Unlock()
	if done || i.id == "" {
		return nil
	}
	err := eventually(ctx, func() error {
		_, err := i.r.EC2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{i.id}})
		return err
	}, "InvalidInstanceID.NotFound")
	if err != nil {
		return i.r.explain(ctx, "terminate the instance "+i.id, err)
	}
	i.mu.Lock()
	i.ending = true
	i.mu.Unlock()
	return nil
}

// Destroy removes the instance and all that was made for it, but not an image
// that is finished.
func (i *instance) Destroy(ctx context.Context) error {
	if i.quiet != nil {
		defer i.quiet()
	}
	i.ends.Wait()
	if i.session != nil {
		i.session.close()
	}
	if i.id != "" {
		i.env.Log.Say("Terminating the source AWS instance...")
	}
	return errors.Join(i.terminate(ctx), i.destroy(ctx))
}
