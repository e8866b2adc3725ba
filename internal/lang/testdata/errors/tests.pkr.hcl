source "docker" "web" {}
build {
  sources = ["docker.web"]
  test "one" {
    expect {}
  }
  test "one" {
    expect {}
  }
  test "nothing" {}
  test "slip" {
    keep_faild = true
    expect "x" {}
    only   = ["web"]
    except = ["api"]
    expect {}
  }
  test {
    expect {}
  }
}
