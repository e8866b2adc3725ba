package saltmasterless

import (
	"fmt"
	"path"
	"strings"

	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// setup is one lowering: the paths in the folder, "" for what is not there.
type setup struct {
	*Config
	folder                         *staging.Folder
	states, pillar, minion, grains string
	formulas                       []formula
}

// stage puts what the options name into the folder.
func (s *setup) stage() (err error) {
	if s.states, err = s.folder.Tree("local_state_tree", s.LocalStateTree, "states", ".git"); err != nil {
		return err
	}
	if s.LocalPillarRoots != "" {
		if s.pillar, err = s.folder.Tree("local_pillar_roots", s.LocalPillarRoots, "pillar", ".git"); err != nil {
			return err
		}
	}
	if s.MinionConfig != "" {
		if s.minion, err = s.folder.File("minion_config", s.MinionConfig, "minion"); err != nil {
			return err
		}
	}
	if s.GrainsFile != "" {
		if s.grains, err = s.folder.File("grains_file", s.GrainsFile, "grains"); err != nil {
			return err
		}
	}
	for _, address := range s.Formulas {
		f, err := parseFormula(address)
		if err != nil {
			return err
		}
		s.formulas = append(s.formulas, f)
	}
	return nil
}

// bootstrapURL is where Salt's bootstrap script is.
const bootstrapURL = "https://github.com/saltstack/salt-bootstrap/releases/latest/download/bootstrap-salt.sh"

// fetchFormula brings a folder of a repository into the state tree: $1 is the
// repository, $2 the folder, $3 the revision.
const fetchFormula = `command -v git >/dev/null || { echo 'formulas: the machine has no git to fetch them with' >&2; exit 1; }
formula() {
	[ ! -e "$states/$2" ] || { echo "formula $2: the state tree has it already"; return; }
	rm -rf "$work" && mkdir "$work" && git init -q "$work" &&
		git -C "$work" fetch -q --depth 1 "$1" "$3" && git -C "$work" checkout -q FETCH_HEAD || exit 1
	[ -d "$work/$2" ] || { echo "formula $2: $1 has no such folder" >&2; exit 1; }
	mv "$work/$2" "$states/" && rm -rf "$work" || exit 1
}
`

// text is the script.
func (s *setup) text() string {
	b := &strings.Builder{}
	if !s.SkipBootstrap {
		fmt.Fprintf(b, "installer=%s\n", staging.Quote(s.folder.Join("install_salt.sh")))
		fmt.Fprintf(b, "{ curl -fsSL -o \"$installer\" %[1]s || wget -q -O \"$installer\" %[1]s; } && %[2]ssh \"$installer\" %[3]s || {\n",
			bootstrapURL, s.sudo(), s.BootstrapArgs.Reveal())
		fmt.Fprintf(b, "\techo 'Salt could not be installed' >&2\n\tcommand -v %s >/dev/null || exit 1\n\techo 'going on with the Salt that is there'\n}\n", s.program())
	}
	if len(s.formulas) > 0 {
		fmt.Fprintf(b, "states=%s\nwork=%s\n%s", staging.Quote(s.states), staging.Quote(s.folder.Join("formula")), fetchFormula)
	}
	for _, f := range s.formulas {
		ref := f.ref
		if ref == "" {
			ref = "HEAD"
		}
		fmt.Fprintf(b, "formula %s %s %s\n", staging.Quote(f.repository), staging.Quote(f.folder), staging.Quote(ref))
	}
	s.install(b, s.minion, path.Join(configDir, "minion"))
	s.install(b, s.grains, path.Join(configDir, "grains"))
	s.install(b, s.states+"/.", s.stateTree())
	if s.pillar != "" {
		s.install(b, s.pillar+"/.", s.pillarRoots())
	}
	b.WriteString(s.call())
	return b.String()
}

// install copies from the folder to where Salt looks.
func (s *setup) install(b *strings.Builder, from, to string) {
	if from == "" {
		return
	}
	dir := to
	if !strings.HasSuffix(from, "/.") {
		dir = path.Dir(to)
	}
	fmt.Fprintf(b, "%[1]smkdir -p -- %[2]s && %[1]scp -R -- %[3]s %[4]s || exit 1\n", s.sudo(), staging.Quote(dir), staging.Quote(from), staging.Quote(to))
}

// call is the last line: its exit code is Salt's.
func (s *setup) call() string {
	call := s.sudo() + s.program() + " --local"
	if s.CustomState == "" {
		call += " state.highstate"
	} else {
		call += " state.sls " + s.CustomState
	}
	if s.MinionConfig == "" {
		call += " --file-root=" + staging.Quote(s.stateTree()) + " --pillar-root=" + staging.Quote(s.pillarRoots())
	}
	if !s.NoExitOnFailure {
		call += " --retcode-passthrough"
	}
	call += " -l " + staging.Quote(s.LogLevel)
	if args := s.SaltCallArgs.Reveal(); args != "" {
		call += " " + args
	}
	if s.NoExitOnFailure {
		call += " || echo \"salt-call ended with exit code $?: ignored\""
	}
	return call + "\n"
}

func (s *setup) program() string { return path.Join(s.SaltBinDir, "salt-call") }

func (s *setup) sudo() string {
	if s.DisableSudo {
		return ""
	}
	return "sudo "
}

func (s *setup) stateTree() string {
	if s.RemoteStateTree == "" {
		return stateRoot
	}
	return provisioners.RemotePath(s.RemoteStateTree)
}

func (s *setup) pillarRoots() string {
	if s.RemotePillarRoots == "" {
		return pillarRoot
	}
	return provisioners.RemotePath(s.RemotePillarRoots)
}
