package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// place is where an error says it is.
var place = regexp.MustCompile(`\n  on t.pkr.hcl line (\d+)`)

// check validates a template of these lines and returns the errors of each line.
func check(t *Tests, text []string) (map[int]string, error) {
	bin, err := binary(t.root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "compat-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "t.pkr.hcl"), []byte(strings.Join(text, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "validate", "t.pkr.hcl")
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	out := map[int]string{}
	for _, one := range strings.Split("\n"+string(said), "\nError: ")[1:] {
		if m := place.FindStringSubmatch(one); m != nil {
			line, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, err
			}
			out[line] += strings.Join(strings.Fields(one), " ")
		}
	}
	if exit != nil && len(out) == 0 {
		return nil, fmt.Errorf("validate says no line: %s", said)
	}
	return out, nil
}

// blocks are the language's own blocks and their arguments: the lines of a
// template that end with a comment.
func blocks(t *Tests) ([]Row, error) {
	raw, err := inventory.ReadFile("packer/blocks.pkr.hcl")
	if err != nil {
		return nil, err
	}
	text := strings.Split(string(raw), "\n")
	errs, err := check(t, text)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, line := range text {
		code, name, ok := strings.Cut(line, "# ")
		if !ok || code == "" {
			continue
		}
		used := t.use("", []string{"internal/lang", "internal/plan", "internal/engine", "test/script"}, name[strings.LastIndexAny(name, ". ")+1:])
		r := Row{Section: "blocks and arguments", Name: name, Status: Supported, Tested: used}
		if said := errs[i+1]; said != "" {
			r.Status, r.Note = Missing, said
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// functions are those of expressions.
func functions(t *Tests) ([]Row, error) {
	names, err := words("functions.txt")
	if err != nil {
		return nil, err
	}
	text := []string{"locals {"}
	for _, name := range names {
		text = append(text, fmt.Sprintf("  x_%s = %s()", name, name))
	}
	errs, err := check(t, append(text, "}"))
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, name := range names {
		r := Row{Section: "functions", Name: name, Status: Supported, Tested: t.hold(name + "(")}
		switch said := errs[i+2]; {
		case strings.Contains(said, "unknown function"), strings.Contains(said, "no function named"):
			r.Status = Missing
		case strings.Contains(said, "not supported"):
			r.Status, r.Note = Refused, said
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// goTemplates are the functions of Go templates.
func goTemplates(t *Tests) ([]Row, error) {
	list, err := lines("gotemplate.txt")
	if err != nil {
		return nil, err
	}
	text := []string{`source "null" "n" { communicator = "none" }`, `variable "known" { default = "x" }`, "build {", `  sources = ["null.n"]`}
	start := len(text) + 1
	for _, line := range list {
		_, call, _ := strings.Cut(line, " | ")
		text = append(text, fmt.Sprintf(`  provisioner "shell-local" { inline = ["echo %s"] }`, call))
	}
	errs, err := check(t, append(text, "}"))
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, line := range list {
		name, _, _ := strings.Cut(line, " | ")
		r := Row{Section: "functions of Go templates", Name: name, Status: Supported, Tested: t.hold("{{"+name) || t.hold("{{ "+name)}
		switch said := errs[start+i]; {
		case strings.Contains(said, "can't be called"), strings.Contains(said, "not supported"):
			r.Status, r.Note = Refused, "as in Packer"
		case said != "":
			r.Status, r.Note = Missing, strings.TrimSpace(said)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// values are what expressions of provisioners may name.
func values(t *Tests) ([]Row, error) {
	list, err := lines("values.txt")
	if err != nil {
		return nil, err
	}
	sources := map[string]string{
		"null":          `communicator = "none"`,
		"docker":        "image = \"debian\"\n commit = true",
		"amazon-ebs":    "ami_name = \"n\"\n instance_type = \"t3.micro\"\n region = \"eu-west-1\"\n source_ami = \"ami-1\"\n ssh_username = \"admin\"",
		"googlecompute": "project_id = \"p\"\n zone = \"europe-west1-b\"\n source_image_family = \"debian-12\"\n ssh_username = \"admin\"",
	}
	var rows []Row
	for _, line := range list {
		typ, names, _ := strings.Cut(line, ":")
		if sources[typ] == "" {
			for _, name := range strings.Fields(names) {
				rows = append(rows, Row{Section: "values", Name: name, Status: Refused, Note: "there is no builder " + typ})
			}
			continue
		}
		text := strings.Split(fmt.Sprintf("source %q \"n\" {\n %s\n}\nbuild {\n sources = [%q]", typ, sources[typ], typ+".n"), "\n")
		start := len(text) + 1
		for _, name := range strings.Fields(names) {
			text = append(text, fmt.Sprintf(`  provisioner "shell-local" { inline = ["echo ${%s}"] }`, name))
		}
		errs, err := check(t, append(text, "}"))
		if err != nil {
			return nil, err
		}
		for i, name := range strings.Fields(names) {
			r := Row{Section: "values", Name: name, Status: Supported, Tested: t.hold(name)}
			if said := errs[start+i]; said != "" {
				r.Status, r.Note = Missing, strings.TrimSpace(said)
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}
