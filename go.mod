module github.com/ingot-build/ingot

go 1.26.0
