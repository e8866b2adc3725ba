variable "region" { default = "eu" }
locals { greet = "hi" }
locals { tried = try(local.gret, "x") }
source "docker" "web" {
  image   = var.regoin
  changes = [local.great]
  export_path = build.ID
}
build {
  sources = ["docker.web", "docker.wev", "docker", "source.docker.web"]
  provisioner "shell" {
    inline = [build.Hots, nothing.x, uper("x"), env("HOME"), path.rooot, path.module]
  }
  provisioner "shell" {
    inlin = []
    pause_before = "5"
    max_retries = -1
    only = ["x"]
    except = ["y"]
  }
}
