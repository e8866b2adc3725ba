package amazon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// plainConfig returns a source that all options can be added to.
func plainConfig() *Config {
	c := DefinitionEBS().New().(*Config)
	c.SourceAMI, c.InstanceType, c.Username, c.Name, c.Region = "ami-0123456789abcdef0", "t3.micro", "admin", "web-1", home
	return c
}

func TestOptions(t *testing.T) {
	t.Parallel()
	yes := true
	for name, test := range map[string]struct {
		change func(*Config)
		option string
	}{
		"no name":        {func(c *Config) { c.Name = "" }, "ami_name"},
		"short name":     {func(c *Config) { c.Name = "ab" }, "ami_name"},
		"long name":      {func(c *Config) { c.Name = strings.Repeat("x", 129) }, "ami_name"},
		"name's letters": {func(c *Config) { c.Name = "web:1" }, "ami_name"},
		"no source":      {func(c *Config) { c.SourceAMI = "" }, "source_ami"},
		"source twice":   {func(c *Config) { c.SourceAMIFilter = &AMIFilter{} }, "source_ami_filter"},
		"no id":          {func(c *Config) { c.SourceAMI = "debian-12" }, "source_ami"},
		"no owners": {func(c *Config) {
			c.SourceAMI, c.SourceAMIFilter = "", &AMIFilter{Filters: map[string]string{"name": "x"}}
		}, "source_ami_filter.owners"},
		"no filters":          {func(c *Config) { c.SourceAMI, c.SourceAMIFilter = "", &AMIFilter{Owners: []string{"self"}} }, "source_ami_filter.filters"},
		"no type":             {func(c *Config) { c.InstanceType = "" }, "instance_type"},
		"two kinds of type":   {func(c *Config) { c.SpotInstanceTypes = []string{"t3.small"} }, "spot_instance_types"},
		"user data twice":     {func(c *Config) { c.UserData, c.UserDataFile = "x", "y" }, "user_data_file"},
		"no user data":        {func(c *Config) { c.UserDataFile = "missing" }, "user_data_file"},
		"long user data":      {func(c *Config) { c.UserData = strings.Repeat("x", 20000) }, "user_data"},
		"profile twice":       {func(c *Config) { c.IAMInstanceProfile, c.TemporaryPolicy = "x", &PolicyDocument{} }, "temporary_iam_instance_profile_policy_document"},
		"empty policy":        {func(c *Config) { c.TemporaryPolicy = &PolicyDocument{} }, "temporary_iam_instance_profile_policy_document"},
		"lifetime":            {func(c *Config) { c.MaxLifetime = -1 }, "max_lifetime"},
		"shutdown":            {func(c *Config) { c.ShutdownBehavior = "explode" }, "shutdown_behavior"},
		"tenancy":             {func(c *Config) { c.Tenancy = "flat" }, "tenancy"},
		"tenancy twice":       {func(c *Config) { c.Tenancy, c.Placement = "default", &Placement{Tenancy: "host"} }, "tenancy"},
		"metadata":            {func(c *Config) { c.MetadataOptions = &MetadataOptions{HTTPEndpoint: "on"} }, "metadata_options.http_endpoint"},
		"hops":                {func(c *Config) { c.MetadataOptions = &MetadataOptions{HTTPPutResponseHopLimit: 65} }, "metadata_options.http_put_response_hop_limit"},
		"credits":             {func(c *Config) { c.EnableUnlimitedCredits, c.InstanceType = true, "m5.large" }, "enable_unlimited_credits"},
		"reservation":         {func(c *Config) { c.CapacityReservationID, c.CapacityReservationGroupARN = "a", "b" }, "capacity_reservation_id"},
		"vpc twice":           {func(c *Config) { c.VpcID, c.VpcFilter = "vpc-1", &VpcFilter{} }, "vpc_filter"},
		"vpc id":              {func(c *Config) { c.VpcID = "main" }, "vpc_id"},
		"subnet twice":        {func(c *Config) { c.SubnetID, c.SubnetFilter = "subnet-1", &SubnetFilter{} }, "subnet_filter"},
		"subnet id":           {func(c *Config) { c.SubnetID = "net" }, "subnet_id"},
		"zone":                {func(c *Config) { c.AvailabilityZone = "us-east-1" }, "availability_zone"},
		"group twice":         {func(c *Config) { c.SecurityGroupID, c.SecurityGroupIDs = "sg-1", []string{"sg-2"} }, "security_group_ids"},
		"group id":            {func(c *Config) { c.SecurityGroupIDs = []string{"default"} }, "security_group_ids"},
		"range":               {func(c *Config) { c.TemporaryCIDRs = []string{"10.0.0.1"} }, "temporary_security_group_source_cidrs"},
		"range twice":         {func(c *Config) { c.TemporaryCIDRs, c.TemporaryPublicIP = []string{"10.0.0.0/8"}, true }, "temporary_security_group_source_public_ip"},
		"interface":           {func(c *Config) { c.SSHInterface = "eth0" }, "ssh_interface"},
		"session port":        {func(c *Config) { c.SessionManagerPort = 8000 }, "session_manager_port"},
		"session and bastion": {func(c *Config) { c.SSHInterface, c.BastionHost = "session_manager", "b" }, "ssh_interface"},
		"price":               {func(c *Config) { c.SpotPrice = "cheap" }, "spot_price"},
		"strategy":            {func(c *Config) { c.SpotPrice, c.SpotAllocationStrategy = "auto", "luck" }, "spot_allocation_strategy"},
		"spot tags":           {func(c *Config) { c.SpotTags = map[string]string{"a": "b"} }, "spot_tags"},
		"device name":         {func(c *Config) { c.LaunchBlockDevices = []BlockDevice{{}} }, "launch_block_device_mappings"},
		"device twice":        {func(c *Config) { c.AMIBlockDevices = []BlockDevice{{DeviceName: "a"}, {DeviceName: "a"}} }, "ami_block_device_mappings"},
		"device key":          {func(c *Config) { c.LaunchBlockDevices = []BlockDevice{{DeviceName: "a", KMSKeyID: "k"}} }, "launch_block_device_mappings"},
		"device type":         {func(c *Config) { c.LaunchBlockDevices = []BlockDevice{{DeviceName: "a", VolumeType: "fast"}} }, "launch_block_device_mappings"},
		"iops needed":         {func(c *Config) { c.LaunchBlockDevices = []BlockDevice{{DeviceName: "a", VolumeType: "io1"}} }, "launch_block_device_mappings"},
		"image key":           {func(c *Config) { c.KMSKeyID = "k" }, "kms_key_id"},
		"group":               {func(c *Config) { c.Groups = []string{"friends"} }, "ami_groups"},
		"public secret":       {func(c *Config) { c.Groups, c.EncryptBoot = []string{"all"}, &yes }, "ami_groups"},
		"shared default key":  {func(c *Config) { c.Users, c.EncryptBoot = []string{"1"}, &yes }, "encrypt_boot"},
		"key of a region": {func(c *Config) {
			c.Regions, c.RegionKMSKeyIDs = []string{"eu-west-1"}, map[string]string{"us-east-1": ""}
		},
			"region_kms_key_ids"},
		"nowhere":        {func(c *Config) { c.SkipSaveBuildRegion = true }, "skip_save_build_region"},
		"deprecation":    {func(c *Config) { c.DeprecateAt = "tomorrow" }, "deprecate_at"},
		"imds":           {func(c *Config) { c.IMDSSupport = "v1.0" }, "imds_support"},
		"tag of AWS":     {func(c *Config) { c.Tags = map[string]string{"aws:x": "y"} }, "tags"},
		"tag's name":     {func(c *Config) { c.Tag = []Tag{{Value: "y"}} }, "tag"},
		"secret alone":   {func(c *Config) { c.SecretKey = secret.Sensitive("x") }, "access_key"},
		"key alone":      {func(c *Config) { c.AccessKey = "x" }, "secret_key"},
		"role":           {func(c *Config) { c.AssumeRole = &AssumeRole{} }, "assume_role.role_arn"},
		"role's time":    {func(c *Config) { c.AssumeRole = &AssumeRole{RoleARN: "r", DurationSeconds: 1} }, "assume_role.duration_seconds"},
		"endpoint":       {func(c *Config) { c.CustomEndpointEC2 = "ec2" }, "custom_endpoint_ec2"},
		"vault's ttl":    {func(c *Config) { c.VaultAWSEngine = &VaultAWSEngine{Name: "n", TTL: "x"} }, "vault_aws_engine.ttl"},
		"winrm":          {func(c *Config) { c.Communicator = "winrm" }, "winrm_username"},
		"no user":        {func(c *Config) { c.Username = "" }, "ssh_username"},
		"key pair alone": {func(c *Config) { c.KeypairName = "mine" }, "ssh_keypair_name"},
		"key's kind":     {func(c *Config) { c.TemporaryKeyPairType = "ecdsa" }, "temporary_key_pair_type"},
		"nothing to clear": {func(c *Config) { c.ClearAuthorizedKeys, c.Password = true, secret.Sensitive("x") },
			"ssh_clear_authorized_keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := plainConfig()
			if _, err := c.Open(builders.Host{Secrets: &secret.Set{}}); err != nil {
				t.Fatal(err)
			}
			test.change(c)
			_, err := c.Open(builders.Host{Secrets: &secret.Set{}})
			var option *component.OptionError
			if !errors.As(err, &option) || option.Option != test.option {
				t.Errorf("error %v, want one about %s", err, test.option)
			}
		})
	}
}

