variable "a" { default = 1 }
variable "a" { default = 2 }
locals { b = 1 }
local "b" { expression = 2 }
source "docker" "web" {}
source "docker" "web" {}
build {
  sources = ["docker.web"]
  source "docker.web" { image = "x" }
  error-cleanup-provisioner "shell" {}
  error-cleanup-provisioner "shell" {}
}
