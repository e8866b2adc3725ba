variable "password" {
  default   = "hunter2hunter2"
  sensitive = true
}
variable "users" {
  type      = map(object({ pw = string, uid = number }))
  default   = { bob = { pw = "bobspassword", uid = 4711 } }
  sensitive = true
}
variable "stamp" {
  default  = "1234"
  volatile = true
}
local "key" {
  expression = sha256("x")
  sensitive  = true
}
locals {
  both  = "${var.password}/${timestamp()}"
  plain = "plain"
  short = substr(var.password, 0, 3)
  twice = "${local.short}${local.short}"
}
source "docker" "web" {
  image = "web-${formatdate("YYYY", timestamp())}"
  tags  = { a = local.plain, "${var.stamp}" = "b" }
}
build {
  sources = ["docker.web"]
  provisioner "shell" {
    inline = [local.plain, local.both, local.short, local.key, var.users["bob"].pw, "u ${var.users.bob.uid}",
      var.password == "x" ? "a" : "b", "{{ isotime `2006` }} {{ user `password` }}", uuidv5("dns", "x")]
  }
  provisioner "shell" {
    inline = ["nothing marked ${local.plain}", local.twice]
  }
  provisioner "shell" {
    inline = ["cannot be keyed ${regex("^h(.*)2$", var.password)[0]}"]
  }
  dynamic "provisioner" {
    for_each = var.users
    labels   = ["shell"]
    content {
      inline = ["add ${provisioner.key} ${provisioner.value.pw}"]
    }
  }
}
