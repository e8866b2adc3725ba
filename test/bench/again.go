package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox"
)

// againLimit is what a rebuild of the fleet may take of which nothing changed.
const againLimit = 2 * time.Second

// benchAgain measures what is done again: nothing, the last step from a
// checkpoint, and all of it.
func benchAgain(ctx context.Context, s *stand) ([]row, error) {
	c, end, err := s.startSandbox(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	fleet, err1 := s.write("fleet.pkr.hcl", againFleet(cloudFleet))
	one, err2 := s.write("one.pkr.hcl", againTemplate)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	for _, first := range []string{fleet, one} { // what is measured comes after
		if _, err := s.run(ctx, command{argv: []string{s.ingot, "build", "-sandbox", first}}); err != nil {
			return nil, err
		}
	}
	counted := map[string]int{} // calls of the last round
	turns := 0
	newSide := func(name, template, change string) *side {
		return &side{name: name, turn: func(ctx context.Context) (sample, error) {
			argv := []string{s.ingot, "build", "-sandbox"}
			if change != "" {
				turns++
				argv = append(argv, "-var", fmt.Sprintf("%s=%d", change, turns))
			}
			if err := c.SetFaults(ctx, sandbox.Wrong{}); err != nil { // forgets the calls seen
				return sample{}, err
			}
			got, err := s.run(ctx, command{argv: append(argv, template)})
			if err != nil {
				return got, err
			}
			calls, err := c.Calls(ctx)
			for _, call := range calls {
				if change == "" && call == "ec2.RunInstances" {
					err = errors.Join(err, fmt.Errorf("%s: an instance was launched", name))
				}
			}
			counted[name] = len(calls)
			return got, err
		}}
	}
	many, skip := newSide("unchanged fleet", fleet, ""), newSide("unchanged", one, "")
	resume, full := newSide("resume", one, "last"), newSide("full bake", one, "first")
	if err := s.compare(ctx, many, skip, resume, full); err != nil {
		return nil, err
	}
	note := func(sd *side) string { return fmt.Sprintf("%d API calls", counted[sd.name]) }
	limit := &side{name: "the bar itself", samples: []sample{{time: againLimit}}}
	return []row{
		newRow(fmt.Sprintf("%d unchanged", cloudFleet), many, limit, 1, note(many)),
		newRow("skip", skip, full, 0, note(skip)),
		newRow("resume", resume, full, 0, note(resume)+", from a checkpoint before the last of three steps"),
		newRow("full", full, full, 0, note(full)),
	}, nil
}

const againSource = `
  region        = "us-east-1"
  instance_type = "t3.micro"
  source_ami    = "ami-0123456789abcdef0"
  ssh_username  = "admin"
`

const againTemplate = `
variable "first" { default = "0" }
variable "last" { default = "0" }
source "amazon-ebs" "web" {` + againSource + `  ami_name = "web-${uuidv4()}"
}
build {
  sources = ["amazon-ebs.web"]
  provisioner "shell" { inline = ["echo ${var.first}", "sleep 5"] }
  provisioner "shell" {
    inline     = ["sleep 5"]
    checkpoint = true
  }
  provisioner "shell" { inline = ["echo ${var.last}", "sleep 1"] }
}
`

// againFleet is a template of n builds that differ in their names alone.
func againFleet(n int) string {
	var text strings.Builder
	var names []string
	for i := range n {
		fmt.Fprintf(&text, "source \"amazon-ebs\" \"m%02d\" {%s  ami_name = \"m%02d\"\n}\n", i, againSource, i)
		names = append(names, fmt.Sprintf("\"amazon-ebs.m%02d\"", i))
	}
	fmt.Fprintf(&text, "build {\n  sources = [%s]\n  provisioner \"shell\" { inline = [\"uname -a\"] }\n}\n", strings.Join(names, ", "))
	return text.String()
}
