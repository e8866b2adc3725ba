package google

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/op"
)

// startupStatus is the file of the instance that holds the exit code of the
// startup script. It is gone with the next boot.
const startupStatus = "/var/run/ingot-startup-script"

// startupLine is what the wrapper prints, for the serial console.
const startupLine = "ingot: the startup script ended with exit code "

var startupEnded = regexp.MustCompile(regexp.QuoteMeta(startupLine) + `(\d+)`)

// waitsForStartup reports whether the end of the startup script is waited for.
func (c *Config) waitsForStartup() bool {
	if c.WrapStartupScript != nil {
		return *c.WrapStartupScript
	}
	return c.StartupScriptFile != ""
}

// hasStartup reports whether there is a script to wait for.
func (l *launch) hasStartup() bool {
	_, inFile := l.MetadataFiles[startupScriptKey]
	return l.waitsForStartup() && (l.StartupScriptFile != "" || inFile || l.Metadata[startupScriptKey].Reveal() != "")
}

// wrapStartup puts a script into one that says how it ended. The mark ends the
// inner script and is a name that no line of it has.
func wrapStartup(script, mark string) string {
	if !strings.HasSuffix(script, "\n") {
		script += "\n"
	}
	return `#!/bin/sh
dir=$(mktemp -d) || exit 1
cat >"$dir/startup-script" <<'end-` + mark + `'
` + script + `end-` + mark + `
chmod 700 "$dir/startup-script"
"$dir/startup-script"
code=$?
rm -rf "$dir"
echo "` + startupLine + `$code"
echo "$code" >` + startupStatus + `.new && mv ` + startupStatus + `.new ` + startupStatus + `
exit "$code"
`
}

// startupDone waits until the startup script has ended well. A machine that is
// connected to tells at once; else the serial console is read.
func (m *instance) startupDone(ctx context.Context) error {
	if !m.hasStartup() {
		return nil
	}
	m.env.Log.Say("Waiting for the startup script to end...")
	wait := m.startupOnConsole
	if m.conn != nil {
		wait = m.startupOverSSH
	}
	code, err := wait(ctx)
	if err != nil {
		return fmt.Errorf("wait for the startup script: %w", err)
	}
	if code != 0 {
		m.showConsole(ctx)
		return builders.WithHint(fmt.Errorf("the startup script ended with exit code %d", code),
			"its output is on the console above; wrap_startup_script = false does not wait for it")
	}
	m.env.Log.Say("The startup script has ended.")
	return nil
}

func (m *instance) startupOverSSH(ctx context.Context) (int, error) {
	var text string
	exit, err := m.conn.Run(ctx, &op.Exec{Argv: []string{
		"/bin/sh", "-c", "while [ ! -s " + startupStatus + " ]; do sleep 0.2; done; cat " + startupStatus,
	}}, func(line string, stderr bool) {
		if !stderr {
			text += line
		}
	})
	if err != nil {
		return 0, err
	}
	if exit.Code != 0 {
		return 0, fmt.Errorf("%s can't be read", startupStatus)
	}
	return strconv.Atoi(strings.TrimSpace(text))
}

// consolePause is how often the serial console is read.
const consolePause = 2 * time.Second

func (m *instance) startupOnConsole(ctx context.Context) (int, error) {
	tick := time.NewTicker(consolePause)
	defer tick.Stop()
	for {
		text, err := m.console(ctx)
		if err != nil {
			return 0, err
		}
		if found := startupEnded.FindAllStringSubmatch(text, -1); len(found) > 0 {
			return strconv.Atoi(found[len(found)-1][1])
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// console returns what the instance printed on its first serial port.
func (m *instance) console(ctx context.Context) (string, error) {
	out, err := m.api.Compute.Instances.GetSerialPortOutput(m.ProjectID, m.Zone, m.name).Port(1).Context(ctx).Do()
	if err != nil {
		return "", gcp.Explain(err)
	}
	return out.Contents, nil
}

// consoleLines is how much of the console is shown.
const consoleLines = 20

// showConsole prints the last lines of the console, and reports whether there
// were any.
func (m *instance) showConsole(ctx context.Context) bool {
	text, err := m.console(ctx)
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r", ""))
	if err != nil || text == "" {
		return false
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-consoleLines):]
	m.env.Log.Say(fmt.Sprintf("The last lines of the console of %s:", m.name))
	for _, line := range lines {
		m.env.Log.Output(line, true)
	}
	return true
}

// explainConnect adds to the error of a login that was not possible what the
// instance has to say.
func (m *instance) explainConnect(ctx context.Context, err error) error {
	if i, look := m.api.Compute.Instances.Get(m.ProjectID, m.Zone, m.name).Context(ctx).Do(); look == nil && i.Status != "RUNNING" {
		return fmt.Errorf("the instance %s is %s, it was ended while the build connected: %w", m.name, i.Status, err)
	}
	shown := m.showConsole(ctx)
	hint := "the network needs a firewall rule that lets tcp:" + strconv.Itoa(m.door()) + " in"
	if m.UseIAP {
		hint += " from 35.235.240.0/20"
	} else {
		hint += "; use_iap connects through Google's proxy instead"
	}
	if given := builders.Hint(err); given != "" {
		hint = given + "; " + hint
	}
	if shown {
		hint += "; the lines of the console above may say more"
	}
	return builders.WithHint(err, hint)
}
