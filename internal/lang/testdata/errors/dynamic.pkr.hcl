source "docker" "web" { image = "x" }
build {
  sources = ["docker.web"]
  dynamic "provisoner" {
    for_each = []
    labels = ["shell"]
    content {}
  }
  dynamic "provisioner" {
    for_each = null
    labels = ["shell"]
    content {}
  }
  dynamic "provisioner" {
    for_each = [1]
    content {}
  }
}
