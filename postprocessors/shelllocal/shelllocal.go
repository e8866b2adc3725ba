// Package shelllocal is the post-processor "shell-local": it runs scripts on
// the host that ingot runs on, after the artifact was made.
package shelllocal

import (
	"context"
	"slices"

	"github.com/ingot-build/ingot/internal/localexec"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/shelllocal"
)

// Config is the options of the post-processor, which are those of the
// provisioner.
type Config struct {
	shelllocal.Config
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "shell-local", New: func() postprocessors.Processor {
		return &Config{shelllocal.New()}
	}}
}

func (c *Config) lower(in postprocessors.Input) ([]op.Op, error) {
	return c.Lower(provisioners.Input{BuildName: in.BuildName, BuilderType: in.BuilderType, Dir: in.Dir, Render: in.Render})
}

// Reads returns the scripts that are files.
func (c *Config) Reads() []string {
	files := slices.Clone(c.Scripts)
	if c.Script != "" {
		files = append(files, c.Script)
	}
	return files
}

// Check lowers the scripts, and runs none.
func (c *Config) Check(in postprocessors.Input) error {
	_, err := c.lower(in)
	return err
}

// Process runs the scripts, in order.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true, MustKeep: true}
	ops, err := c.lower(in)
	if err != nil {
		return result, err
	}
	for _, o := range ops {
		if err := localexec.Run(ctx, o.(*op.Local), in.Log.Output); err != nil {
			return result, err
		}
	}
	return result, nil
}
