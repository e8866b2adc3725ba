source "docker" "web" {
  image = "debian"
}
build {
  source "docker.web" {
    name  = "other"
    image = "alpine"
  }
}
