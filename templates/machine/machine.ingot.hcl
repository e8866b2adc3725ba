# One build, two sources: a container whose base is made from Debian packages,
# and a machine that is reached over SSH. Both get the same provisioners.

variable "release" {
  type        = string
  default     = "1.0.0"
  description = "The release of the site that is baked."
}

variable "ssh_port" {
  type        = number
  default     = 22
  description = "Port of the machine's SSH server on 127.0.0.1."
}

variable "ssh_username" {
  type        = string
  default     = "root"
  description = "Who to log in as on the machine."
}

variable "ssh_private_key_file" {
  type        = string
  default     = null
  description = "The key to log in with on the machine; without one, the SSH agent is asked."
}

locals {
  # The machine may be the one that you sit at: nothing is put elsewhere.
  root = "/var/tmp/ingot-machine"
}

source "docker" "web" {
  bootstrap {
    suite    = "bookworm"
    packages = ["ca-certificates"]
  }
  commit = true
  changes = [
    "ENV SITE=${local.root}/site",
    "WORKDIR ${local.root}",
    "CMD [\"cat\", \"${local.root}/site/index.html\"]",
  ]
}

source "null" "machine" {
  ssh_host             = "127.0.0.1"
  ssh_port             = var.ssh_port
  ssh_username         = var.ssh_username
  ssh_private_key_file = var.ssh_private_key_file
  ssh_agent_auth       = var.ssh_private_key_file == null
}

build {
  description = "A small site, baked into a container and onto a machine."
  sources     = ["source.docker.web", "source.null.machine"]

  provisioner "shell" {
    name   = "prepare"
    inline = ["mkdir -p ${local.root}/site"]
  }

  provisioner "file" {
    source      = "${path.root}/motd"
    destination = "${local.root}/motd"
  }

  provisioner "file" {
    source      = "${path.root}/site/"
    destination = "${local.root}/site"
  }

  provisioner "shell" {
    environment_vars = ["RELEASE=${var.release}", "ROOT=${local.root}"]
    scripts          = ["${path.root}/scripts/render.sh", "${path.root}/scripts/check.sh"]
  }

  publish {
    bucket   = "machine"
    channels = ["latest"]
    labels   = { release = var.release }
  }
}
