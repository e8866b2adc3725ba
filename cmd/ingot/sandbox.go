package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox"
	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// idleEnv names the environment variable with the time, e.g. "5m", after which
// a sandbox that nobody uses ends.
const idleEnv = "INGOT_SANDBOX_IDLE"

func newSandboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run EC2 and Google Compute Engine on this host",
		Long: `A sandbox stands in for EC2 and Google Compute Engine: their APIs on a loopback
address, and for each instance a real machine in namespaces of this host, with
OpenSSH, user data and metadata. Try and test cloud templates with it for
nothing, in seconds. There is one for each user, and it needs root.

` + "`ingot build -sandbox`" + ` starts it by itself; these commands are for other
programs, such as the AWS CLI, boto3, Terraform and gcloud, and to end it.`,
		Example: `  ingot build -sandbox templates/quickstart
  ingot sandbox up
  eval "$(ingot sandbox env)" && aws --endpoint-url "$AWS_ENDPOINT_URL" ec2 describe-images --owners self
  ingot sandbox status
  ingot sandbox down`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSandboxUp(), newSandboxEnv(), newSandboxStatus(), newSandboxCalls(), newSandboxDown(), newSandboxServe())
	return cmd
}

// sandboxDaemon is the sandbox of this user.
func sandboxDaemon() (*sandbox.Daemon, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d := &sandbox.Daemon{Dir: filepath.Join(cache, "sandbox"), Bases: filepath.Join(cache, "bases", "sandbox"),
		Command: []string{exe, "sandbox", serveCommand}}
	if text := os.Getenv(idleEnv); text != "" {
		if d.Idle, err = time.ParseDuration(text); err != nil || d.Idle <= 0 {
			return nil, fmt.Errorf("%s=%s: it takes a duration such as 30m", idleEnv, text)
		}
	}
	return d, nil
}

type upFlags struct {
	timing, faults string
	images         []string
	idle           time.Duration
}

