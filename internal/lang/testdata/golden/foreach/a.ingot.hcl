variable "images" {
  default = { bookworm = "12", "13.1" = "13" }
}
variable "token" {
  default   = "hunter2hunter2"
  sensitive = true
}
source "docker" "debian" {
  for_each = var.images
  image    = "debian:${each.value}"
  changes  = ["ENV NAME=${each.key}"]
}
source "docker" "plain" {
  for_each = toset(["a", "b"])
  image    = each.value
}
source "docker" "with" {
  for_each = { one = { token = var.token, at = "12:00" } }
  image    = "x"
  tags     = { token = each.value.token, at = each.value.at }
}
source "docker" "none" {
  for_each = {}
}
build {
  sources = ["source.docker.debian", source.docker.plain["b"], "docker.none", "docker.with"]
  source "docker.plain[\"a\"]" {
    name   = "first"
    commit = true
  }
  provisioner "shell" {
    inline = ["on ${source.name}"]
    only   = ["docker.debian", "plain-b"]
  }
}
build {
  for_each = { web = ["bookworm"], db = ["bookworm", "13.1"] }
  name     = "all-${each.key}"
  sources  = [for k in each.value : "docker.debian[\"${k}\"]"]
  source "docker.plain" {
    export_path = each.key
  }
  dynamic "provisioner" {
    for_each = each.value
    labels   = ["shell"]
    content {
      inline = ["${each.key} ${provisioner.key} ${provisioner.value}"]
    }
  }
  post-processor "manifest" { output = each.key }
  publish { bucket = each.key }
}
build {
  for_each = ["x", "y"]
  sources  = [source.docker.plain[each.key == "x" ? "a" : "b"]]
}
