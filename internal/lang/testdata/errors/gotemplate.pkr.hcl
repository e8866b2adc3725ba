source "docker" "web" { image = "{{ .Nope }}" }
build {
  sources = ["docker.web"]
  provisioner "shell" { inline = ["{{ env `HOME` }}"] }
  provisioner "shell" { inline = ["{{ nope }}"] }
  provisioner "shell" { inline = ["{{ if }}"] }
  provisioner "shell" { inline = ["{{ isotime | clean_ami_name }}"] }
  provisioner "shell" { inline = ["{{ uper `x` }}"] }
  provisioner "shell" { inline = ["{{ user `nope` }}"] }
  provisioner "shell" { inline = ["{{ consul_key `x` }}"] }
  provisioner "shell" { inline = ["{{ split `a-b` `-` 7 }}"] }
  provisioner "shell" { inline = ["{{ .SourceAMITags.Name }}"] }
}
