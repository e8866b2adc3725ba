package container

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client/llb"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// exec adds a command to the state. Its inputs are mounts, so that they are in
// no layer, and what is sensitive is a secret, which counts in no cache key.
func (s *buildSession) exec(step builders.Step, o *op.Exec) error {
	if len(o.Argv) == 0 {
		return fmt.Errorf("%s: no command", step.Name)
	}
	user := o.User
	if user == "" {
		user = s.opts.user(s.config.Config.User)
	}
	if o.KeepInputs {
		for _, f := range o.Inputs {
			if f.Owner == "" {
				f.Owner = user
			}
			if err := s.put(step, f); err != nil {
				return err
			}
		}
	}
	r := &run{session: s, argv: o.Argv}
	if !o.KeepInputs {
		for _, f := range o.Inputs {
			if err := r.input(f, user); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		r.env(name, o.Env[name])
	}
	r.add(s.common()...)
	r.add(llb.User(user), s.workDir(o.Dir))
	if len(o.OK) > 0 {
		r.add(llb.ValidExitCodes(o.OK...))
	}
	s.run(step, builders.ExecName(o), r)
	return nil
}

// common are the options of all commands.
func (s *buildSession) common() []llb.RunOption {
	var opts []llb.RunOption
	for _, t := range s.opts.tmpfs {
		var size []llb.TmpfsOption
		if t.size > 0 {
			size = append(size, llb.TmpfsSize(t.size))
		}
		opts = append(opts, llb.AddMount(t.path, llb.Scratch(), llb.Tmpfs(size...)))
	}
	if s.opts.Privileged {
		opts = append(opts, llb.Security(llb.SecurityModeInsecure))
	}
	return opts
}

// workDir is the image's working directory for "", and what relative ones
// start from.
func (s *buildSession) workDir(dir string) llb.StateOption {
	base := s.config.Config.WorkingDir
	if base == "" {
		base = "/"
	}
	if !path.IsAbs(dir) {
		dir = path.Join(base, dir)
	}
	return llb.Dir(dir)
}

// run runs a command on the state. text is what people see of it.
func (s *buildSession) run(step builders.Step, text string, r *run) {
	argv := r.command()
	s.commands[commandKey(argv)] = text
	r.add(llb.Args(argv))
	for _, c := range s.layer(step, text) {
		r.add(c)
	}
	s.state = s.state.Run(r.opts...).Root()
}

// commandKey is what a command is found by when it has failed.
func commandKey(argv []string) string { return strings.Join(argv, "\x00") }

// layerMark is where BuildKit's description of an op that makes a layer says
// what it does.
const layerMark = "ingot.layer"

// layer notes what makes the next layer, and returns the constraints of its
// op: the name that people see in BuildKit's own views, and, where that is
// asked for, that it is not taken from a cache.
func (s *buildSession) layer(step builders.Step, text string) []llb.ConstraintsOpt {
	name := step.Name + ": " + text
	s.history = append(s.history, name)
	list := []llb.ConstraintsOpt{llb.WithCustomName(name), llb.WithDescription(map[string]string{layerMark: text})}
	if s.force {
		list = append(list, llb.IgnoreCache)
	}
	return list
}

// run is a command that is being put together.
type run struct {
	session *buildSession
	argv    []string
	opts    []llb.RunOption
	private []string // source, place and mode of each input that privateInputs copies
}

func (r *run) add(opts ...llb.RunOption) { r.opts = append(r.opts, opts...) }

// env sets an environment variable.
func (r *run) env(name string, value secret.String) {
	if !value.IsSensitive() {
		r.add(llb.AddEnv(name, value.Reveal()))
		return
	}
	id := r.session.secrets.put(name, []byte(value.Reveal()))
	r.add(llb.AddSecret(name, llb.SecretID(id), llb.SecretAsEnvName(name)))
}

// input mounts a file. The command may change it, and its mode, to no effect
// on the image.
func (r *run) input(f op.File, user string) error {
	if f.Owner == "" {
		f.Owner = user
	}
	if f.Blob.Sensitive() {
		return r.secretInput(f)
	}
	content, name, err := r.session.content(f, "input of a command")
	if err != nil {
		return err
	}
	r.add(llb.AddMount(f.Path, content, llb.SourcePath(name), llb.ForceNoOutput))
	return nil
}

// secretInput mounts a secret where the file is to be. Such a mount can't be
// written to, also not by chmod, so a script gets a place in memory and a link
// to it while the command runs.
func (r *run) secretInput(f op.File) error {
	data, err := read(f.Blob)
	if err != nil {
		return err
	}
	id := r.session.secrets.put(f.Path, data)
	if f.Perm()&0o111 == 0 {
		r.add(llb.AddSecret(f.Path, llb.SecretID(id), llb.SecretFileOpt(0, 0, int(f.Perm()|0o444))))
		return nil
	}
	from := fmt.Sprintf("%s/%d", privateSecrets, len(r.private)/3)
	r.add(llb.AddSecret(from, llb.SecretID(id), llb.SecretFileOpt(0, 0, 0o444)))
	r.private = append(r.private, from, f.Path, strconv.FormatUint(uint64(f.Perm()), 8))
	return nil
}

// Places for sensitive scripts: below /dev, which is in no layer.
const (
	privateSecrets = "/dev/ingot/secrets"
	privateMemory  = "/dev/ingot/memory"
)

// privateInputs copies secrets into memory, links them to their places, runs
// the command and removes the links.
const privateInputs = `set -e
n=$1; shift
links=
i=0
while [ $i -lt $n ]; do
	cp "$1" ` + privateMemory + `/$i
	chmod "$3" ` + privateMemory + `/$i
	ln -s ` + privateMemory + `/$i "$2"
	links="$links$2
"
	shift 3
	i=$((i+1))
done
rc=0
"$@" || rc=$?
printf %s "$links" | while read -r link; do rm -f "$link"; done
exit $rc`

// command returns what is run: the command itself, or the one around it that
// brings its sensitive scripts.
func (r *run) command() []string {
	if len(r.private) == 0 {
		return r.argv
	}
	r.add(llb.AddMount(privateMemory, llb.Scratch(), llb.Tmpfs()))
	argv := append([]string{"/bin/sh", "-c", privateInputs, "sh", strconv.Itoa(len(r.private) / 3)}, r.private...)
	return append(argv, r.argv...)
}