func newSandboxUp() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up [flags]",
		Short: "Start the sandbox",
		Long: `Up starts the sandbox where it does not run, and prints its endpoint and the
environment that points other programs at it. What an earlier one made is there
again, until ` + "`ingot sandbox down`" + `. It ends by itself when no machine runs and
nobody has asked it anything for half an hour.

Without -image, each public image is a Debian system, which is made once, with
mmdebstrap.`,
		Example: `  ingot sandbox up
  ingot sandbox up -timing running=20s,ssh=10s,image=2m     # about as slow as the real one
  ingot sandbox up -faults throttled.hcl
  ingot sandbox up -image 'ubuntu/images/*=oci-layout:ubuntu' -image 'ami-0abc=trixie'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.timing, "timing", "", "how long things take, `NAME=DURATION,…`, e.g. running=3s,ssh=2s,image=8s; short where not named")
	fl.StringVar(&f.faults, "faults", "", "a `file` of what goes wrong; replaces what an earlier one said")
	fl.StringArrayVar(&f.images, "image", nil, "what stands for a public image, `PATTERN=BASE`: a Debian suite or an OCI image with sshd; may be repeated")
	fl.DurationVar(&f.idle, "idle", 0, "end after this `time` without a machine or a request; default $"+idleEnv+", else 30m")
	_ = cmd.MarkFlagFilename("faults", "hcl", "json")
	return cmd
}

func (f *upFlags) run(cmd *cobra.Command) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	d, err := sandboxDaemon()
	if err != nil {
		return err
	}
	want, err := timing.Parse(f.timing)
	if err != nil {
		return fmt.Errorf("-timing: %w", err)
	}
	wrong := &fault.Set{}
	if f.faults != "" {
		if err := wrong.Load(f.faults); err != nil {
			return err
		}
	}
	images, err := parseImages(f.images)
	if err != nil {
		return err
	}
	d.Timing, d.Idle = want.String(), cmp.Or(f.idle, d.Idle)
	if cmd.Flags().Changed("timing") {
		if err := retime(ctx, d); err != nil {
			return err
		}
	}
	c, err := d.Use(ctx)
	if err != nil {
		return err
	}
	if f.faults != "" {
		if err := c.SetFaults(ctx, sandbox.Wrong{Rules: wrong.Rules(), Account: wrong.Account()}); err != nil {
			return err
		}
	}
	if err := c.Prepare(ctx, images, &note{w: cmd.ErrOrStderr()}); err != nil {
		return err
	}
	if err := c.AddImages(ctx, images); err != nil {
		return err
	}
	fmt.Fprintf(out, "The sandbox listens on %s. Its log is %s.\n\n", c.Sandbox().AWS, d.Log())
	fmt.Fprintln(out, "To point the AWS CLI, boto3, Terraform and gcloud at it: eval \"$(ingot sandbox env)\", which is")
	for _, line := range sandboxEnv(c.Sandbox(), d) {
		fmt.Fprintln(out, "  "+line)
	}
	return nil
}

// retime ends a sandbox that has another timing, so that it starts with the new one.
func retime(ctx context.Context, d *sandbox.Daemon) error {
	c, err := d.Find(ctx)
	if errors.Is(err, sandbox.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	st, err := c.Status(ctx)
	if err != nil || st.Timing == d.Timing {
		return err
	}
	if st.Machines > 0 {
		return builders.WithHint(fmt.Errorf("the sandbox runs with another timing, and %d of its machines run", st.Machines),
			"end them, or run `ingot sandbox down` first")
	}
	return d.Stop(ctx)
}

// parseImages reads PATTERN=BASE.
func parseImages(list []string) (catalog.Catalog, error) {
	var out catalog.Catalog
	for _, text := range list {
		i := strings.LastIndex(text, "=")
		if i <= 0 || i == len(text)-1 {
			return nil, fmt.Errorf("-image %s: it takes PATTERN=BASE", text)
		}
		img := catalog.Image{Match: text[:i], Base: host.Base{Suite: text[i+1:]}}
		if strings.ContainsAny(img.Base.Suite, ":/") {
			img.Base = host.Base{OCI: text[i+1:]}
		}
		if err := absolute(&img.Base); err != nil {
			return nil, err
		}
		out = append(out, img)
	}
	return out, nil
}

// absolute makes the folder of an OCI layout one that the daemon finds too.
func absolute(b *host.Base) error {
	const scheme = "oci-layout:"
	rest, ok := strings.CutPrefix(b.OCI, scheme)
	if !ok {
		return nil
	}
	dir, tag, tagged := strings.Cut(rest, ":")
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	b.OCI = scheme + dir
	if tagged {
		b.OCI += ":" + tag
	}
	return nil
}

func newSandboxEnv() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print the environment that points other programs at the sandbox",
		Example: `  eval "$(ingot sandbox env)"
  aws --endpoint-url "$AWS_ENDPOINT_URL" ec2 describe-instances
  gcloud compute images list --no-standard-images`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, c, err := findSandbox(cmd.Context())
			if err != nil {
				return err
			}
			for _, line := range sandboxEnv(c.Sandbox(), d) {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			return nil
		},
	}
}

// findSandbox returns the sandbox that runs.
func findSandbox(ctx context.Context) (*sandbox.Daemon, *sandbox.Client, error) {
	d, err := sandboxDaemon()
	if err != nil {
		return nil, nil, err
	}
	c, err := d.Find(ctx)
	if errors.Is(err, sandbox.ErrNotRunning) {
		err = builders.WithHint(err, "`ingot sandbox up` starts one")
	}
	return d, c, err
}

// sandboxEnv points the AWS SDKs, the Google provider of Terraform and gcloud
// at the sandbox.
func sandboxEnv(s *builders.Sandbox, d *sandbox.Daemon) []string {
	return []string{
		"export AWS_ENDPOINT_URL=" + s.AWS,
		"export AWS_ACCESS_KEY_ID=" + s.AWSKey,
		"export AWS_SECRET_ACCESS_KEY=" + s.AWSSecret,
		"export AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true",
		"unset AWS_PROFILE AWS_SESSION_TOKEN",
		"export GOOGLE_OAUTH_ACCESS_TOKEN=" + s.GoogleToken,
		"export GOOGLE_COMPUTE_CUSTOM_ENDPOINT=" + s.GCE + "/compute/v1/",
		"export CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + d.GoogleTokenFile(),
		"export CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=" + s.GCE + "/compute/v1/",
		"export CLOUDSDK_CORE_PROJECT=sandbox",
	}
}

func newSandboxStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the sandbox, and what is in it",
		Long: `Status shows the endpoint of the sandbox, how many machines run, and every
resource that was made in it: instances, images, snapshots, disks, keys …`,
		Example: `  ingot sandbox status
  ingot sandbox status -json | jq -r '.resources[]'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, c, err := findSandbox(cmd.Context())
			if err != nil {
				return err
			}
			st, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				return enc.Encode(st)
			}
			return writeStatus(cmd.OutOrStdout(), st, d)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
