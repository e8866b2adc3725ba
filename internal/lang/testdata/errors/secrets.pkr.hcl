variable "user" { default = "u" }
secrets {
  pw   = vault("secret/data/x", "pw")
  dsn  = "postgres://${var.usr}:${secret.pw}@x"
  odd  = nofunction(1)
  loop = secret.pool
  pool = secret.loop
  self = secret.self
  home = env("HOME")
}
secrets { pw = "again" }
locals { x = secret.pw }
source "docker" "web" { image = secret.pww }
build {
  name    = secret.pw
  sources = ["docker.web"]
  provisioner "shell" { inline = [secret, secret.dsn] }
}
