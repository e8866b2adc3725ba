variable "word" {
  default   = "hello"
  sensitive = true
}
variable "users" { default = ["ann", "bob"] }

source "docker" "web" { image = "debian" }
source "docker" "api" { image = "debian" }

build {
  sources = ["docker.web", "docker.api"]

  dynamic "test" {
    for_each = var.users
    labels   = ["login of ${test.value}"]
    content {
      keep_failed = test.key == 0
      expect {
        inline = ["id ${test.value}", var.word]
      }
    }
  }

  test "web only" {
    only = ["docker.web"]
    provisioner "shell" {
      inline = ["echo ${source.name} ${build.ID}"]
    }
    dynamic "expect" {
      for_each = var.users
      content {
        image = expect.value
      }
    }
    provisioner "shell" {
      except = ["web"]
      inline = ["never"]
    }
  }
}
