variable "pw" {
  default   = "hunter2"
  sensitive = true
}
variable "number" {
  type      = number
  default   = "hunter3"
  sensitive = true
}
locals {
  n   = parseint(var.pw, 10)
  map = { a = 1 }[var.pw]
}
source "docker" "web" { image = "x" }
build {
  sources = ["docker.web"]
  provisioner "shell" {
    name   = "with ${var.pw}"
    inline = ["true"]
  }
  publish {
    labels = { pw = var.pw }
  }
}
