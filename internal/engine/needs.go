package engine

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/plan"
)

// needs looks for the programs of this host that the steps run, before
// anything is launched.
func (b *build) needs() error {
	if b.Status != plan.Unchanged {
		if err := needsOf(b.Steps); err != nil {
			return err
		}
	}
	for _, x := range b.Tests {
		if b.Status == plan.Unchanged && !b.Test {
			break
		}
		if err := needsOf(x.Steps); err != nil {
			return fmt.Errorf("test %q: %w", x.Name, err)
		}
	}
	return nil
}

func needsOf(steps []*plan.Step) error {
	for i, s := range steps {
		for _, o := range s.Ops {
			l, ok := o.(*op.Local)
			if !ok {
				continue
			}
			for _, name := range l.Needs {
				if err := program(l.Dir, name); err != nil {
					return located(err, i, s)
				}
			}
		}
	}
	return nil
}

func program(dir, name string) error {
	path := name
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		var err error
		if path, err = filepath.Abs(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if _, err := exec.LookPath(path); err != nil {
		return builders.WithHint(fmt.Errorf("this host has no program %s", name),
			"install it, or set skip_version_check = true where an earlier step does that")
	}
	return nil
}
