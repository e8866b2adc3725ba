// Command ingot-machine is the first process of each machine of the sandbox: of
// ingot only what runs in there, so that fifty of them start quickly. The
// sandbox finds it beside ingot; where it is not, ingot takes its part.
package main

import (
	"fmt"
	"os"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == first.AskSource {
		fmt.Println(first.Source())
		return
	}
	os.Exit(first.Run())
}
