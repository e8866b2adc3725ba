package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/background"
	"github.com/ingot-build/ingot/internal/sandbox"
)

func writeStatus(w io.Writer, st sandbox.Status, d *sandbox.Daemon) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "Endpoint\t%s\n", st.Endpoint)
	fmt.Fprintf(table, "Machines\t%d running\n", st.Machines)
	fmt.Fprintf(table, "Timing\t%s\n", strings.ReplaceAll(st.Timing, ",", " "))
	if st.Faults > 0 {
		fmt.Fprintf(table, "Faults\t%d\n", st.Faults)
	}
	for _, img := range st.Images {
		fmt.Fprintf(table, "Image\t%s is %s\n", img.Pattern, img.Base)
	}
	fmt.Fprintf(table, "Log\t%s\n", d.Log())
	if err := table.Flush(); err != nil {
		return err
	}
	if len(st.Resources) == 0 {
		_, err := fmt.Fprintln(w, "\nNothing has been made in it.")
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(st.Resources, "\n"))
	return err
}

func newSandboxCalls() *cobra.Command {
	return &cobra.Command{
		Use:   "calls",
		Short: "Show which API calls the sandbox was asked",
		Long: `Calls shows the API calls that the sandbox was asked, one a line in their order,
since it began or was last given -faults.`,
		Example: `  ingot sandbox calls | tail -2             # of a build that was unchanged
  ingot sandbox calls | sort | uniq -c`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, c, err := findSandbox(cmd.Context())
			if err != nil {
				return err
			}
			calls, err := c.Calls(cmd.Context())
			if err != nil {
				return err
			}
			for _, call := range calls {
				fmt.Fprintln(cmd.OutOrStdout(), call)
			}
			return nil
		},
	}
}

func newSandboxDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the sandbox, and remove all that is in it",
		Long: `Down ends the sandbox and removes every machine, image and file of it. The
systems that its machines start from stay in the cache for the next one.`,
		Example: `  ingot sandbox down`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := sandboxDaemon()
			if err != nil {
				return err
			}
			found, err := d.Remove(cmd.Context())
			if err != nil {
				return err
			}
			if !found {
				fmt.Fprintln(cmd.OutOrStdout(), "There is no sandbox.")
				return nil
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The sandbox is gone, with its machines, images and files.")
			if _, err := os.Stat(d.Bases); err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "The systems that its machines start from stay in %s.\n", d.Bases)
			}
			return nil
		},
	}
}

// serveCommand is the command of the daemon's process.
const serveCommand = "serve"

// newSandboxServe is what `ingot sandbox up` and -sandbox start: serve DIR BASES,
// with a pipe for its report as file 3.
func newSandboxServe() *cobra.Command {
	var d sandbox.Daemon
	var idle time.Duration
	cmd := &cobra.Command{
		Use:    serveCommand + " DIR BASES",
		Short:  "Be the sandbox",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			signal.Ignore(syscall.SIGHUP)
			d.Dir, d.Bases, d.Idle = args[0], args[1], idle
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug}))
			return d.Run(cmd.Context(), sandbox.Options{Log: log}, background.Reporting())
		},
	}
	cmd.Flags().StringVar(&d.Timing, "timing", "", "as of up")
	cmd.Flags().DurationVar(&idle, "idle", 0, "as of up")
	return cmd
}
