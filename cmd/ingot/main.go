// Command ingot bakes server images from templates.
package main

import (
	"os"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

func main() {
	if host.IsMachine() {
		os.Exit(host.RunMachine())
	}
	os.Exit(run(untilSignal(), os.Args))
}
