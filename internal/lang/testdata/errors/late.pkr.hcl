source "docker" "web" { image = "x" }
build {
  sources = ["docker.web"]
  provisioner "shell" {
    inline = compact([build.ID == "x" ? "a" : "", "b"])
  }
  provisioner "shell" {
    inline = ["{{ build `ID` | upper }}", "{{ .Host | len }}"]
  }
  provisioner "shell" {
    inline = ["{{ .Host | upper }}"]
  }
}
