package container

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/session/secrets"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// inline is the size in bytes up to which content is part of the definition
// that is sent to BuildKit, and not asked for by it.
const inline = 64 << 10

// secretLimit is the size in bytes that BuildKit allows a secret.
const secretLimit = 500 << 10

// put adds a file to the state.
func (s *buildSession) put(step builders.Step, f op.File) error {
	if f.Owner == "" {
		f.Owner = s.opts.owner(s.config.Config.User)
	}
	if f.Blob.Sensitive() {
		return s.putSecret(step, f)
	}
	text := "upload " + f.Path
	content, name, err := s.content(op.File{Path: f.Path, Mode: f.Mode, Blob: f.Blob}, text)
	if err != nil {
		return err
	}
	copied := llb.Copy(content, name, f.Path, &llb.CopyInfo{CreateDestPath: true, ChownOpt: owner(f.Owner)})
	s.state = s.state.File(copied, s.layer(step, text)...)
	return nil
}

// putSecret writes a sensitive file with a command, so that its content is in
// the image but in nothing else of BuildKit.
func (s *buildSession) putSecret(step builders.Step, f op.File) error {
	data, err := read(f.Blob)
	if err != nil {
		return err
	}
	if len(data) > secretLimit {
		return fmt.Errorf("upload %s: sensitive content of %d bytes is more than the %d that BuildKit allows", f.Path, len(data), secretLimit)
	}
	const script = `set -e
mkdir -p "$(dirname "$2")"
rm -f "$2"
(umask 077; cat "$1" > "$2")
[ -z "$4" ] || chown "$4" "$2"
chmod "$3" "$2"`
	from := privateSecrets + "/put"
	r := &run{session: s, argv: []string{"/bin/sh", "-c", script, "sh", from, f.Path, strconv.FormatUint(uint64(f.Perm()), 8), f.Owner}}
	r.add(llb.AddSecret(from, llb.SecretID(s.secrets.put(f.Path, data)), llb.SecretFileOpt(0, 0, 0o400)), llb.User("root"), llb.Dir("/"))
	s.run(step, "upload "+f.Path, r)
	s.sensitive = append(s.sensitive, f.Path)
	return nil
}

// content returns a state that has the file, and the file's path in it. Where
// the file's owner is a name, the state is one that knows the name.
func (s *buildSession) content(f op.File, text string) (llb.State, string, error) {
	const name = "/ingot-file"
	base := llb.Scratch()
	if named(f.Owner) {
		base = s.state
	}
	if f.Blob.Size <= inline {
		data, err := read(f.Blob)
		if err != nil {
			return base, "", err
		}
		made := llb.Mkfile(name, f.Perm(), data, &llb.MkfileInfo{ChownOpt: owner(f.Owner)})
		return base.File(made, llb.WithCustomName(text)), name, nil
	}
	local := s.files.add(fileFS{name[1:], f}, f.Blob.Name, text)
	if f.Owner == "" || f.Owner == "root" {
		return local, name, nil
	}
	return base.File(llb.Copy(local, name, name, &llb.CopyInfo{ChownOpt: owner(f.Owner)}), llb.WithCustomName(text)), name, nil
}

// named reports whether an owner has to be looked up in the image.
func named(owner string) bool {
	if owner == "" || owner == "root" || owner == "root:root" {
		return false
	}
	return strings.Trim(owner, "0123456789:") != ""
}

// owner is nil, which is root, for "".
func owner(name string) *llb.ChownOpt {
	if name == "" {
		return nil
	}
	opt, _ := llb.WithUser(name).(llb.ChownOpt)
	return &opt
}

func read(b op.Blob) ([]byte, error) {
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var buf bytes.Buffer
	_, err = io.Copy(&buf, r)
	return buf.Bytes(), err
}

// vault are the secrets of a session, which BuildKit asks for by id.
type vault struct {
	mu     sync.Mutex
	step   string // part of each id
	values map[string][]byte
}

// begin makes the ids of what is put from now on those of a step. The step's
// key counts all of it but the sensitive values: what is around them, in a
// text that holds one, is in nothing else that BuildKit sees.
func (v *vault) begin(step key.Key) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.step = step.Short()
}

// put keeps a secret and returns its id, which says nothing of the value: it
// is part of the cache key.
func (v *vault) put(name string, value []byte) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.values == nil {
		v.values = map[string][]byte{}
	}
	for n := 0; ; n++ {
		id := path.Base(name) + "-" + v.step + "-" + strconv.Itoa(n)
		old, taken := v.values[id]
		if !taken || bytes.Equal(old, value) {
			v.values[id] = value
			return id
		}
	}
}

// GetSecret answers BuildKit.
func (v *vault) GetSecret(_ context.Context, id string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	value, ok := v.values[id]
	if !ok {
		return nil, fmt.Errorf("%s: %w", id, secrets.ErrNotFound)
	}
	return value, nil
}
