// Package google is the builder of images of Google Compute Engine: it starts
// an instance from an image, and makes an image of its disk.
package google

import (
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// Type is the name of the builder in a template.
const Type = "googlecompute"

// Definition lists the builder.
func Definition() builders.Definition {
	return builders.Definition{Type: Type, New: func() builders.Config {
		return &Config{
			Config:          ssh.Defaults(),
			InstanceOptions: InstanceOptions{MachineType: "e2-standard-2", MaxLifetime: usualLifetime},
			DiskOptions:     DiskOptions{DiskSize: 20, DiskType: "pd-standard"},
			ImageOptions:    ImageOptions{ImageDescription: "Created by ingot"},
			TunnelOptions:   TunnelOptions{IAPTunnelLaunchWait: 30},

			WindowsPasswordTimeout: usualPasswordTime,
		}
	}}
}

// Config is a source of images of Google Compute Engine.
type Config struct {
	// ProjectID is the id of the project that the instance runs in, and that
	// the image is made in where image_project_id says nothing else.
	ProjectID string `hcl:"project_id"`
	// Zone is where the instance runs: "europe-west1-b".
	Zone string `hcl:"zone"`
	// Region is the region of the zone. Default: what the zone's name says.
	Region string `hcl:"region,optional"`
	// StateTimeout is how long to wait for the instance to run and to stop.
	// Default 5m. Where it is set it also bounds the wait for the image, which
	// else is 30m.
	StateTimeout time.Duration `hcl:"state_timeout,optional"`

	gcp.Access
	SourceOptions
	InstanceOptions
	NetworkOptions
	TunnelOptions
	LoginOptions
	DiskOptions
	ImageOptions

	ssh.Config
	winrm.Options
	// KeypairName is refused.
	KeypairName *string `hcl:"ssh_keypair_name,optional" refuse:"Google Cloud has no named key pairs: set ssh_private_key_file"`
	ssh.KeyPair
	// PublicKey is refused.
	PublicKey []int `hcl:"ssh_public_key,optional" refuse:"it is Packer's own: the public key is that of ssh_private_key_file"`
	// PrivateKey is refused.
	PrivateKey []int `hcl:"ssh_private_key,optional" refuse:"it is Packer's own: set ssh_private_key_file"`
	// WindowsPasswordTimeout is how long to wait until the agent of a Windows
	// instance has made a password, where winrm_password is not set. Default 3m.
	WindowsPasswordTimeout time.Duration `hcl:"windows_password_timeout,optional"`
}

// SourceOptions say what to start from.
type SourceOptions struct {
	// SourceImage is the name of the image to start from. It counts before
	// source_image_family. One of them is needed.
	SourceImage string `hcl:"source_image,optional" image:"googlecompute"`
	// SourceImageFamily is the family whose latest image that is not
	// deprecated is started from: "debian-12".
	SourceImageFamily string `hcl:"source_image_family,optional" image:"- source_image"`
	// SourceImageProjectID are the projects to look for the image in; the
	// first that has it counts. Default: project_id, then the projects of
	// Google's public images.
	SourceImageProjectID []string `hcl:"source_image_project_id,optional" image:"- source_image"`
}

// InstanceOptions describe the instance.
type InstanceOptions struct {
	// InstanceName is the name of the instance, which must not be in use.
	// Default: one that is made up.
	InstanceName string `hcl:"instance_name,optional"`
	// MachineType is the type of the instance. Default "e2-standard-2".
	MachineType string `hcl:"machine_type,optional"`
	// Labels are labels of the instance and its disks.
	Labels map[string]string `hcl:"labels,optional"`
	// Tags are network tags of the instance, which firewall rules go by.
	Tags []string `hcl:"tags,optional"`
	// ResourceManagerTags are tags of the instance and its disks:
	// "tagKeys/1234" = "tagValues/5678".
	ResourceManagerTags map[string]string `hcl:"resource_manager_tags,optional"`
	// Metadata is metadata of the instance.
	Metadata map[string]secret.String `hcl:"metadata,optional" key:"disk"`
	// MetadataFiles is metadata whose values are read from files of this host.
	MetadataFiles map[string]string `hcl:"metadata_files,optional" key:"file"`
	// StartupScriptFile is a script of this host that the instance runs when it
	// starts. It replaces metadata's "startup-script".
	StartupScriptFile string `hcl:"startup_script_file,optional" key:"file"`
	// WrapStartupScript waits, before the image is made, until the startup
	// script has ended, and fails when it failed. It needs nothing of the
	// instance's service account. Default true where startup_script_file is
	// set, else false.
	WrapStartupScript *bool `hcl:"wrap_startup_script,optional"`
	// MinCPUPlatform is the oldest CPU platform to run on: "Intel Ice Lake".
	MinCPUPlatform string `hcl:"min_cpu_platform,optional"`
	// AcceleratorType is the type of GPU to attach: its name, or its full or
	// partial URL.
	AcceleratorType string `hcl:"accelerator_type,optional"`
	// AcceleratorCount is how many of them.
	AcceleratorCount int64 `hcl:"accelerator_count,optional"`
	// Preemptible runs a cheaper instance that the cloud may end. Default
	// false.
	Preemptible bool `hcl:"preemptible,optional"`
	// OnHostMaintenance is "MIGRATE" or "TERMINATE". Default "MIGRATE", or
	// "TERMINATE" where preemptible or accelerator_count is set.
	OnHostMaintenance string `hcl:"on_host_maintenance,optional"`
	// MaxRunDurationInSeconds is after how long the cloud ends the instance,
	// finished or not. Default: max_lifetime.
	MaxRunDurationInSeconds int64 `hcl:"max_run_duration_in_seconds,optional"`
	// InstanceTerminationAction is what happens then, and when a preemptible
	// instance is ended: "STOP" or "DELETE". Default "DELETE"; "STOP" where
	// max_run_duration_in_seconds is set, as with Packer.
	InstanceTerminationAction string `hcl:"instance_termination_action,optional"`
	// MaxLifetime is after how long the cloud deletes the instance by itself,
	// should ingot be killed, and ingot sweep removes what else is left. "0"
	// is never. Default 24h.
	MaxLifetime time.Duration `hcl:"max_lifetime,optional"`
	// NodeAffinity are labels of sole-tenant nodes to run on.
	NodeAffinity []NodeAffinity `hcl:"node_affinity,block"`
	// ReservationAffinity says which reservations the instance may use.
	ReservationAffinity *ReservationAffinity `hcl:"reservation_affinity,block"`
	// ServiceAccountEmail is the service account of the instance. Default: the
	// project's default service account.
	ServiceAccountEmail string `hcl:"service_account_email,optional"`
	// DisableDefaultServiceAccount runs the instance without a service
	// account. Default false.
	DisableDefaultServiceAccount bool `hcl:"disable_default_service_account,optional"`
	// Scopes are the scopes of the service account. Default: userinfo.email,
	// compute and devstorage.full_control.
	Scopes []string `hcl:"scopes,optional"`
	// EnableNestedVirtualization lets the instance run virtual machines.
	// Default false.
	EnableNestedVirtualization bool `hcl:"enable_nested_virtualization,optional"`
	// EnableSecureBoot boots signed software only. Default false.
	EnableSecureBoot bool `hcl:"enable_secure_boot,optional"`
	// EnableVTPM gives the instance a virtual trusted platform module. Default
	// false.
	EnableVTPM bool `hcl:"enable_vtpm,optional"`
	// EnableIntegrityMonitoring measures the boot; it needs enable_vtpm.
	// Default false.
	EnableIntegrityMonitoring bool `hcl:"enable_integrity_monitoring,optional"`
}

// NodeAffinity is a label of sole-tenant nodes.
type NodeAffinity struct {
	// Key is the label's name.
	Key string `hcl:"key"`
	// Operator is "IN" or "NOT_IN".
	Operator string `hcl:"operator"`
	// Values are the label's values.
	Values []string `hcl:"values"`
}

// ReservationAffinity says which reservations an instance may use.
type ReservationAffinity struct {
	// ConsumeReservationType is "ANY_RESERVATION", "SPECIFIC_RESERVATION" or
	// "NO_RESERVATION".
	ConsumeReservationType string `hcl:"consume_reservation_type"`
	// Key is "compute.googleapis.com/reservation-name", for a specific one.
	Key string `hcl:"key,optional"`
	// Values are the names of the reservations.
	Values []string `hcl:"values,optional"`
}

// NetworkOptions say what the instance is connected to.
type NetworkOptions struct {
	// Network is the name or the URL of the network. Default "default", where
	// subnetwork is not set.
	Network string `hcl:"network,optional"`
	// Subnetwork is the name or the URL of the subnetwork, for networks whose
	// subnetworks are not made automatically.
	Subnetwork string `hcl:"subnetwork,optional"`
	// NetworkProjectID is the project of the network and the subnetwork, as
	// with a shared VPC. Default project_id.
	NetworkProjectID string `hcl:"network_project_id,optional"`
	// OmitExternalIP gives the instance no external address; use_internal_ip or
	// use_iap is needed with it. Default false.
	OmitExternalIP bool `hcl:"omit_external_ip,optional"`
	// UseInternalIP connects to the internal address. Default false.
	UseInternalIP bool `hcl:"use_internal_ip,optional"`
	// NetworkIP is the internal address of the instance. Default: a free one.
	NetworkIP string `hcl:"network_ip,optional"`
	// Address is the name of a reserved external address of the region.
	Address string `hcl:"address,optional"`
}

// TunnelOptions say how the instance is reached through the Identity-Aware
// Proxy. ingot speaks its protocol itself; gcloud is used only where iap_ext,
// iap_hashbang or iap_localhost_port is set.
type TunnelOptions struct {
	// UseIAP connects through the Identity-Aware Proxy. Default false.
	UseIAP bool `hcl:"use_iap,optional"`
	// IAPLocalhostPort is the port of this host that gcloud's tunnel listens
	// at. Default: a free one.
	IAPLocalhostPort int `hcl:"iap_localhost_port,optional"`
	// IAPHashbang is the program that runs the script with gcloud's command.
	// Default "/bin/sh".
	IAPHashbang string `hcl:"iap_hashbang,optional"`
	// IAPExt is the extension of the file with that script.
	IAPExt string `hcl:"iap_ext,optional"`
	// IAPTunnelLaunchWait is how long gcloud's tunnel may take until it
	// listens, in seconds. It is used as soon as it does. Default 30.
	IAPTunnelLaunchWait int `hcl:"iap_tunnel_launch_wait,optional"`
}

// LoginOptions say how the key for the login gets to the instance.
type LoginOptions struct {
	// UseOSLogin imports the temporary key into the OS Login profile of the
	// account, in place of metadata, and logs in as its user. Default: what
	// the metadata of the instance or of the project says (enable-oslogin).
	UseOSLogin *bool `hcl:"use_os_login,optional"`
	// OSLoginSSHUsername is who logs in with OS Login: a user name;
	// "__external__" for the profile's user with "ext_" in front, as federated
	// identities have it; "" or "__auto__" for the profile's user.
	OSLoginSSHUsername string `hcl:"oslogin_ssh_username,optional"`
	// OSLoginSSHKeyExpireAfter is when the key in the profile expires, should
	// it not be removed. Default: max_lifetime.
	OSLoginSSHKeyExpireAfter time.Duration `hcl:"oslogin_ssh_key_expire_after,optional"`
	// WaitToAddSSHKeys is how long to wait, once the instance runs, before the
	// key is added to its metadata. Default 0: it is there from the start.
	WaitToAddSSHKeys time.Duration `hcl:"wait_to_add_ssh_keys,optional"`
}
