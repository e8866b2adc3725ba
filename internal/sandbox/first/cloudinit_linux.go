package first

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// What machines have of cloud-init, and scripts of provisioners wait for.
const (
	CloudDir      = "/var/lib/cloud"
	cloudInstance = CloudDir + "/instance" // a link to the folder of this instance
	BootFinished  = cloudInstance + "/boot-finished"
)

// beginBoot makes the instance's folder, as cloud-init does.
func (m *machine) beginBoot() error {
	own := filepath.Join(CloudDir, "instances", m.boot.ID)
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(own, filepath.Base(BootFinished))); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	if err := os.WriteFile(BootFinished, []byte(text), 0o644); err != nil {
		fmt.Printf("end of the boot: %v\n", err)
	}
}
