package google

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/secret"
)

// gcloudEnv makes a process of the test gcloud.
const gcloudEnv = "INGOT_TEST_GCLOUD"

// gcloud listens where it is told to, and answers with what it was told. In the
// zone of deaf ones it does not listen.
func gcloud(args []string) int {
	at := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--local-host-port=") })
	if slices.Contains(args, deafZone) || at < 0 {
		fmt.Fprintln(os.Stderr, "Testing if tunnel connection works.")
		time.Sleep(time.Minute)
		return 1
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(args[at], "--local-host-port="))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return 1
		}
		fmt.Fprint(conn, strings.Join(args, " "))
		conn.Close()
	}
}

const deafZone = "europe-west1-d"

// TestGcloud runs gcloud's tunnel as the options say. The environment says
// where gcloud is, so that it is not parallel.
func TestGcloud(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "gcloud")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(gcloudEnv, "yes")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	tunnelled := func(change func(*Config)) *instance {
		c := template(func(c *Config) {
			c.UseIAP, c.OmitExternalIP, c.IAPHashbang = true, true, "/bin/sh -x" // which shows what it runs
			change(c)
		})
		b, err := c.Open(builders.Host{Dir: t.TempDir(), Secrets: &secret.Set{}})
		if err != nil {
			t.Fatal(err)
		}
		return &instance{launch: &launch{cloud: b.(*builder).cloud, name: "ingot-1"}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()

	m := tunnelled(func(c *Config) {
		c.IAPLocalhostPort, c.ImpersonateServiceAccount = port, "builder@my-project.iam.gserviceaccount.com"
	})
	conn, err := m.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer m.tunnel.close()
	told, err := io.ReadAll(conn)
	want := fmt.Sprintf("compute start-iap-tunnel ingot-1 22 --local-host-port=127.0.0.1:%d --zone europe-west1-b --project my-project "+
		"--impersonate-service-account=builder@my-project.iam.gserviceaccount.com", port)
	if err != nil || string(told) != want {
		t.Errorf("gcloud was told %q, %v", told, err)
	}
	if said := m.tunnel.lines(); !strings.Contains(said, "exec gcloud compute start-iap-tunnel") {
		t.Errorf("iap_hashbang did not run the script: %q", said)
	}

	deaf := tunnelled(func(c *Config) { c.Zone, c.IAPTunnelLaunchWait = deafZone, 1 })
	_, err = deaf.Dial(ctx)
	if err == nil || !strings.Contains(err.Error(), "Testing if tunnel connection works") || !strings.Contains(builders.Hint(err), "iap_tunnel_launch_wait") || ctx.Err() != nil {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}
