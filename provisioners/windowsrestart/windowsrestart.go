// Package windowsrestart is the provisioner "windows-restart": it restarts a
// Windows machine and waits until it is up again.
package windowsrestart

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner.
type Config struct {
	// RestartCommand is the command that restarts the machine. Default
	// "shutdown /r /f /t 0 /c \"ingot restart\"".
	RestartCommand string `hcl:"restart_command,optional"`
	// RestartCheckCommand is a command that has to end well before the machine
	// counts as up. It is tried again until it does. Default: that PowerShell
	// runs.
	RestartCheckCommand string `hcl:"restart_check_command,optional"`
	// RestartTimeout is how long the restart may take, with the checks. Default
	// "5m".
	RestartTimeout time.Duration `hcl:"restart_timeout,optional"`
	// CheckRegistry waits until none of registry_keys is there. Default false.
	CheckRegistry bool `hcl:"check_registry,optional"`
	// RegistryKeys are keys of the registry that say that a restart is pending.
	// Default: RebootPending, PackagesPending and RebootInProgress of Component
	// Based Servicing.
	RegistryKeys []string `hcl:"registry_keys,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "windows-restart", New: func() provisioners.Provisioner {
		return &Config{RestartTimeout: 5 * time.Minute}
	}}
}

const defaultCommand = `shutdown /r /f /t 0 /c "ingot restart"`

// servicing is where Windows says that a restart is pending.
const servicing = `HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\`

// Exit codes of shutdown that say that the machine goes down already:
// https://learn.microsoft.com/windows/win32/debug/system-error-codes--1000-1299-
const (
	errInProgress = 1115 // ERROR_SHUTDOWN_IN_PROGRESS
	errScheduled  = 1190 // ERROR_SHUTDOWN_IS_SCHEDULED
)

// Lower returns one Reboot.
func (c *Config) Lower(provisioners.Input) ([]op.Op, error) {
	if c.RestartTimeout < 0 {
		return nil, component.Errorf("restart_timeout", "must not be negative")
	}
	if len(c.RegistryKeys) > 0 && !c.CheckRegistry {
		return nil, component.Errorf("registry_keys", "needs check_registry = true")
	}
	r := &op.Reboot{Cmd: c.RestartCommand, OK: []int{0, errInProgress, errScheduled}, Within: c.RestartTimeout}
	if r.Cmd == "" {
		r.Cmd = defaultCommand
	}
	if r.Within == 0 {
		r.Within = 5 * time.Minute
	}
	if c.RestartCheckCommand != "" {
		r.Checks = append(r.Checks, c.RestartCheckCommand)
	}
	if c.CheckRegistry {
		r.Checks = append(r.Checks, powershell(c.registryCheck(r.Within)))
	}
	return []op.Op{r}, nil
}

// registryCheck waits on the machine until the keys are gone.
func (c *Config) registryCheck(within time.Duration) string {
	keys := c.RegistryKeys
	if len(keys) == 0 {
		keys = []string{servicing + "RebootPending", servicing + "PackagesPending", servicing + "RebootInProgress"}
	}
	var quoted []string
	for _, k := range keys {
		quoted = append(quoted, "'"+strings.ReplaceAll(k, "'", "''")+"'")
	}
	return fmt.Sprintf(`$ProgressPreference = 'SilentlyContinue'
$end = (Get-Date).AddSeconds(%d)
while (@(%s | Where-Object { Test-Path $_ }).Count -gt 0) {
  if ((Get-Date) -gt $end) { exit 1 }
  Start-Sleep -Milliseconds 500
}
exit 0
`, int(within.Seconds()), strings.Join(quoted, ", "))
}

// powershell is the command line that runs a script.
func powershell(script string) string {
	var raw []byte
	for _, u := range utf16.Encode([]rune(script)) {
		raw = append(raw, byte(u), byte(u>>8))
	}
	return "powershell -NoProfile -NonInteractive -EncodedCommand " + base64.StdEncoding.EncodeToString(raw)
}
