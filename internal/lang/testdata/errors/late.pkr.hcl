source "docker" "web" { image = "x" }
build {
  sources = ["docker.web"]
  provisioner "shell" {
    inline = [upper(build.ID), build.Host == "x" ? "a" : "b", "fine ${build.ID}", base64encode("${build.User}")]
  }
  provisioner "shell" {
    inline = ["{{ build `ID` | upper }}", "{{ .Host | len }}"]
  }
  provisioner "shell" {
    inline = ["{{ .Host | upper }}"]
  }
}
