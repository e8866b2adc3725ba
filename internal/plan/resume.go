package plan

import (
	"fmt"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
)

// StillBegins reports, as an error, what of the base and the steps that were
// done with a machine is not what the build begins with any more: nil where the
// build can go on after them. Resolve comes before.
func (b *Build) StillBegins(done artifact.Record) error {
	if done.Base.Key != b.BaseRecord.Key {
		return fmt.Errorf("the source changed%s", because(diff(done.Base.Inputs, b.BaseRecord.Inputs)))
	}
	for i, was := range done.Steps {
		if i >= len(b.Steps) {
			return fmt.Errorf("step %d %s, which was done, is not in the template any more", i+1, was.Name)
		}
		s := b.Steps[i]
		if s.Key != was.Key {
			return fmt.Errorf("step %d %s (%s), which was done, changed%s", i+1, s.Name, s.Where(), because(diff(was.Inputs, s.inputs)))
		}
	}
	return nil
}

func because(reasons []Reason) string {
	var texts []string
	for _, r := range reasons {
		texts = append(texts, r.Text)
	}
	if len(texts) == 0 {
		return ""
	}
	return ": " + strings.Join(texts, ", ")
}
