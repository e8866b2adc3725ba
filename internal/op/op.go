// Package op is the instruction set: what provisioners lower to and what
// builders carry out. It is closed, so that every builder can do all of it or
// refuse a kind by name before anything is launched.
package op

import (
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/secret"
)

// Kind names an instruction.
type Kind string

// The kinds there are.
const (
	KindExec  Kind = "exec"
	KindPut   Kind = "put"
	KindTree  Kind = "tree"
	KindGet   Kind = "get"
	KindLocal Kind = "local"
	KindPause Kind = "pause"
	// KindCmd is an Exec with a command line for Windows.
	KindCmd Kind = "cmd"
	// KindReboot restarts a Windows machine.
	KindReboot Kind = "reboot"
	// KindConnected is a Local that works on the machine.
	KindConnected Kind = "connected"
	KindCapture   Kind = "capture"
)

// Op is one instruction: *Exec, *Put, *Tree, *Get, *Reboot, *Local or *Pause.
type Op interface {
	Kind() Kind
	// Hash adds what identifies the op: what changes the machine, not how
	// long it may take.
	Hash(h *key.Hasher)
}

// Exec runs a command on the machine. Standard input is empty.
type Exec struct {
	Argv []string                 // never holds a secret: those go in Env or Inputs
	Cmd  string                   // in place of Argv: a command line for Windows' cmd
	Env  map[string]secret.String // added to the environment of the command
	Dir  string                   // working directory; "" is the login's
	User string                   // who runs it; "" is the login

	Inputs     []File        // present only while this runs, e.g. a script
	KeepInputs bool          // leave the inputs behind (skip_clean)
	OK         []int         // exit codes that count as success; nil is {0}
	Disconnect bool          // the machine may drop the connection while this runs
	StartRetry time.Duration // how long to try again when the command can't be started
	Title      string        // what people call it; "" where its script or its text says enough
}

// Put writes one file. Its folder is created where it is missing.
type Put struct{ File File }

// Tree writes a folder's content into Dir, which is created where missing.
// Names that Source does not have are left alone.
type Tree struct {
	Dir    string
	Source fs.FS  // symlinks are written as they are (fs.ReadLinkFS)
	Name   string // what a person calls it: the folder's path on this host
	Digest string // over names, modes, contents and link targets; set by DirTree
	Size   int64  // bytes in its files

	Entries []Entry // its regular files, in order

	again func() (*Tree, error) // reads it once more; nil for what stays as it is
}

// Entry is a file of a Tree.
type Entry struct {
	Name   string // slash-separated, below the tree's folder
	Digest string // hex SHA-256 of the content, and where that matters a word on its mode
}

// Get reads a file of the machine, or a folder when Path ends in "/", to the
// path Local on this host.
type Get struct{ Path, Local string }

// Capture runs a command that only looks, and writes what it prints to the file
// Local of this host. What it changes all the same stays on a machine, and is
// dropped where steps make layers.
type Capture struct {
	Run   *Exec
	Local string
	Alone bool // in a container, whose ports are those of its host else: on a network of its own
}

// Local runs a command on this host.
type Local struct {
	Argv       []string
	Env        map[string]secret.String
	Dir        string
	Inputs     []File  // written before, for this user alone (mode 0 is 0700), and removed after
	KeepInputs bool    // leave those behind that are not in LocalDir
	Reads      []Blob  // files of this host that it uses where they are: they count in its key
	Trees      []*Tree // and folders, see ReadTree
	OK         []int
	Title      string // what people call it; "" where its script or its text says enough

	Needs      []string    // programs of this host, looked for before anything is launched
	Connection *Connection // the machine that it works on; nil is none
}

// Pause waits, or, where Prompt is set, asks the user to press enter.
type Pause struct {
	For    time.Duration
	Prompt string
}

// File is a file's place and content on a machine.
type File struct {
	Path  string
	Mode  fs.FileMode // permission bits; 0 is 0644
	Owner string      // "user", "user:group" or numbers; "" is the login
	Blob  Blob
}

