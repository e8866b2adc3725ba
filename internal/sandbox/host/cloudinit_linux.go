package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// What images have of cloud-init, and scripts of provisioners wait for.
const (
	cloudDir      = "/var/lib/cloud"
	cloudInstance = cloudDir + "/instance" // a link to the folder of this instance
	bootFinished  = cloudInstance + "/boot-finished"
	cloudCommand  = "usr/bin/cloud-init"
)

// cloudScript is the command of an image that has none.
const cloudScript = `#!/bin/sh
# In the place of cloud-init, whose work at a boot the sandbox does.
finished=` + bootFinished + `
case "$1" in
status)
	case "$*" in *-w*) while ! test -e $finished; do sleep 0.1; done ;; esac
	if test -e $finished; then echo "status: done"; else echo "status: running"; fi ;;
clean)
	rm -rf ` + cloudDir + ` ;;
*)
	echo "cloud-init $1: the sandbox has only status and clean" >&2
	exit 1 ;;
esac
`

// beginBoot makes the instance's folder, as cloud-init does.
func (m *first) beginBoot() error {
	own := filepath.Join(cloudDir, "instances", m.boot.ID)
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(own, filepath.Base(bootFinished))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if to, err := os.Readlink(cloudInstance); err == nil && to == own {
		return nil
	}
	if err := os.RemoveAll(cloudInstance); err != nil {
		return err
	}
	return os.Symlink(own, cloudInstance)
}

// finishBoot says that all that a boot does is done. The folder may be gone.
func finishBoot() {
	text := fmt.Sprintf("%s - finished\n", time.Now().UTC().Format(time.RFC1123Z))
	if err := os.WriteFile(bootFinished, []byte(text), 0o644); err != nil {
		fmt.Printf("end of the boot: %v\n", err)
	}
}
