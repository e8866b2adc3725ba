package google

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	disk := func(change func(*DiskAttachment)) func(*Config) {
		return func(c *Config) {
			d := DiskAttachment{VolumeType: "pd-ssd", VolumeSize: 10}
			change(&d)
			c.DiskAttachment = []DiskAttachment{d}
		}
	}
	on, off := true, false
	for name, c := range map[string]struct {
		change       func(*Config)
		option, want string
	}{
		"no project":      {func(c *Config) { c.ProjectID = "" }, "project_id", "empty"},
		"zone":            {func(c *Config) { c.Zone = "europe" }, "zone", "not a zone"},
		"region":          {func(c *Config) { c.Region = "us-east1" }, "region", "not the region"},
		"no source":       {func(c *Config) { c.SourceImageFamily = "" }, "source_image", "missing"},
		"no user":         {func(c *Config) { c.Username = "" }, "ssh_username", "missing"},
		"winrm":           {func(c *Config) { c.Communicator = "winrm" }, "winrm_username", "missing"},
		"image name":      {func(c *Config) { c.ImageName = "Web_1" }, "image_name", "Web_1"},
		"image family":    {func(c *Config) { c.ImageFamily = "-web" }, "image_family", "-web"},
		"image labels":    {func(c *Config) { c.ImageLabels = map[string]string{"Team": "a"} }, "image_labels", "Team"},
		"labels":          {func(c *Config) { c.Labels = map[string]string{"team": "A B"} }, "labels", "A B"},
		"architecture":    {func(c *Config) { c.ImageArchitecture = "sparc" }, "image_architecture", "SPARC"},
		"storage":         {func(c *Config) { c.ImageStorageLocations = []string{"us", "eu"} }, "image_storage_locations", "one region"},
		"past":            {func(c *Config) { c.DeprecateAt = "2020-01-01T00:00:00Z" }, "deprecate_at", "past"},
		"time":            {func(c *Config) { c.DeleteAt = "tomorrow" }, "delete_at", "RFC 3339"},
		"key":             {func(c *Config) { c.ImageEncryptionKey = &EncryptionKey{} }, "image_encryption_key", "one of"},
		"raw key":         {func(c *Config) { c.DiskEncryptionKey = &EncryptionKey{RawKey: secret.Sensitive("x")} }, "disk_encryption_key.rawKey", "256 bits"},
		"signatures":      {func(c *Config) { c.ImageSignaturesDB = []string{"no-such-file"} }, "image_signatures_db", "no-such-file"},
		"startup script":  {func(c *Config) { c.StartupScriptFile = "no-such-file" }, "startup_script_file", "no-such-file"},
		"metadata file":   {func(c *Config) { c.MetadataFiles = map[string]string{"a": "no-such-file"} }, "metadata_files", "no-such-file"},
		"accelerator":     {func(c *Config) { c.AcceleratorCount = 1 }, "accelerator_count", "accelerator_type"},
		"migrate":         {func(c *Config) { c.Preemptible, c.OnHostMaintenance = true, "MIGRATE" }, "on_host_maintenance", "TERMINATE"},
		"maintenance":     {func(c *Config) { c.OnHostMaintenance = "NOTHING" }, "on_host_maintenance", "NOTHING"},
		"termination":     {func(c *Config) { c.InstanceTerminationAction = "EXPLODE" }, "instance_termination_action", "EXPLODE"},
		"short run":       {func(c *Config) { c.MaxRunDurationInSeconds = 5 }, "max_run_duration_in_seconds", "between"},
		"lifetime":        {func(c *Config) { c.MaxLifetime = time.Second }, "max_lifetime", "between"},
		"service account": {func(c *Config) { c.DisableDefaultServiceAccount, c.ServiceAccountEmail = true, "a@b" }, "disable_default_service_account", "service_account_email"},
		"integrity":       {func(c *Config) { c.EnableIntegrityMonitoring = true }, "enable_integrity_monitoring", "enable_vtpm"},
		"reservation": {func(c *Config) {
			c.ReservationAffinity = &ReservationAffinity{ConsumeReservationType: "SPECIFIC_RESERVATION"}
		}, "reservation_affinity.key", "needed"},
		"affinity":           {func(c *Config) { c.NodeAffinity = []NodeAffinity{{Operator: "IS"}} }, "node_affinity.operator", "IS"},
		"no way in":          {func(c *Config) { c.OmitExternalIP = true }, "omit_external_ip", "use_iap"},
		"address":            {func(c *Config) { c.OmitExternalIP, c.UseIAP, c.Address = true, true, "a" }, "address", "omit_external_ip"},
		"internal address":   {func(c *Config) { c.NetworkIP = "::1" }, "network_ip", "IPv4"},
		"iap options":        {func(c *Config) { c.IAPExt = ".sh" }, "use_iap", "needed"},
		"iap and bastion":    {func(c *Config) { c.UseIAP, c.BastionHost = true, "bastion" }, "use_iap", "ssh_bastion_host"},
		"OS Login user":      {func(c *Config) { c.UseOSLogin, c.OSLoginSSHUsername = &off, "me" }, "oslogin_ssh_username", "use_os_login"},
		"key pair":           {func(c *Config) { c.UseOSLogin, c.TemporaryKeyPairType = &on, "dsa" }, "temporary_key_pair_type", "dsa"},
		"two logins":         {func(c *Config) { c.AccessToken, c.CredentialsFile = secret.Plain("a"), "b" }, "credentials_file", "access_token"},
		"credentials":        {func(c *Config) { c.CredentialsJSON = secret.Plain("{}") }, "credentials_json", "type"},
		"no credentials":     {func(c *Config) { c.CredentialsFile = "no-such-file" }, "credentials_file", "no-such-file"},
		"endpoint":           {func(c *Config) { c.CustomEndpoints = map[string]string{"pubsub": "x"} }, "custom_endpoints", "pubsub"},
		"disk type":          {disk(func(d *DiskAttachment) { d.VolumeType = "floppy" }), "disk_attachment.volume_type", "floppy"},
		"disk size":          {disk(func(d *DiskAttachment) { d.VolumeSize = 0 }), "disk_attachment.volume_size", "missing"},
		"scratch":            {disk(func(d *DiskAttachment) { d.VolumeType, d.KeepDevice = scratch, true }), "disk_attachment.volume_type", "scratch"},
		"iops":               {disk(func(d *DiskAttachment) { d.IOPS = 10 }), "disk_attachment.iops", "pd-extreme"},
		"source volume":      {disk(func(d *DiskAttachment) { d.SourceVolume = "x" }), "disk_attachment.source_volume", "exists"},
		"interface":          {disk(func(d *DiskAttachment) { d.InterfaceType = "IDE" }), "disk_attachment.interface_type", "IDE"},
		"mode":               {disk(func(d *DiskAttachment) { d.AttachmentMode = "RW" }), "disk_attachment.attachment_mode", "RW"},
		"clear without keys": {func(c *Config) { c.Communicator, c.ClearAuthorizedKeys = "none", true }, "ssh_clear_authorized_keys", "communicator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := template(c.change).Open(builders.Host{Dir: t.TempDir(), Secrets: &secret.Set{}})
			var option *component.OptionError
			if !errors.As(err, &option) || option.Option != c.option || !strings.Contains(option.Message, c.want) {
				t.Errorf("%v, want %s: … %s", err, c.option, c.want)
			}
		})
	}
}
