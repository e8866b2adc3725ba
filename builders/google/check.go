package google

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
)

const (
	usualLifetime     = 24 * time.Hour
	usualStateTimeout = 5 * time.Minute
	usualImageTimeout = 30 * time.Minute

	// Bounds of maxRunDuration:
	// https://cloud.google.com/compute/docs/instances/limit-vm-runtime
	shortestRun = 30
	longestRun  = 120 * 24 * 60 * 60
)

// Names of resources, and of labels and their values:
// https://cloud.google.com/compute/docs/naming-resources,
// https://cloud.google.com/compute/docs/labeling-resources#requirements
var (
	nameForm       = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	labelKeyForm   = regexp.MustCompile(`^\p{Ll}[\p{Ll}\p{Lo}\p{N}_-]*$`)
	labelValueForm = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]*$`)
)

// longestLabel is counted apart from the forms: repeated, their classes make
// large programs.
const longestLabel = 63 // characters

func isLabel(k, v string) bool {
	return labelKeyForm.MatchString(k) && labelValueForm.MatchString(v) &&
		utf8.RuneCountInString(k) <= longestLabel && utf8.RuneCountInString(v) <= longestLabel
}

// check checks the options and fills in the defaults that depend on others.
func (c *Config) check(dir string) error {
	for _, check := range []func() error{
		c.checkPlace, c.checkSource, c.checkInstance, c.checkScheduling, c.checkNetwork,
		c.checkLogin, func() error { return c.checkDisks() }, func() error { return c.checkImage(dir) },
		func() error { return c.checkFiles(dir) }, func() error { return c.Access.Check(dir) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkPlace() error {
	if c.ProjectID == "" {
		return component.Errorf("project_id", "is empty")
	}
	region, err := gcp.RegionOf(c.Zone)
	if err != nil {
		e := component.Errorf("zone", "%v", err)
		e.Advice = `a zone is a region with a letter: "europe-west1-b"`
		return e
	}
	if c.Region == "" {
		c.Region = region
	}
	if c.Region != region {
		e := component.Errorf("region", "%s is not the region of the zone %s", c.Region, c.Zone)
		e.Advice = "leave region out: it is said by the zone"
		return e
	}
	if c.WindowsPasswordTimeout < 0 {
		return component.Errorf("windows_password_timeout", "must not be negative")
	}
	if c.StateTimeout < 0 {
		return component.Errorf("state_timeout", "must not be negative")
	}
	return nil
}

func (c *Config) checkSource() error {
	if c.SourceImage == "" && c.SourceImageFamily == "" {
		return component.Errorf("source_image", "is missing: it or source_image_family is needed")
	}
	return nil
}

func (c *Config) checkInstance() error {
	if c.InstanceName != "" && !nameForm.MatchString(c.InstanceName) {
		return badName("instance_name", c.InstanceName)
	}
	if c.MachineType == "" {
		return component.Errorf("machine_type", "is empty")
	}
	if err := checkLabels("labels", c.Labels); err != nil {
		return err
	}
	switch {
	case c.AcceleratorCount < 0:
		return component.Errorf("accelerator_count", "must not be negative")
	case c.AcceleratorCount > 0 && c.AcceleratorType == "":
		return component.Errorf("accelerator_count", "needs accelerator_type")
	case c.AcceleratorType != "" && c.AcceleratorCount == 0:
		return component.Errorf("accelerator_type", "needs accelerator_count")
	case c.DisableDefaultServiceAccount && c.ServiceAccountEmail != "":
		return component.Errorf("disable_default_service_account", "can't be set together with service_account_email")
	case c.EnableIntegrityMonitoring && !c.EnableVTPM:
		return component.Errorf("enable_integrity_monitoring", "needs enable_vtpm")
	}
	for _, n := range c.NodeAffinity {
		if n.Operator != "IN" && n.Operator != "NOT_IN" {
			return component.Errorf("node_affinity.operator", "%q is not one of IN, NOT_IN", n.Operator)
		}
	}
	if r := c.ReservationAffinity; r != nil {
		known := []string{"ANY_RESERVATION", "SPECIFIC_RESERVATION", "NO_RESERVATION"}
		if !slices.Contains(known, r.ConsumeReservationType) {
			return component.Errorf("reservation_affinity.consume_reservation_type", "%q is not one of %s", r.ConsumeReservationType, strings.Join(known, ", "))
		}
		if r.ConsumeReservationType == "SPECIFIC_RESERVATION" && (r.Key == "" || len(r.Values) == 0) {
			return component.Errorf("reservation_affinity.key", "is needed for a specific reservation, and values too")
		}
	}
	return nil
}

func (c *Config) checkScheduling() error {
	c.OnHostMaintenance = strings.ToUpper(c.OnHostMaintenance)
	terminates := c.Preemptible || c.AcceleratorCount > 0
	switch c.OnHostMaintenance {
	case "TERMINATE":
	case "MIGRATE":
		if c.Preemptible {
			return component.Errorf("on_host_maintenance", "must be TERMINATE for preemptible instances")
		}
		if c.AcceleratorCount > 0 {
			return component.Errorf("on_host_maintenance", "must be TERMINATE for instances with accelerators")
		}
	case "":
		c.OnHostMaintenance = "MIGRATE"
		if terminates {
			c.OnHostMaintenance = "TERMINATE"
		}
	default:
		return component.Errorf("on_host_maintenance", "%q is not one of MIGRATE, TERMINATE", c.OnHostMaintenance)
	}
	c.InstanceTerminationAction = strings.ToUpper(c.InstanceTerminationAction)
	if a := c.InstanceTerminationAction; a != "" && a != "STOP" && a != "DELETE" {
		return component.Errorf("instance_termination_action", "%q is not one of STOP, DELETE", a)
	}
	if n := c.MaxRunDurationInSeconds; n != 0 && (n < shortestRun || n > longestRun) {
		return component.Errorf("max_run_duration_in_seconds", "must be between %d and %d", shortestRun, longestRun)
	}
	if l := c.MaxLifetime; l != 0 && (l < time.Minute || l > longestRun*time.Second) {
		return component.Errorf("max_lifetime", "must be between 1m and 2880h, or 0 for none")
	}
	return nil
}

func (c *Config) checkNetwork() error {
	if c.Network == "" && c.Subnetwork == "" {
		c.Network = "default"
	}
	if c.NetworkProjectID == "" {
		c.NetworkProjectID = c.ProjectID
	}
	if c.NetworkIP != "" {
		if ip, err := netip.ParseAddr(c.NetworkIP); err != nil || !ip.Is4() {
			return component.Errorf("network_ip", "%q is not an IPv4 address", c.NetworkIP)
		}
	}
	switch {
	case c.OmitExternalIP && c.Address != "":
		return component.Errorf("address", "can't be set together with omit_external_ip")
	case c.OmitExternalIP && !c.UseInternalIP && !c.UseIAP && c.Host == "" && c.WinRMHost == "" && c.Communicator != "none":
		return component.Errorf("omit_external_ip", "needs use_internal_ip or use_iap: else there is no way to the instance")
	}
	if !c.UseIAP {
		if c.IAPLocalhostPort != 0 || c.IAPHashbang != "" || c.IAPExt != "" {
			return component.Errorf("use_iap", "is needed for the other options of IAP")
		}
		return nil
	}
	if c.Host != "" || c.BastionHost != "" || c.ProxyHost != "" {
		return component.Errorf("use_iap", "can't be set together with ssh_host, ssh_bastion_host or ssh_proxy_host")
	}
	if p := c.IAPLocalhostPort; p < 0 || p > 65535 {
		return component.Errorf("iap_localhost_port", "%d is not a port", p)
	}
	if c.IAPTunnelLaunchWait < 0 {
		return component.Errorf("iap_tunnel_launch_wait", "must not be negative")
	}
	return nil
}

func (c *Config) checkLogin() error {
	if c.UseOSLogin == nil {
		if text, set := c.Metadata[osLoginKey]; set {
			on := strings.EqualFold(text.Reveal(), "true")
			c.UseOSLogin = &on
		}
	}
	if c.OSLoginSSHKeyExpireAfter < 0 || c.WaitToAddSSHKeys < 0 {
		return component.Errorf("wait_to_add_ssh_keys", "and oslogin_ssh_key_expire_after must not be negative")
	}
	if c.UseOSLogin != nil && !*c.UseOSLogin && c.OSLoginSSHUsername != "" {
		return component.Errorf("oslogin_ssh_username", "needs use_os_login")
	}
	return c.CheckKeyPair()
}

// checkFiles checks that the files are there that the instance gets.
func (c *Config) checkFiles(dir string) error {
	if c.StartupScriptFile != "" {
		if _, err := os.Stat(hostfile.Path(dir, c.StartupScriptFile)); err != nil {
			return component.Errorf("startup_script_file", "%v", err)
		}
	}
	for name, file := range c.MetadataFiles {
		if _, err := os.Stat(hostfile.Path(dir, file)); err != nil {
			return component.Errorf("metadata_files", "%s: %v", name, err)
		}
	}
	return nil
}

func badName(option, name string) error {
	e := component.Errorf(option, "%q is not a name that Google Cloud takes", name)
	e.Advice = "use up to 63 lowercase letters, digits and dashes, beginning with a letter and not ending with a dash; clean_resource_name makes one"
	return e
}

func checkLabels(option string, labels map[string]string) error {
	for k, v := range labels {
		if !isLabel(k, v) {
			e := component.Errorf(option, "%s = %q is not a label that Google Cloud takes", k, v)
			e.Advice = "use up to 63 lowercase letters, digits, dashes and underscores; a name begins with a letter"
			return e
		}
	}
	return nil
}

func checkKey(option string, k *EncryptionKey) error {
	if k == nil {
		return nil
	}
	raw := k.RawKey.Reveal()
	if (raw == "") == (k.KMSKeyName == "") {
		return component.Errorf(option, "needs one of kmsKeyName and rawKey")
	}
	if raw != "" {
		if text, err := base64.StdEncoding.DecodeString(raw); err != nil || len(text) != 32 {
			return component.Errorf(option+".rawKey", "is not a key of 256 bits in base64")
		}
	}
	return nil
}

func checkTime(option, text string, now time.Time) error {
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return component.Errorf(option, "%q is not a time as of RFC 3339: 2030-01-31T12:00:00Z", text)
	}
	if t.Before(now) {
		return component.Errorf(option, "%s is in the past", text)
	}
	return nil
}

// imageTimeout is how long the image may take.
func (c *Config) imageTimeout() time.Duration {
	if c.StateTimeout > 0 {
		return c.StateTimeout
	}
	return usualImageTimeout
}

func (c *Config) stateTimeout() time.Duration {
	if c.StateTimeout > 0 {
		return c.StateTimeout
	}
	return usualStateTimeout
}

// defaultImageName is the name of an image that the template does not name.
func defaultImageName(now time.Time) string { return fmt.Sprintf("packer-%d", now.Unix()) }
