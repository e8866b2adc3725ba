// Package held keeps what is needed to go on with a build that failed, and
// whose machine was left for that: one folder a build, beside the journal of
// its run, that only the user can read. It holds secrets: the key that was made
// for the machine.
package held

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
)

// Build is a build that is held.
type Build struct {
	RunID    string    `json:"runId"`
	Address  string    `json:"address"`
	Template string    `json:"template"` // absolute path
	Dir      string    `json:"dir"`      // that ingot ran in
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`

	// Done is what was done: the base, and the steps before the one that
	// failed.
	Done artifact.Record `json:"done"`
	// BaseID pins the source image that the machine was started from, From is
	// what was in its place; nil is nothing.
	BaseID string             `json:"baseId"`
	From   *artifact.Artifact `json:"from,omitempty"`
	// Failed is the name of the step that failed.
	Failed string `json:"failed"`

	Force       bool         `json:"force,omitempty"`   // an image of the same name may be replaced
	Tainted     bool         `json:"tainted,omitempty"` // a step failed and was let pass
	Attachments []Attachment `json:"attachments,omitempty"`
	// Session is what the session needs to reach the machine again. It may
	// hold secrets.
	Session json.RawMessage `json:"session"`
}

// Attachment is a document that a step which was done has attached.
type Attachment struct {
	artifact.Attachment
	Data []byte `json:"data"`
}

// Attached returns attachments as a build has them.
func (b Build) Attached() []artifact.Attachment {
	var out []artifact.Attachment
	for _, a := range b.Attachments {
		a.Attachment.Data = a.Data
		out = append(out, a.Attachment)
	}
	return out
}

// Attach takes over the attachments of a build.
func (b *Build) Attach(list []artifact.Attachment) {
	b.Attachments = nil
	for _, a := range list {
		b.Attachments = append(b.Attachments, Attachment{a, a.Data})
	}
}

const (
	stateFile = "state.json"
	// Key and KnownHosts are files for ssh, Password is what was made for the
	// login where that is not by a key.
	Key        = "key"
	KnownHosts = "known_hosts"
	Password   = "password"
)

// Write stores the build below dir, the folder of journals.
func (b Build) Write(dir string) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = WriteFile(dir, b.RunID, b.Address, stateFile, text)
	return err
}

// WriteFile stores a file beside a build that is held, and returns its path.
// Nobody else can read it.
func WriteFile(dir, runID, build, name string, text []byte) (string, error) {
	folder := journal.HeldDir(dir, runID, build)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	return path, renameio.WriteFile(path, text, 0o600)
}

// Read returns the builds of a run that are held, by their addresses.
func Read(dir, runID string) (map[string]Build, error) {
	parent := filepath.Dir(journal.HeldDir(dir, runID, "any"))
	folders, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out := map[string]Build{}
	for _, f := range folders {
		path := filepath.Join(parent, f.Name(), stateFile)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it died as it wrote
		}
		var b Build
		if err == nil {
			err = json.Unmarshal(text, &b)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out[b.Address] = b
	}
	return out, nil
}
