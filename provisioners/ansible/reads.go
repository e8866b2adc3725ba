package ansible

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// What a play reads of this host, as far as can be told, counts in its key: the
// folder of the playbook, the inventory, the roles, and the files that options
// name. Where the build runs in the playbook's folder, or below it, the folder
// also holds what builds write: there only what Ansible looks for by its name
// counts.

// reads notes them.
func (p *play) reads() error {
	c := p.config
	folder := filepath.Dir(p.in.Path(c.PlaybookFile))
	leave := leftOut
	if p.holdsBuild(folder) {
		leave = func(name string, dir bool) bool { return leftOut(name, dir) || !conventional(name, dir) }
	}
	if err := p.tree("playbook_file", folder, leave); err != nil {
		return err
	}
	if _, err := os.Stat(p.in.Path("ansible.cfg")); err == nil {
		if err := p.read("playbook_file", "ansible.cfg"); err != nil {
			return err
		}
	}
	for _, f := range []struct{ option, path string }{
		{"inventory_directory", c.InventoryDirectory},
		{"galaxy_file", c.GalaxyFile}, {"roles_path", c.RolesPath}, {"collections_path", c.CollectionsPath},
	} {
		if err := p.read(f.option, f.path); err != nil {
			return err
		}
	}
	return p.readInventory("inventory_file", c.InventoryFile)
}

// readInventory notes an inventory, and the variables that Ansible finds beside
// it.
func (p *play) readInventory(option, name string) error {
	if name == "" {
		return nil
	}
	beside := filepath.Dir(name)
	for _, path := range []string{name, filepath.Join(beside, "group_vars"), filepath.Join(beside, "host_vars")} {
		if err := p.read(option, path); err != nil {
			return err
		}
	}
	return nil
}

// holdsBuild reports whether the build runs in a folder, or below it.
func (p *play) holdsBuild(folder string) bool {
	from, err := filepath.Abs(folder)
	if err != nil {
		return true
	}
	here, err := filepath.Abs(p.in.Dir)
	if err != nil {
		return true
	}
	rel, err := filepath.Rel(from, here)
	return err == nil && filepath.IsLocal(rel)
}

// read notes a file or a folder. One that is not there is made by the play, or
// not used.
func (p *play) read(option, name string) error {
	if name == "" || len(op.Tokens(name)) > 0 {
		return nil
	}
	host := p.in.Path(name)
	st, err := os.Stat(host)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return component.Errorf(option, "%v", err)
	case st.IsDir():
		return p.tree(option, host, leftOut)
	}
	blob, err := op.FileBlob(host)
	if err != nil {
		return component.Errorf(option, "%v", err)
	}
	p.local.Reads = append(p.local.Reads, blob)
	return nil
}

func (p *play) tree(option, folder string, leave func(string, bool) bool) error {
	if p.config.GalaxyFile != "" {
		inner := leave
		leave = func(name string, dir bool) bool {
			return inner(name, dir) || dir && installed(filepath.Join(folder, name))
		}
	}
	t, err := op.ReadTree(folder, leave)
	if err != nil {
		return component.Errorf(option, "%v", err)
	}
	if len(t.Entries) > 0 { // an empty one is as none: galaxy makes it
		p.local.Trees = append(p.local.Trees, t)
	}
	return nil
}

// leftOut are names that say nothing of a play.
func leftOut(name string, dir bool) bool {
	base := path.Base(name)
	if dir {
		return slices.Contains([]string{".git", ".ingot", ".svn", "__pycache__", ".ansible", ".vagrant", "packer_cache"}, base)
	}
	return strings.HasSuffix(base, ".retry") || strings.HasSuffix(base, ".pyc") || strings.HasPrefix(base, "ingot-inventory-")
}

// folders are those that Ansible looks for beside a playbook.
var folders = []string{
	"collections", "defaults", "files", "filter_plugins", "group_vars", "handlers", "host_vars", "library", "meta",
	"module_utils", "playbooks", "roles", "tasks", "templates", "vars",
}

// conventional reports whether a name below a playbook's folder is one that
// Ansible looks for.
func conventional(name string, dir bool) bool {
	first, _, below := strings.Cut(name, "/")
	if below || dir {
		return slices.Contains(folders, first) || strings.HasSuffix(first, "_plugins")
	}
	return slices.Contains([]string{".yml", ".yaml"}, path.Ext(name))
}

// installed reports whether a folder is a role or a collection that
// ansible-galaxy has installed: what the galaxy file says counts in its place.
func installed(folder string) bool {
	if _, err := os.Stat(filepath.Join(folder, "meta", ".galaxy_install_info")); err == nil {
		return true
	}
	_, manifest := os.Stat(filepath.Join(folder, "MANIFEST.json"))
	_, files := os.Stat(filepath.Join(folder, "FILES.json"))
	return manifest == nil && files == nil
}
