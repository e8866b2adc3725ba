source "docker" "a.b" {}
source "docker" "web" { image = "x" }
build { sources = 3 }
build { sources = null }
build { sources = ["docker.web", null, {}] }
build {
  provisioner {}
  publish { bukket = "x" }
}
