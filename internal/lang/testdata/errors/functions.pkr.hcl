locals {
  a = vault("x", "y")
  b = file("missing.txt")
  c = jsondecode("{")
  d = templatefile("functions.pkr.hcl", 3)
  e = regex("(", "x")
}
