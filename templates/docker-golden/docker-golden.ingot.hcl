# A golden container image, whose base is made from Debian packages: no Docker
# daemon and no registry is needed. To start from an image instead, replace the
# block bootstrap by image = "debian:12".
#
#   ingot build .

variable "release" {
  type        = string
  default     = "1.0.0"
  description = "The release of what is baked, for the labels."
}

source "docker" "golden" {
  bootstrap {
    suite    = "bookworm"
    packages = ["ca-certificates"]
  }
  commit = true
  changes = [
    "LABEL org.opencontainers.image.version=${var.release}",
    "USER app",
    "WORKDIR /srv/app",
    "CMD [\"/srv/app/run.sh\"]",
  ]
}

build {
  description = "A golden container image."
  sources     = ["source.docker.golden"]

  # What changes seldom comes first: only the steps after a change run again.
  provisioner "shell" {
    name   = "user"
    inline = ["useradd --system --create-home --home-dir /srv/app app"]
  }

  provisioner "file" {
    source      = "${path.root}/scripts/run.sh"
    destination = "/srv/app/run.sh"
  }

  provisioner "shell" {
    name   = "check"
    inline = ["chmod 755 /srv/app/run.sh", "RELEASE=${var.release} /srv/app/run.sh"]
  }

  # An image that fails is not published.
  test "image" {
    expect {
      user "app" { home = "/srv/app" }
      file "/srv/app/run.sh" { mode = "0755" }
      command "/srv/app/run.sh" {
        run_as = "app"
        stdout = ["is in place"]
      }
    }
  }

  publish {
    channels = ["latest"]
    labels   = { release = var.release }
  }

  post-processor "manifest" {
    output = "manifest.json"
  }
}
