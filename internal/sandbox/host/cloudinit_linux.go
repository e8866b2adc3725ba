package host

import "github.com/ingot-build/ingot/internal/sandbox/first"

// cloudCommand is where images have cloud-init's command, and cloudScript the
// one of an image that has none.
const (
	cloudCommand = "usr/bin/cloud-init"
	cloudScript  = `#!/bin/sh
# In the place of cloud-init, whose work at a boot the sandbox does.
finished=` + first.BootFinished + `
case "$1" in
status)
	case "$*" in *-w*) while ! test -e $finished; do sleep 0.1; done ;; esac
	if test -e $finished; then echo "status: done"; else echo "status: running"; fi ;;
clean)
	rm -rf ` + first.CloudDir + ` ;;
*)
	echo "cloud-init $1: the sandbox has only status and clean" >&2
	exit 1 ;;
esac
`
)
