package container

import (
	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/ecr"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// Definition lists the builder.
func Definition() builders.Definition {
	return builders.Definition{Type: "docker", New: func() builders.Config {
		return &Config{Pull: true, FixUploadOwner: true, ExportFormat: formatRootfs, Communicator: "docker"}
	}}
}

// Config is a source of type docker: a container image made with BuildKit,
// without a Docker daemon. Exactly one of image, oci_layout and bootstrap says
// what it starts from, exactly one of commit, export_path and discard what
// becomes of it.
type Config struct {
	// Image is the image to start from, e.g. "debian:12" or
	// "registry.example.com/team/base@sha256:…". It may be the image of another
	// build: build.[NAME.]docker.NAME.id.
	Image string `hcl:"image,optional" image:"docker"`
	// OCILayout is an OCI image layout of this host to start from: its folder,
	// and after a colon the tag or after an @ the digest, e.g. "out/base:v1".
	// Without either the layout must hold one image.
	OCILayout string `hcl:"oci_layout,optional" image:"- image"`
	// Bootstrap makes the image to start from out of Debian packages.
	Bootstrap *Bootstrap `hcl:"bootstrap,block"`
	// Dockerfile is what Packer starts from when it has a build block.
	Dockerfile *struct{} `hcl:"build,block" refuse:"a Dockerfile is not built here; build it with docker build or buildctl and name the result in image or oci_layout"`

	// Commit keeps the result as an image in the local registry. The default
	// is false.
	Commit bool `hcl:"commit,optional" key:"disk"`
	// Discard throws the result away. The default is false.
	Discard bool `hcl:"discard,optional" key:"disk"`
	// ExportPath is the file to write the result to.
	ExportPath string `hcl:"export_path,optional" key:"disk"`
	// ExportFormat is what export_path holds: "rootfs", a tar file of the
	// file system as docker export writes it; "docker", an archive for docker
	// load; or "oci", an archive of an OCI image layout. The default is
	// "rootfs", so that a Packer template makes the same file as with Packer;
	// it is the one format without changes, author and message.
	ExportFormat string `hcl:"export_format,optional" key:"disk"`

	// Author is the image's author, e.g. "Ann <ann@example.com>".
	Author string `hcl:"author,optional" key:"disk"`
	// Message is the comment on the image's last history entry.
	Message string `hcl:"message,optional" key:"disk"`
	// Changes are Dockerfile instructions that are applied to the image's
	// configuration: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
	// SHELL, STOPSIGNAL, USER, VOLUME and WORKDIR.
	Changes []string `hcl:"changes,optional" key:"disk"`

	// Platform is the platform of the image, e.g. "linux/arm64". One other than
	// the host's needs an emulator. The default is linux on the architecture of
	// this host.
	Platform string `hcl:"platform,optional" key:"disk"`
	// Pull asks the registry which image the tag of image means now. Where it
	// is false, the image that the last build pulled is used again. The default
	// is true.
	Pull bool `hcl:"pull,optional"`

	// Login makes login_password needed where login_username is given. The
	// default is false. Without login_username the credentials are those of the
	// Docker configuration, as with docker login.
	Login bool `hcl:"login,optional"`
	// LoginUsername is the user name at the registry.
	LoginUsername string `hcl:"login_username,optional"`
	// LoginPassword is the password at the registry.
	LoginPassword secret.String `hcl:"login_password,optional"`
	// LoginServer is the registry that the user name and the password are for.
	// The default is the registry of image.
	LoginServer string `hcl:"login_server,optional"`

	ecr.Options

	// Privileged runs commands with all capabilities and devices. A BuildKit
	// that is not the bundled one must allow security.insecure. The default is
	// false.
	Privileged bool `hcl:"privileged,optional" key:"disk"`
	// TmpFS are folders that are in memory while commands run and empty in the
	// image, e.g. "/tmp" or "/run:size=64m".
	TmpFS []string `hcl:"tmpfs,optional" key:"disk"`
	// ExecUser runs commands as this user. The default is the image's user.
	ExecUser string `hcl:"exec_user,optional" key:"disk"`
	// FixUploadOwner gives files that are uploaded to the image's user. Where
	// it is false they are root's. The default is true.
	FixUploadOwner bool `hcl:"fix_upload_owner,optional" key:"disk"`
	// RunCommand is how Packer starts the container. There is none to keep
	// running here, so flags and commands that only do that, such as -d, -i,
	// -t, --name or a shell as entrypoint, have no effect. A user (-u, --user)
	// runs commands and is the image's user. Other flags are refused by name.
	RunCommand []string `hcl:"run_command,optional" template:"late" key:"disk"`

	// CacheFrom are BuildKit caches that results are taken from, e.g.
	// "type=registry,ref=registry.example.com/cache:web".
	CacheFrom []string `hcl:"cache_from,optional"`
	// CacheTo are BuildKit caches that results are written to when the image
	// is made, e.g. "type=registry,ref=registry.example.com/cache:web,mode=max".
	CacheTo []string `hcl:"cache_to,optional"`

	// Communicator is "docker", which is also the default.
	Communicator string `hcl:"communicator,optional"`
	// DockerPath is Packer's path of the docker program. No program is run
	// here, so it has no effect.
	DockerPath string `hcl:"docker_path,optional"`
	// ContainerDir is a folder that is there while commands run, and empty in
	// the image: Packer has its own files in it, "/packer-files" by default.
	// Here each step finds it empty, and where it is not set there is none.
	ContainerDir string `hcl:"container_dir,optional" key:"disk"`
	// Pty asks for a terminal for commands. BuildKit has none, so only false,
	// the default, is accepted.
	Pty bool `hcl:"pty,optional"`
	// WindowsContainer must be false, the default.
	WindowsContainer bool `hcl:"windows_container,optional"`

	// Volumes are folders of the host that Packer mounts into the container.
	Volumes map[string]string `hcl:"volumes,optional" refuse:"BuildKit mounts no folders of the host into steps; upload what the steps need with the file provisioner"`
	// Device are devices of the host.
	Device []string `hcl:"device,optional" refuse:"BuildKit gives single devices to no step; privileged = true gives all"`
	// CapAdd are capabilities to add.
	CapAdd []string `hcl:"cap_add,optional" refuse:"BuildKit gives single capabilities to no step; privileged = true gives all"`
	// CapDrop are capabilities to drop.
	CapDrop []string `hcl:"cap_drop,optional" refuse:"BuildKit steps always have its default capabilities, or all with privileged = true"`
	// Runtime is the OCI runtime.
	Runtime string `hcl:"runtime,optional" refuse:"the OCI runtime is a setting of the BuildKit daemon (oci-worker-binary)"`

	unconnected
}

// unconnected are the options of connections to machines.
type unconnected struct {
	ssh.Config    `refuse:"a container is not reached by SSH"`
	ssh.KeyPair   `refuse:"a container is not reached by SSH"`
	winrm.Options `refuse:"a container is not reached by WinRM"`
}

// Bootstrap is a base made of Debian packages with mmdebstrap. It is made once
// for its options and the state of the mirror, and kept in the user's cache.
type Bootstrap struct {
	// Suite is the release, e.g. "bookworm" or "stable".
	Suite string `hcl:"suite"`
	// Mirror is where packages come from. The default is
	// "http://deb.debian.org/debian".
	Mirror string `hcl:"mirror,optional"`
	// Variant is which packages are installed beside those of packages, as
	// mmdebstrap names it: "minbase", "apt", "standard", "-" … The default is
	// "minbase".
	Variant string `hcl:"variant,optional"`
	// Components are the parts of the archive. The default is ["main"].
	Components []string `hcl:"components,optional"`
	// Packages are installed in addition.
	Packages []string `hcl:"packages,optional"`
}
