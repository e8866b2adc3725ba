communicator "ssh" "x" {}
source "docker" "web" {
  image = "x"
  old   = 1
}
build {
  sources = ["docker.web"]
  from "x" {}
}
