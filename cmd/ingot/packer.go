package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// dialect is all that differs where ingot is started under the name packer, by
// a symlink: there it does as Packer does. docs/from-packer.md has this table
// for users.
type dialect struct {
	name            string // of the program
	version         string // what `version` and -version print
	number          string // of the version, for programs
	prerelease      string // what follows the number, such as "dev"
	errorsOnStdout  bool   // standard error has logs only
	templateNeeded  bool   // a command without a template is an error, not the working directory
	alwaysBuild     bool   // also where nothing has changed
	goodBuildsRun   bool   // a source that is wrong does not stop the builds of the others
	plain           bool   // lines on a terminal too, the artifacts last
	colourPipes     bool   // colours also where there is no terminal
	lastResultOnly  bool   // of what is piped into the console
	inspectTolerant bool   // of what can be parsed, inspect and console show what they can
}

func asIngot() dialect {
	number, prerelease, _ := strings.Cut(version, "-")
	return dialect{name: "ingot", version: ingotVersion(), number: number, prerelease: prerelease}
}

func asPacker() dialect {
	return dialect{
		name:           "packer",
		number:         packerLevel,
		version:        fmt.Sprintf("Packer v%s\nThis is %s, under the name packer.", packerLevel, ingotVersion()),
		errorsOnStdout: true, templateNeeded: true, alwaysBuild: true, goodBuildsRun: true,
		plain: true, colourPipes: true, lastResultOnly: true, inspectTolerant: true,
	}
}

// dialectOf is how the program does under the name it was started by.
func dialectOf(arg0 string) dialect {
	name := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	if name == "packer" {
		return asPacker()
	}
	return asIngot()
}
