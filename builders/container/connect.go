package container

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer" // docker-container://NAME
	_ "github.com/moby/buildkit/client/connhelper/kubepod"         // kube-pod://NAME
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/buildkitd"
)

// Environment variables that say where BuildKit is.
const (
	hostEnv   = "BUILDKIT_HOST"          // its address; the bundled daemon where it is not set
	tlsDirEnv = "INGOT_BUILDKIT_TLS_DIR" // files as for buildctl --tlsdir, for a tcp address
)

// greeting is how long a BuildKit that is not ours may take to answer.
const greeting = 15 * time.Second

// kit is a connection to a BuildKit daemon.
type kit struct {
	*client.Client
	name  string           // what a person calls it
	hint  string           // what to do when it goes away
	lease *buildkitd.Lease // of the bundled daemon, nil for others
}

// connect finds the BuildKit daemon, or starts the bundled one.
func connect(ctx context.Context, host builders.Host) (*kit, error) {
	address := os.Getenv(hostEnv)
	if address == "" {
		return connectBundled(ctx, filepath.Join(host.Cache, "buildkit"))
	}
	opts, err := tlsOptions(address)
	if err != nil {
		return nil, err
	}
	c, err := client.New(ctx, address, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %s", hostEnv, address, plain(err))
	}
	k := &kit{Client: c, name: "BuildKit at " + address, hint: "check " + hostEnv + " and that daemon's log"}
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	if _, err := c.ListWorkers(ctx); err != nil {
		_ = k.close()
		return nil, builders.WithHint(fmt.Errorf("%s does not answer: %s", k.name, plain(err)), k.hint)
	}
	return k, nil
}

func connectBundled(ctx context.Context, dir string) (*kit, error) {
	lease, err := buildkitd.Use(ctx, dir)
	if err != nil {
		return nil, err
	}
	c, err := client.New(ctx, "", client.WithContextDialer(lease.Dial))
	if err != nil {
		return nil, errors.Join(err, lease.Release())
	}
	return &kit{Client: c, name: "buildkitd", lease: lease, hint: "the next run starts a new one; its log is " + lease.Log()}, nil
}

// canRun returns an error that says why where commands of the platform can't
// be run.
func (k *kit) canRun(ctx context.Context, want ocispec.Platform) error {
	workers, err := k.ListWorkers(ctx)
	if err != nil {
		return k.explain(ctx, err)
	}
	var can []string
	for _, w := range workers {
		if platforms.Any(w.Platforms...).Match(want) {
			return nil
		}
		for _, p := range w.Platforms {
			can = append(can, platforms.Format(p))
		}
	}
	return builders.WithHint(fmt.Errorf("platform %s: %s can run only %s", platforms.Format(want), k.name, strings.Join(can, ", ")),
		"on Debian, apt-get install qemu-user-static makes other architectures run")
}

func (k *kit) close() error {
	err := k.Client.Close()
	if k.lease != nil {
		err = errors.Join(err, k.lease.Release())
	}
	return err
}

// tlsOptions reads the certificates for a tcp address, as buildctl --tlsdir.
func tlsOptions(address string) ([]client.ClientOpt, error) {
	dir := os.Getenv(tlsDirEnv)
	if dir == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", hostEnv, err)
	}
	ca, err1 := oneOf(dir, "ca.pem", "ca.crt")
	cert, err2 := oneOf(dir, "cert.pem", "tls.crt")
	key, err3 := oneOf(dir, "key.pem", "tls.key")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return []client.ClientOpt{client.WithServerConfig(u.Hostname(), ca), client.WithCredentials(cert, key)}, nil
}

func oneOf(dir string, names ...string) (string, error) {
	for _, name := range names {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %s has none of %v", tlsDirEnv, dir, names)
}
