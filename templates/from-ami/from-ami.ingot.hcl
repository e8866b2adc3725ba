# Goes on from the newest AMI that templates/quickstart has made, which a data
# source finds, and shows on the booted machine what was baked into it.
#
#   ingot build -sandbox templates/from-ami

variable "region" {
  type        = string
  default     = "us-east-1"
  description = "The region of EC2 to build in."
}

data "amazon-ami" "baked" {
  region      = var.region
  owners      = ["self"]
  most_recent = true
  filters = {
    name = "quickstart-*"
  }
}

source "amazon-ebs" "next" {
  region        = var.region
  instance_type = "t3.micro"
  source_ami    = data.amazon-ami.baked.id
  ami_name      = "from-ami-${formatdate("YYYYMMDDhhmmss", timestamp())}"
  ssh_username  = "admin"

  tags = {
    Name = "from-ami"
    From = data.amazon-ami.baked.name
  }
}

build {
  description = "What was baked into the AMI of the quick start, and one line more."
  sources     = ["source.amazon-ebs.next"]

  provisioner "shell" {
    name   = "look"
    inline = ["cd /srv/quickstart && cat motd site/index.html"]
  }

  provisioner "shell" {
    name   = "add"
    inline = ["echo 'And then again, from its AMI.' >>/srv/quickstart/motd"]
  }

  publish {
    bucket = "from-ami"
  }
}
