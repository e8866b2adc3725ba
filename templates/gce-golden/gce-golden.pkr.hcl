# A golden image of Google Compute Engine: from the newest Debian, in a family,
# with labels that say what is in it, and a manifest for what comes next.
#
#   ingot build -sandbox .               # on this host, with no account
#   ingot build -var project=my-project .

packer {
  required_plugins {
    googlecompute = {
      source  = "github.com/hashicorp/googlecompute"
      version = ">= 1.1.0"
    }
  }
}

variable "project" {
  type        = string
  default     = "golden"
  description = "The project to build in."
}

variable "zone" {
  type        = string
  default     = "europe-west1-b"
  description = "The zone to build in."
}

variable "name" {
  type        = string
  default     = "golden"
  description = "What the image's family is called; the image has the time too."
}

variable "release" {
  type        = string
  default     = "1.0.0"
  description = "The release of what is baked, for the labels."
}

locals {
  # The time does not count as a change: only what is in the image does.
  image_name = "${var.name}-${formatdate("YYYYMMDDhhmmss", timestamp())}"
}

source "googlecompute" "golden" {
  project_id          = var.project
  zone                = var.zone
  machine_type        = "e2-small"
  source_image_family = "debian-12"
  ssh_username        = "ingot"
  disk_size           = 20

  image_name        = local.image_name
  image_family      = var.name
  image_description = "Debian 12, hardened, release ${var.release}"
  image_labels = {
    release = replace(var.release, ".", "-")
    base    = "debian-12"
  }
}

build {
  name        = "gce"
  description = "A golden image."
  sources     = ["source.googlecompute.golden"]

  provisioner "shell" {
    name            = "harden"
    execute_command = "sudo env {{ .Vars }} sh {{ .Path }}"
    environment_vars = [
      "RELEASE=${var.release}",
    ]
    script = "${path.root}/scripts/harden.sh"
  }

  provisioner "shell" {
    name   = "check"
    script = "${path.root}/scripts/check.sh"
  }

  post-processor "manifest" {
    output = "manifest.json"
    custom_data = {
      release = var.release
    }
  }
}
