package ansiblelocal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/shlex"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/ansible"
)

// Lower returns the uploads, an Exec for what galaxy installs, one for each
// playbook, and one that cleans up.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	s := &stage{config: c, in: in, dir: strings.TrimRight(provisioners.RemotePath(c.StagingDirectory), "/")}
	if s.dir == "" {
		s.dir = fmt.Sprintf("/tmp/packer-provisioner-ansible-local/%s-%d", op.Token(op.Scratch), in.Index)
	}
	for _, step := range []func() error{s.folders, s.books, s.inventory, s.arguments, s.galaxy, s.plays} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if c.CleanStagingDirectory {
		s.ops = append(s.ops, &op.Exec{Argv: []string{"rm", "-rf", "--", s.dir}, Title: "clean the staging folder"})
	}
	return s.ops, nil
}

// stage is the folder of the machine, and what is done with it.
type stage struct {
	config *Config
	in     provisioners.Input
	dir    string
	ops    []op.Op

	playbooks []string // of the machine
	list      string   // the inventory
	extra     []string // further arguments, for a shell
	env       map[string]secret.String
	inputs    []op.File
}

// folders uploads what is given as folders.
func (s *stage) folders() error {
	c := s.config
	if err := s.tree("playbook_dir", c.PlaybookDir, s.dir); err != nil {
		return err
	}
	for _, f := range []struct {
		option, below string
		paths         []string
	}{{"role_paths", "roles", c.RolePaths}, {"collection_paths", "collections", c.CollectionPaths}, {"playbook_paths", "playbooks", c.PlaybookPaths}} {
		for _, p := range f.paths {
			if err := s.tree(f.option, p, path.Join(s.dir, f.below, filepath.Base(p))); err != nil {
				return err
			}
		}
	}
	if err := s.tree("group_vars", c.GroupVars, path.Join(s.dir, "group_vars")); err != nil {
		return err
	}
	return s.tree("host_vars", c.HostVars, path.Join(s.dir, "host_vars"))
}

func (s *stage) tree(option, from, to string) error {
	if from == "" {
		return nil
	}
	t, err := op.DirTree(to, s.in.Path(strings.TrimRight(from, "/")))
	if err != nil {
		return unreadable(option, from, err)
	}
	s.ops = append(s.ops, t)
	return nil
}

func unreadable(option, name string, err error) error {
	if os.IsNotExist(err) {
		return component.Errorf(option, "there is no %s", name)
	}
	return component.Errorf(option, "%v", err)
}

// file uploads a file, and returns its path on the machine.
func (s *stage) file(option, from string) (string, error) {
	blob, err := op.FileBlob(s.in.Path(from))
	if err != nil {
		return "", unreadable(option, from, err)
	}
	mode := fs.FileMode(0o644)
	if st, err := os.Stat(s.in.Path(from)); err == nil {
		mode = st.Mode().Perm()
	}
	to := path.Join(s.dir, filepath.Base(from))
	s.ops = append(s.ops, &op.Put{File: op.File{Path: to, Mode: mode, Blob: blob}})
	return to, nil
}

// books uploads the playbooks that are not there with their folder.
func (s *stage) books() error {
	c := s.config
	option, files := "playbook_files", c.PlaybookFiles
	switch {
	case c.PlaybookFile != "" && len(files) > 0:
		return component.Errorf("playbook_files", "can't be given beside playbook_file")
	case c.PlaybookFile != "":
		option, files = "playbook_file", []string{c.PlaybookFile}
	case len(files) == 0:
		return component.Errorf("playbook_file", "one of playbook_file and playbook_files is needed")
	}
	for _, f := range files {
		below := s.below(f)
		if below != "" && (option == "playbook_files" || !strings.Contains(below, "/")) {
			s.playbooks = append(s.playbooks, path.Join(s.dir, below))
			continue
		}
		to, err := s.file(option, f)
		if err != nil {
			return err
		}
		s.playbooks = append(s.playbooks, to)
	}
	return nil
}

// below is the path of a playbook in playbook_dir, "" where it is not in there:
// it is named from here, or from there.
func (s *stage) below(file string) string {
	if s.config.PlaybookDir == "" {
		return ""
	}
	dir := s.in.Path(s.config.PlaybookDir)
	rel, err := filepath.Rel(dir, s.in.Path(file))
	if _, miss := os.Stat(s.in.Path(file)); miss != nil {
		rel = file
	}
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, rel)); err != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

