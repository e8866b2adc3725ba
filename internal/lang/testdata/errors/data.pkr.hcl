data "amazon-ami" "base" {
  owners = ["1"]
}
locals { ami = data.amazon-ami.base.id }
source "docker" "web" { image = data.http.x.body }
build { sources = ["docker.web"] }
