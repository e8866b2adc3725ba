source "amazon-ebs" "web" {
  image = "x"
  tags  = { base = "{{ .SourceAMIName | upper }}" }
}
build {
  sources = ["amazon-ebs.web"]
  provisioner "shell" {
    inline = ["{{ build `ID` | nothing }}", "${upper(build.Id)}", "${build.ID + 1}"]
  }
  provisioner "shell" {
    override = merge({ web = { inline = [upper(build.ID)] } }, {})
  }
}
