packer {
  required_version = ">= 1.7.2, < 1.8.0"
  required_plugins {
    a = { source = "hashicorp/amazon", version = "x.y" }
    b = "1.0"
    c = { sauce = "github.com/hashicorp/amazon" }
  }
}
