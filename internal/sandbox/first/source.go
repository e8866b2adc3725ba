package first

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
)

// Name is what the program of a machine is called, and the name that a first
// process is started under.
const Name = "ingot-machine"

// AskSource is the argument with which the program prints its Source.
const AskSource = "-source"

//go:embed *.go
var source embed.FS

// Source tells two programs with this package apart: those with the same
// source understand each other.
func Source() string {
	h := sha256.New()
	_ = fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := source.ReadFile(path)
		h.Write([]byte(path + "\x00" + string(text) + "\x00"))
		return err
	})
	return hex.EncodeToString(h.Sum(nil))
}
