source "amazon-ebs" "web" {
  image = "x"
  tags  = { base = "{{ .SourceAMI }} {{ .SourceAMIName }}" }
}
build {
  sources = ["amazon-ebs.web"]
  provisioner "shell" {
    inline          = ["${build.ID} and ${build.Host}", build.SSHPublicKey, join(",", [build.ID, "x"]), build.PackerRunUUID, "{{ build `ID` }}"]
    execute_command = "{{ .Vars }} {{ .Path }} ${build.User}"
    env             = { for k, v in { ID = build.ID } : k => "${v}!" }
  }
  post-processor "manifest" {
    output = "{{ .BuildName }}-${build.ID}"
  }
}
