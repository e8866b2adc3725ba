# Forms that real templates have.
variable "base-os-version" {
  type    = map(map(string))
  default = { debian : { name = "x", }, }
}
variable "builder_type" { default = "docker" }
variable "nothing" { default = null }
variable "flag" {
  type    = bool
  default = false
}
locals {
  not-regions = [
    "a", // one
    "b", # two
    /* three */ "c",
  ]
  enabled   = { docker = "source.docker.app" }
  timestamp = regex_replace(timestamp(), "[- TZ:]", "")
  script    = <<-EOT
    if [ "$${HOME}" = x ]; then
      echo "${var.builder_type}"
    fi
  EOT
}
source docker app {
  image   = "${var.base-os-version["debian"].name}"
  changes = concat(local.not-regions, ["b",],)
  tags    = merge({ on = var.flag }, var.nothing == null ? {} : { x = "y" })
  export_path = var.nothing
}
build {
  sources = compact([lookup(local.enabled, var.builder_type, "")])
  provisioner shell {
    execute_command = "chmod +x {{ .Path }}; {{ .Vars }} sudo -E {{ .Path }}"
    inline          = [local.script, "built {{ timestamp }} by {{ build_name }}", templatefile("t.pkrtpl.hcl", { names = ["a", "b"] }), trimspace(file("${path.root}/t.txt"))]
    environment_vars = [for s in fileset(path.cwd, "t*.nothing") : s]
  }
}