// inventory uploads the inventory, or makes one of the machine alone.
func (s *stage) inventory() (err error) {
	c := s.config
	if c.InventoryFile != "" {
		if len(c.InventoryGroups) > 0 {
			return component.Errorf("inventory_groups", "has no meaning beside inventory_file: no inventory is made")
		}
		s.list, err = s.file("inventory_file", c.InventoryFile)
		return err
	}
	text := ""
	for _, names := range c.InventoryGroups {
		for name := range strings.SplitSeq(names, ",") {
			if name = strings.TrimSpace(name); name != "" {
				text += "[" + name + "]\n127.0.0.1\n"
			}
		}
	}
	if text == "" {
		text = "127.0.0.1\n"
	}
	s.list = path.Join(s.dir, "ingot-inventory")
	s.ops = append(s.ops, &op.Put{File: op.File{Path: s.list, Mode: 0o644, Blob: op.Text(secret.Plain(text))}})
	return nil
}

// arguments puts extra_arguments together. Extra variables that are sensitive,
// or may be, go into files that are there while the play runs.
func (s *stage) arguments() error {
	s.env = map[string]secret.String{}
	list := s.config.ExtraArguments
	for i, a := range list {
		if !ansible.Sensitive(a) {
			s.extra = append(s.extra, a.Reveal())
			continue
		}
		vars, err := s.variables(list, i)
		if err != nil {
			return err
		}
		s.extra = append(s.extra, vars)
	}
	return nil
}

func (s *stage) variables(list []secret.String, i int) (string, error) {
	text, option := list[i].Reveal(), ""
	switch rest, joined := strings.CutPrefix(text, "--extra-vars="); {
	case joined:
		text, option = rest, "-e "
	case i == 0 || !slices.Contains([]string{"-e", "--extra-vars"}, strings.TrimSpace(list[i-1].Reveal())):
		return "", &component.OptionError{Option: "extra_arguments", Message: "would show a sensitive value on a command line",
			Advice: `give it as an extra variable: "-e", "name=value"`}
	}
	words, err := shlex.Split(text) // as the shell would have
	if err != nil || len(words) != 1 {
		return "", component.Errorf("extra_arguments", "element %d is not one word for a shell: quote it", i+1)
	}
	content, err := ansible.Variables(list[i].With(words[0]), s.env)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s/ingot-vars-%d", s.dir, i)
	s.inputs = append(s.inputs, op.File{Path: name, Mode: 0o600, Blob: op.Text(content)})
	return option + "@" + quote(name), nil
}

// galaxy installs what the galaxy file asks for.
func (s *stage) galaxy() error {
	c := s.config
	if c.GalaxyFile == "" {
		return nil
	}
	roles, collections, err := ansible.Requirements(s.in.Path(c.GalaxyFile))
	if err != nil {
		return unreadable("galaxy_file", c.GalaxyFile, err)
	}
	file, err := s.file("galaxy_file", c.GalaxyFile)
	if err != nil {
		return err
	}
	install := func(kind, to string) {
		line := fmt.Sprintf("%s %s install -r %s -p %s", c.GalaxyCommand, kind, quote(file), quote(to))
		if c.GalaxyForceInstall {
			line += " --force"
		}
		s.ops = append(s.ops, s.shell("install "+kind+"s of "+c.GalaxyFile, line))
	}
	if roles {
		install("role", cmp.Or(c.GalaxyRolesPath, path.Join(s.dir, "roles")))
	}
	if collections {
		install("collection", cmp.Or(c.GalaxyCollectionsPath, path.Join(s.dir, "collections")))
	}
	return nil
}

// shell is a command of the machine's shell, run in the staging folder.
func (s *stage) shell(title, line string) *op.Exec {
	return &op.Exec{Argv: []string{"/bin/sh", "-c", "cd " + quote(s.dir) + " && " + line}, Title: title}
}

// plays runs the playbooks.
func (s *stage) plays() error {
	names, err := json.Marshal(map[string]string{"packer_build_name": s.in.BuildName, "packer_builder_type": s.in.BuilderType})
	if err != nil {
		return err
	}
	for _, book := range s.playbooks {
		line := []string{s.config.Command, quote(book), "--extra-vars", quote(string(names))}
		line = append(append(line, s.extra...), "-c", "local", "-i", quote(s.list))
		play := s.shell("ansible-playbook "+path.Base(book), strings.Join(line, " "))
		play.Env, play.Inputs = s.env, s.inputs
		s.ops = append(s.ops, play)
	}
	return nil
}

func quote(text string) string { return "'" + op.Quote(text) + "'" }
