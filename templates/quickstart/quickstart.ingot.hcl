# One build, three sources: an EC2 AMI, a Google Compute Engine image and a
# container. All get the same provisioners, and are published as one version.
#
#   ingot build -sandbox templates/quickstart    # on this host, with no account
#   ingot build -var project=… templates/quickstart

variable "release" {
  type        = string
  default     = "1.0.0"
  description = "The release of the site that is baked."
}

variable "region" {
  type        = string
  default     = "us-east-1"
  description = "The region of EC2 to build in."
}

variable "project" {
  type        = string
  default     = "quickstart"
  description = "The project of Google Cloud to build in."
}

variable "zone" {
  type        = string
  default     = "us-central1-a"
  description = "The zone of Google Compute Engine to build in."
}

locals {
  root = "/srv/quickstart"
  # The time does not count as a change: only what is on the images does.
  image = "quickstart-${replace(var.release, ".", "-")}-${formatdate("YYYYMMDDhhmmss", timestamp())}"
}

source "amazon-ebs" "web" {
  region        = var.region
  instance_type = "t3.micro"
  ami_name      = local.image
  ssh_username  = "admin"

  source_ami_filter {
    owners      = ["136693071363"] # Debian
    most_recent = true
    filters = {
      name                = "debian-12-amd64-*"
      virtualization-type = "hvm"
      root-device-type    = "ebs"
    }
  }

  tags = {
    Name    = "quickstart"
    Release = var.release
  }
}

source "googlecompute" "web" {
  project_id          = var.project
  zone                = var.zone
  machine_type        = "e2-small"
  source_image_family = "debian-12"
  image_name          = local.image
  image_family        = "quickstart"
  ssh_username        = "ingot"
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

build {
  description = "A small site, baked into an AMI, a Google image and a container."
  sources     = ["source.amazon-ebs.web", "source.googlecompute.web", "source.docker.web"]

  # On a machine the login is not root's.
  provisioner "shell" {
    name   = "prepare"
    inline = ["$(test $(id -u) = 0 || echo sudo) install -d -o $(id -u) ${local.root} ${local.root}/site"]
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
    bucket   = "quickstart"
    channels = ["latest"]
    labels   = { release = var.release }
  }
}
