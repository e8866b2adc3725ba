variable "region" { type = string }
variable "zone" {}
source "docker" "web" { image = var.region }
build { sources = ["docker.web"] }
