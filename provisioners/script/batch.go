package script

import (
	"strings"

	"github.com/ingot-build/ingot/internal/secret"
)

// Batch returns a batch file of Windows that runs a command line. It is for
// command lines that show a sensitive value.
func Batch(command secret.String) secret.String {
	return command.With("@" + strings.ReplaceAll(command.Reveal(), "%", "%%") + "\r\n")
}
