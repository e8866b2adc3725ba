source "docker" "web" {
  image = "x"
