packer {
  required_version = ">= 1.7.0"
  required_plugins {
    hcloud = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1"
    }
  }
}

variable "release" {
  type        = string
  default     = "bookworm"
  description = "Debian's name for it"
  validation {
    condition     = length(var.release) > 3
    error_message = "The release is a name."
  }
}

variable "home" { default = env("HOME_OF_TEST") }
variable size { default = 4 }
variable "disks" {
  type = list(object({ name = string, gb = optional(number, 8) }))
  default = [{ name = "a" }, { name = "b", gb = 2 }]
}
variables {
  region = "eu"
  zones  = ["a", "b"]
}

locals {
  tag   = "${local.name}-${var.size}"
  name  = upper(var.release)
  total = sum([for d in var.disks : d.gb])
}
local "list" { expression = concat(var.zones, [local.tag]) }

data "null" "x" { input = local.name }
