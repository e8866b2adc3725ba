packer {
  required_version = ">= 1.7.2, < 1.8.0"
  required_plugins {
    a = { source = "hashicorp/amazon", version = "x.y" }
    b = "1.0"
    c = { sauce = "github.com/hashicorp/amazon" }
  }
}
packer {
  required_plugins {
    d = { version = "1.0" }
    e = { source = "github.com/hashicorp/packer-plugin-amazon", version = ">= 1.0.0-dev" }
    f = { source = "github.com//amazon" }
    amazon-ami-management = { source = "github.com/wata727/amazon-ami-management", version = ">=v1.0.1" }
    goss = { source = "github.com/YaleUniversity/goss", version = "v1.1.1" }
    windows-update = { source = "github.com/rgl/windows-update", version = "~> 1" }
    amazon = { source = "github.com/hashicorp/amazon", version = "= 1.2.6" }
    a      = { source = "github.com/hashicorp/amazon" }
  }
}
