variable "1a" {
  default = 1
}
locals {
  a = 1
}
local "a" {
  expression = 2
}
local "2b" {
  expression = 3
}
data "null" "x" {
  input = ["x"]
}
data "null" "x" {
  input = "y"
}
source "docker" "web" {
  image = "docker ps --format '{{.Names}}' {{ jinja }}"
}
build {
  sources = ["docker.web"]
  provisioner "shell" {
    inline = [uper("x")]
  }
}
