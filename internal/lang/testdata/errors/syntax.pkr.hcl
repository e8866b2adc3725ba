packer {
  required_plugins { docker = { version = ">= 1.0" source = "github.com/hashicorp/docker" } }
}
variable "region" {
  default = "eu" }
source "docker" "web" {
  image = var.region
}
build {
  sources = ["source.docker.web"]
}
