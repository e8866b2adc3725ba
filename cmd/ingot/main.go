// Command ingot bakes server images from templates.
package main

import (
	"os"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

func main() {
	if first.IsMachine() {
		os.Exit(first.Run())
	}
	os.Exit(run(untilSignal(), os.Args))
}
