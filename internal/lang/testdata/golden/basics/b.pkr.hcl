source "docker" "web" {
  image    = "debian:${var.release}"
  commit   = true
  changes  = ["ENV SIZE=${var.size}", "ENV TOTAL ${local.total}"]
}
source null alpine {
  image = "none"
}

build {
  name        = "all"
  description = "two of them"
  sources     = ["source.docker.web", "sources.null.alpine", "docker.web", source.docker.web]
  source "docker.web" {
    name       = "web:2"
    privileged = "true"
  }

  provisioner "shell" {
    inline = ["echo ${source.type} ${source.name} ${build.name}", "echo ${data.null.x.output}", "echo ${path.root}"]
    only   = ["docker.web", "alpine"]
    env    = { HOME = var.home }
    override = {
      "web:2" = { inline = ["never"] }
      alpine  = { inline = ["of ${source.name}"], valid_exit_codes = [3] }
    }
  }
  provisioner "file" {
    name         = "upload"
    source       = "x/"
    destination  = "/srv"
    except       = ["web"]
    pause_before = "5s"
    timeout      = "1h"
    max_retries  = "3"
    continue_on_error = true
    only         = null
  }
  error-cleanup-provisioner "shell" {
    inline = ["journalctl"]
  }
  post-processor "manifest" {
    output = "m.json"
    keep_input_artifact = false
  }
  post-processors {
    post-processor "docker-tag" {
      name       = "tag"
      repository = "r/${source.name}"
      tags_list  = local.list
    }
    post-processor "docker-push" {
      only = ["docker.web"]
    }
  }
}
