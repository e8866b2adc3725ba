package windowsrestart

import (
	"testing"
	"time"

	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"defaults": {func(*Config) {}, `
reboot shutdown /r /f /t 0 /c "ingot restart", within 5m0s
  ok [0 1115 1190]
`},
		"all": {func(c *Config) {
			c.RestartCommand, c.RestartCheckCommand, c.RestartTimeout = "powershell Restart-Computer", "echo up", time.Hour
			c.CheckRegistry, c.RegistryKeys = true, []string{`HKLM:\A`, `HKLM:\it's`}
		}, `
reboot powershell Restart-Computer, within 1h0m0s
  check echo up
  check ` + powershell(`$ProgressPreference = 'SilentlyContinue'
$end = (Get-Date).AddSeconds(3600)
while (@('HKLM:\A', 'HKLM:\it''s' | Where-Object { Test-Path $_ }).Count -gt 0) {
  if ((Get-Date) -gt $end) { exit 1 }
  Start-Sleep -Milliseconds 500
}
exit 0
`) + `
  ok [0 1115 1190]
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Lowers(t, config(test.change), t.TempDir(), test.want)
		})
	}
}

func TestRegistryDefaults(t *testing.T) {
	t.Parallel()
	provisionertest.Lowers(t, config(func(c *Config) { c.CheckRegistry = true }), t.TempDir(), `
reboot shutdown /r /f /t 0 /c "ingot restart", within 5m0s
  check `+powershell(`$ProgressPreference = 'SilentlyContinue'
$end = (Get-Date).AddSeconds(300)
while (@('HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending', 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\PackagesPending', 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootInProgress' | Where-Object { Test-Path $_ }).Count -gt 0) {
  if ((Get-Date) -gt $end) { exit 1 }
  Start-Sleep -Milliseconds 500
}
exit 0
`)+`
  ok [0 1115 1190]
`)
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	provisionertest.Refuses(t, config(func(c *Config) { c.RestartTimeout = -1 }), t.TempDir(), "restart_timeout", "negative")
	provisionertest.Refuses(t, config(func(c *Config) { c.RegistryKeys = []string{"x"} }), t.TempDir(), "registry_keys", "check_registry")
}
