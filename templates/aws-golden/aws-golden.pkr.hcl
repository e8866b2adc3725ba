# A golden AMI: from the newest Debian, encrypted, in several regions, with
# tags that say what is in it, and a manifest for what comes next.
#
#   ingot build -sandbox .                       # on this host, with no account
#   ingot build -var 'regions=["eu-west-1"]' .   # in EC2, with your credentials

packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0"
    }
  }
}

variable "name" {
  type        = string
  default     = "golden"
  description = "What the AMI is called; the time follows."
}

variable "release" {
  type        = string
  default     = "1.0.0"
  description = "The release of what is baked, for the tags."
}

variable "region" {
  type        = string
  default     = "us-east-1"
  description = "The region to build in."
}

variable "regions" {
  type        = list(string)
  default     = ["us-east-1", "eu-west-1"]
  description = "The regions that are to have the AMI."
}

variable "instance_type" {
  type        = string
  default     = "t3.small"
  description = "The machine to build on."
}

locals {
  # The time does not count as a change: only what is in the AMI does.
  ami_name = "${var.name}-${formatdate("YYYYMMDDhhmmss", timestamp())}"
  tags = {
    Name    = var.name
    Release = var.release
    Base    = "debian-12"
  }
}

source "amazon-ebs" "golden" {
  region          = var.region
  instance_type   = var.instance_type
  ami_name        = local.ami_name
  ami_description = "Debian 12, hardened, release ${var.release}"
  ami_regions     = var.regions
  encrypt_boot    = true
  ssh_username    = "admin"

  source_ami_filter {
    owners      = ["136693071363"] # Debian
    most_recent = true
    filters = {
      name                = "debian-12-amd64-*"
      virtualization-type = "hvm"
      root-device-type    = "ebs"
    }
  }

  # Who starts it has to ask the metadata service with a token.
  imds_support = "v2.0"

  tags          = local.tags
  snapshot_tags = local.tags
  run_tags      = { Name = "bakes ${var.name}" }
}

build {
  name        = "aws"
  description = "A golden AMI."
  sources     = ["source.amazon-ebs.golden"]

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
