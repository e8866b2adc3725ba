registry {
  address = "registry.example/team"
}
source "docker" "web" { image = "x" }
build {
  sources = ["docker.web"]
  provisioner "shell" {
    inline     = ["date"]
    always_run = true
  }
  publish {
    bucket   = "web"
    version  = "1.4.0"
    channels = ["production"]
    labels   = { team = "a", n = 1 }
    description = "what it is"
  }
}
build {
  name    = "hcp"
  sources = ["docker.web"]
  hcp_packer_registry {
    bucket_name   = "hcp-web"
    bucket_labels = { a = "b" }
    build_labels  = { c = "d" }
  }
}
