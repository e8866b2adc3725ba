locals {
  a = local.b
  b = "x${local.c}"
  c = upper(local.a)
  d = local.a
  self = local.self
}