func (*Put) Kind() Kind     { return KindPut }
func (*Tree) Kind() Kind    { return KindTree }
func (*Get) Kind() Kind     { return KindGet }
func (*Capture) Kind() Kind { return KindCapture }
func (*Pause) Kind() Kind   { return KindPause }

// Kind tells one that works on the machine from one that does not.
func (o *Local) Kind() Kind {
	if o.Connection != nil {
		return KindConnected
	}
	return KindLocal
}

// Kind is KindCmd with a command line for Windows.
func (o *Exec) Kind() Kind {
	if o.Cmd != "" {
		return KindCmd
	}
	return KindExec
}

// Success reports whether the exit code counts as success.
func Success(ok []int, code int) bool {
	if len(ok) == 0 {
		return code == 0
	}
	return slices.Contains(ok, code)
}

// Perm returns the file's permission bits, 0644 where none are set.
func (f File) Perm() fs.FileMode {
	if f.Mode == 0 {
		return 0o644
	}
	return f.Mode.Perm()
}

// Hash adds the command, its environment, inputs and accepted exit codes.
func (o *Exec) Hash(h *key.Hasher) {
	h.String(string(o.Kind())).Strings(o.Argv).String(o.Dir).String(o.User)
	if o.Cmd != "" {
		h.String(o.Cmd)
	}
	hashEnv(h, o.Env)
	hashFiles(h, o.Inputs)
	hashCodes(h, o.OK)
	h.Bool(o.KeepInputs).Bool(o.Disconnect)
}

// Hash adds the file's place, mode, owner and content.
func (o *Put) Hash(h *key.Hasher) {
	h.String(string(KindPut))
	hashFiles(h, []File{o.File})
}

// Hash adds the folder's place and digest.
func (o *Tree) Hash(h *key.Hasher) { h.String(string(KindTree)).String(o.Dir).String(o.Digest) }

// Hash adds the path on the machine and the name on this host: in which folder
// a template was checked out does not count.
func (o *Get) Hash(h *key.Hasher) {
	h.String(string(KindGet)).String(o.Path).String(filepath.Base(o.Local))
}

// Hash adds the command and the name on this host.
func (o *Capture) Hash(h *key.Hasher) {
	h.String(string(KindCapture))
	o.Run.Hash(h)
	h.String(filepath.Base(o.Local))
	if o.Alone {
		h.String("alone")
	}
}

// Hash adds the command, its environment, inputs, the files it reads and
// accepted exit codes; not Dir, so that a template has the same key wherever
// it is checked out; nor the way to the machine.
func (o *Local) Hash(h *key.Hasher) {
	h.String(string(o.Kind())).Strings(o.Argv)
	hashEnv(h, o.Env)
	hashFiles(h, o.Inputs)
	h.Int(int64(len(o.Reads)))
	for _, b := range o.Reads {
		h.String(b.Digest)
	}
	for _, t := range o.Trees {
		h.String(t.Digest)
	}
	hashCodes(h, o.OK)
}

// Hash adds nothing but the kind: how long was waited does not change the image.
func (o *Pause) Hash(h *key.Hasher) { h.String(string(KindPause)) }

// Hash returns the key of ops, in order.
func Hash(ops []Op) key.Key {
	h := key.New("ops/1").Int(int64(len(ops)))
	for _, o := range ops {
		o.Hash(h)
	}
	return h.Sum()
}

func hashEnv(h *key.Hasher, env map[string]secret.String) {
	h.Int(int64(len(env)))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		h.String(name).String(env[name].Reveal())
	}
}

func hashFiles(h *key.Hasher, files []File) {
	h.Int(int64(len(files)))
	for _, f := range files {
		h.String(f.Path).Int(int64(f.Perm())).String(f.Owner).String(f.Blob.Digest)
	}
}

func hashCodes(h *key.Hasher, codes []int) {
	h.Int(int64(len(codes)))
	for _, c := range codes {
		h.Int(int64(c))
	}
}
