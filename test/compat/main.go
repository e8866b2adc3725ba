// Command compat prints how much of Packer 1.16 ingot has: each command, flag,
// variable, function, name and option, whether it is supported, refused by name
// or missing, and whether a test uses it. It fails where a row is missing, or is
// supported and no test uses it.
//
// What Packer has is in the folder packer, as data.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
)

func main() {
	all := flag.Bool("all", false, "print every row, not only sums and what is not supported and tested")
	flag.Parse()
	rows, err := collect()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
	print(os.Stdout, rows, *all)
	if slices.ContainsFunc(rows, Row.wanting) {
		os.Exit(1)
	}
}

// collect looks at all there is.
func collect() ([]Row, error) {
	tests, err := readTests(".") // make runs at the root
	if os.IsNotExist(err) {
		tests, err = readTests("../..")
	}
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, part := range []func(*Tests) ([]Row, error){commands, environment, blocks, functions, goTemplates, values, options, behaviours} {
		more, err := part(tests)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}
