region = "eu"
sourc "docker" "web" {}
variabel "x" {}
