variable "images" {
  default = { bookworm = "12", trixie = "13" }
}
variable "scripts" { default = ["one", "two"] }
source "docker" "base" { commit = true }
build {
  dynamic "source" {
    for_each = var.images
    labels   = ["docker.base"]
    content {
      name  = source.key
      image = "debian:${source.value}"
    }
  }
  dynamic "provisioner" {
    for_each = var.scripts
    iterator = it
    labels   = ["shell"]
    content {
      inline = ["${it.key}: ${it.value} on ${source.name}"]
      only   = [it.key == 0 ? "docker.bookworm" : "docker.trixie"]
    }
  }
  dynamic "error-cleanup-provisioner" {
    for_each = ["left"]
    labels   = ["shell-local"]
    content {
      inline = ["echo ${error-cleanup-provisioner.value}"]
    }
  }
  dynamic "post-processor" {
    for_each = ["checksum"]
    labels   = [post-processor.value]
    content {
      output = "${post-processor.value}.txt"
    }
  }
  dynamic "post-processors" {
    for_each = var.images
    content {
      dynamic "post-processor" {
        for_each = ["a", "b"]
        labels   = ["docker-tag"]
        content {
          repository = "${post-processors.key}/${post-processor.value}"
        }
      }
    }
  }
  provisioner "shell" {
    dynamic "filter" {
      for_each = [for s in var.scripts : "${s}-${source.name}"]
      content {
        name = filter.value
        dynamic "value" {
          for_each = [filter.key]
          content { text = "${filter.value}=${value.value}" }
        }
      }
    }
  }
}
