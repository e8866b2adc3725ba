variable "secret" {
  default   = "hunter2"
  sensitive = true
}
source "docker" "a" {
  for_each = { x = 1, y = 2 }
  image    = "${each.keys} ${each.value}"
}
source "docker" "a-x" {}
source "docker" "a" {}
source "docker" "b" { for_each = 3 }
source "docker" "c" { for_each = [1, 2] }
source "docker" "d" { for_each = ["a", "a"] }
source "docker" "e" { for_each = ["a b"] }
source "docker" "f" { for_each = { "${var.secret}" = 1 } }
source "docker" "g" { for_each = [timestamp()] }
source "docker" "h" { image = each.value }
source "docker" "i" { for_each = { x = 1 } }
build {
  sources = ["docker.a[\"z\"]", "docker.h[\"x\"]", source.docker.i["xx"], "docker.b", source.docker.h, "docker.a"]
  provisioner "shell" { inline = [each.key] }
}
build {
  for_each = ["x", "y"]
  name     = "same"
  sources  = ["docker.i"]
}
