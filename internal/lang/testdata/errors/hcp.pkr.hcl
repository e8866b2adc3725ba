hcp_packer_registry {
  bucket_name   = "a_b"
  description   = join("", [for i in range(256) : "x"])
  labels        = { a = "b" }
  bucket_labels = { a = "b" }
  build_lables  = {}
}
source "docker" "web" { image = "x" }
build {
  sources = ["docker.web"]
  hcp_packer_registry {
    bucket_name = "ab"
    channels    = ["x"]
  }
}
build {
  name    = "long"
  sources = ["docker.web"]
  hcp_packer_registry {
    bucket_name   = "1234567890123456789012345678901234567"
    description   = join("", [for i in range(256) : "x"])
    labels        = { a = "b" }
    bucket_labels = { a = "b" }
  }
}
