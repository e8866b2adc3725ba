variable "size" {
  default = 1
  validation {
    condition     = var.size > 3
    error_message = "At least 4, not ${var.size}."
  }
  validation {
    condition = var.other
    error_message = "no"
  }
}
variable "typed" {
  type    = list(string)
  default = { a = 1 }
}
variable "wrong" { type = strin }
variable "called" { default = upper("x") }
variable "ref" { default = var.size }