// TestKeys says which options change what is on the image.
func TestKeys(t *testing.T) {
	t.Parallel()
	c := plainConfig()
	base := component.KeyFields(c)
	if len(base) != 0 {
		t.Errorf("a plain source has options in its key: %v", base)
	}
	c.Tags, c.Regions, c.RunTags, c.InstanceType = map[string]string{"a": "b"}, []string{"eu-west-1"}, map[string]string{"a": "b"}, "m5.large"
	c.MaxLifetime, c.SubnetID, c.SpotPrice, c.Description = time.Hour, "subnet-1", "auto", "text"
	if got := component.KeyFields(c); len(got) != 0 {
		t.Errorf("in the key: %v", got)
	}
	c.LaunchBlockDevices = []BlockDevice{{DeviceName: "/dev/xvda", VolumeSize: 20}}
	c.UserData = "#!/bin/sh"
	got := component.KeyFields(c)
	if len(got) != 2 || got["user_data"] == "" || !strings.Contains(got["launch_block_device_mappings"], "20") {
		t.Errorf("in the key: %v", got)
	}
}

// TestRefused are options of Packer that are decoded and refused by name.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := component.SchemaOf(plainConfig())
	for _, name := range []string{"block_duration_minutes", "spot_price_auto_product", "fast_launch"} {
		if f := s.Field(name); f == nil || f.Refuse == "" {
			t.Errorf("%s is not refused", name)
		}
	}
}
