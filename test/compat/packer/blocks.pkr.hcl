# The blocks and arguments of templates in Packer 1.16. A line that ends with a
# comment is a row, named by it.
packer {
  required_version = ">= 1.7.0"       # packer.required_version
  required_plugins {                  # packer.required_plugins
    amazon = {
      source  = "github.com/hashicorp/amazon" # packer.required_plugins.source
      version = "~> 1"                        # packer.required_plugins.version
    }
  }
}

variables { # variables
  old = "x"
}
variable "v" {                        # variable
  type        = string                # variable.type
  default     = env("HOME")           # variable.default
  description = "A value."            # variable.description
  sensitive   = true                  # variable.sensitive
  validation {                        # variable.validation
    condition     = length(var.v) > 0 # variable.validation.condition
    error_message = "It is needed."   # variable.validation.error_message
  }
}
variable "o" {
  type    = object({ a = optional(string, "b") }) # variable.type optional
  default = {}
}

locals { # locals
  a = upper("a")
}
local "b" {                           # local
  expression = data.null.d.output     # local.expression
  sensitive  = true                   # local.sensitive
}
data "null" "d" {                     # data
  input = local.a
}

communicator "ssh" "c" {}             # communicator

source "null" "n" {                   # source
  communicator = "none"
}

build {                               # build
  name        = "all"                 # build.name
  description = "All there is"        # build.description
  from "x" {}                         # build.from
  sources     = ["source.null.n"]     # build.sources
  source "null.n" {                   # build.source
    name = "m"                        # build.source.name
  }
  hcp_packer_registry {               # build.hcp_packer_registry
    bucket_name   = "all"             # hcp_packer_registry.bucket_name
    description   = "All"             # hcp_packer_registry.description
    bucket_labels = { a = "b" }       # hcp_packer_registry.bucket_labels
    build_labels  = { a = "b" }       # hcp_packer_registry.build_labels
    channels      = ["latest"]        # hcp_packer_registry.channels
  }
  provisioner "shell-local" {         # build.provisioner
    name              = "p"           # provisioner.name
    only              = ["null.n"]    # provisioner.only
    override          = { n = { inline = ["echo"] } } # provisioner.override
    pause_before      = "1s"          # provisioner.pause_before
    max_retries       = 1             # provisioner.max_retries
    timeout           = "5m"          # provisioner.timeout
    continue_on_error = true          # provisioner.continue_on_error
    inline            = ["echo"]
  }
  dynamic "provisioner" {             # dynamic
    for_each = ["a"]
    labels   = ["shell-local"]
    iterator = it
    content {
      except = ["null.m"]             # provisioner.except
      inline = ["echo ${it.value}"]
    }
  }
  error-cleanup-provisioner "shell-local" { # build.error-cleanup-provisioner
    inline = ["echo"]
  }
  post-processor "manifest" {         # build.post-processor
    name                = "m"         # post-processor.name
    only                = ["null.n"]  # post-processor.only
    keep_input_artifact = true        # post-processor.keep_input_artifact
  }
  post-processors {                   # build.post-processors
    post-processor "shell-local" {
      except = ["null.m"]             # post-processor.except
      inline = ["echo"]
    }
  }
}
