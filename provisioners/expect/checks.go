package expect

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// script writes the cases of all blocks, and refuses what can't be looked at.
func (c *Config) script() (*script, error) {
	if c.Within < 0 {
		return nil, component.Errorf("within", "is below zero")
	}
	if c.RunAs != "" {
		if err := accountName("run_as", c.RunAs); err != nil {
			return nil, err
		}
	}
	s := &script{}
	for _, text := range c.Start {
		if err := whole("start", text); err != nil {
			return nil, err
		}
		s.lines = append(s.lines, "start "+s.secretWord(text))
	}
	var errs []error
	for _, blocks := range []func(*script) []error{
		each("package", c.Package, (*Package).write), each("file", c.File, (*File).write),
		each("user", c.Account, (*Account).write), each("group", c.Group, (*Group).write),
		each("kernel_param", c.KernelParam, (*KernelParam).write), each("mount", c.Mount, (*Mount).write),
		each("service", c.Service, (*Service).write), each("process", c.Process, (*Process).write),
		each("port", c.Port, (*Port).write), each("command", c.Command, (*Command).write),
	} {
		errs = append(errs, blocks(s)...)
	}
	return s, errors.Join(errs...)
}

// each writes the blocks of one type. Errors name the option in its block.
func each[T any](name string, list []T, write func(*T, *script) error) func(*script) []error {
	return func(s *script) (errs []error) {
		for i := range list {
			err := write(&list[i], s)
			if err == nil {
				continue
			}
			path := name
			if i > 0 {
				path = fmt.Sprintf("%s[%d]", name, i)
			}
			if e, ok := err.(*component.OptionError); ok {
				e.Option = strings.TrimSuffix(path+"."+e.Option, ".")
			}
			errs = append(errs, err)
		}
		return errs
	}
}

func yes(b *bool) bool { return b == nil || *b }

// is adds a case that is met where the call is or, with want false, is not so.
func is(add func(name, call string, words ...string), want bool, what, state, call string, words ...string) {
	if !want {
		add(what+" not "+state, "not "+call, words...)
		return
	}
	add(what+" "+state, call, words...)
}

// whole refuses texts that no shell can hold.
func whole(option string, texts ...secret.String) error {
	for _, t := range texts {
		if strings.ContainsRune(t.Reveal(), 0) {
			return component.Errorf(option, "holds a zero byte, which no text of a shell can")
		}
	}
	return nil
}

// plain refuses such texts, and those of more than one line.
func plain(option, text string) error {
	if strings.ContainsAny(text, "\x00\n") {
		return component.Errorf(option, "%q is more than a line of text", text)
	}
	return nil
}

// show is a text of the user as it may be told.
func show(text secret.String) string {
	t := text.Reveal()
	if text.IsSensitive() {
		return secret.Redacted
	}
	for _, name := range op.Tokens(t) {
		t = strings.ReplaceAll(t, op.Token(name), name)
	}
	return short(t)
}

func short(t string) string {
	const longest = 80
	if r := []rune(t); len(r) > longest {
		t = string(r[:longest]) + "…"
	}
	t = strconv.Quote(t)
	return strings.ReplaceAll(strings.ReplaceAll(t[1:len(t)-1], `\"`, `"`), `\\`, `\`)
}

func (p *Package) write(s *script) error {
	if !packageName.MatchString(p.Package) {
		return component.Errorf("", "%q is no name of a package", p.Package)
	}
	what := "package " + p.Package
	is(s.now, yes(p.Installed), what, "installed", "installed", word(p.Package))
	if len(p.Versions) == 0 {
		return nil
	}
	if !yes(p.Installed) {
		return component.Errorf("versions", "is set for what must not be installed")
	}
	if err := cmp.Or(whole("versions", p.Versions...), patterns("versions", p.Versions)); err != nil {
		return err
	}
	words, names := []string{word(p.Package)}, []string{}
	for _, v := range p.Versions {
		if strings.Contains(v.Reveal(), "\n") || v.Reveal() == "" {
			return component.Errorf("versions", "a version is one line of text")
		}
		kind, of := pattern(v)
		words, names = append(words, kind, s.secretWord(of)), append(names, show(v))
	}
	s.now(what+" version "+strings.Join(names, " or "), "version", words...)
	return nil
}

func (f *File) write(s *script) error {
	if err := f.check(); err != nil {
		return err
	}
	what, path := "file "+short(f.File), word(f.File)
	is(s.now, yes(f.Exists), what, "exists", "there", path)
	if f.Filetype != "" {
		s.now(what+" is a "+f.Filetype, "filetype", path, word(f.Filetype))
	}
	if f.Mode != "" {
		mode, _ := strconv.ParseUint(f.Mode, 8, 16)
		s.now(what+" mode "+f.Mode, "status", path, "%a", word(strconv.FormatUint(mode, 8)))
	}
	s.owned(what+" owner ", path, f.Owner, "%U", "%u")
	s.owned(what+" group ", path, f.Group, "%G", "%g")
	if f.LinkedTo != "" {
		s.now(what+" linked to "+short(f.LinkedTo), "linked", path, word(f.LinkedTo))
	}
	for _, text := range f.Contains {
		kind, of := pattern(text)
		s.now(what+" contains "+show(text), "contains", path, kind, s.secretWord(of))
	}
	if f.Sha256 != "" {
		s.now(what+" sha256 "+f.Sha256, "digest", path, word(strings.ToLower(f.Sha256)))
	}
	return nil
}

// owned adds the case of an owner, by name or by number.
func (s *script) owned(what, path, owner, name, number string) {
	if owner == "" {
		return
	}
	format := name
	if _, err := strconv.Atoi(owner); err == nil {
		format = number
	}
	s.now(what+short(owner), "status", path, format, word(owner))
}

func (u *Account) write(s *script) error {
	if err := accountName("", u.Name); err != nil {
		return err
	}
	what, name := "user "+u.Name, word(u.Name)
	is(s.now, yes(u.Exists), what, "exists", "account", name)
	has := func(field, text, value string) {
		s.now(what+" "+text+" "+short(value), "account_has", name, field, word(value))
	}
	if u.UID != nil {
		has("uid", "uid", strconv.Itoa(*u.UID))
	}
	if u.GID != nil {
		has("gid", "gid", strconv.Itoa(*u.GID))
	}
	for _, g := range u.Groups {
		if err := accountName("groups", g); err != nil {
			return err
		}
		has("group", "in group", g)
	}
	for _, f := range []struct{ field, value string }{{"home", u.Home}, {"shell", u.Shell}} {
		if err := plain(f.field, f.value); err != nil {
			return err
		}
		if f.value != "" {
			has(f.field, f.field, f.value)
		}
	}
	return nil
}

func (g *Group) write(s *script) error {
	if err := accountName("", g.Group); err != nil {
		return err
	}
	is(s.now, yes(g.Exists), "group "+g.Group, "exists", "group", word(g.Group))
	if g.GID != nil {
		gid := strconv.Itoa(*g.GID)
		s.now("group "+g.Group+" gid "+gid, "group_gid", word(g.Group), word(gid))
	}
	return nil
}

func (k *KernelParam) write(s *script) error {
	path := strings.ReplaceAll(k.KernelParam, ".", "/")
	if strings.Contains(k.KernelParam, "/") {
		path = k.KernelParam // as sysctl, for names that have dots in them
	}
	if !kernelName.MatchString(path) || strings.Contains(path, "..") {
		return component.Errorf("", "%q is no name of a parameter of the kernel", k.KernelParam)
	}
	if err := plain("value", k.Value); err != nil {
		return err
	}
	value := strings.Join(strings.Fields(k.Value), " ")
	s.now("kernel parameter "+k.KernelParam+" = "+short(value), "kernel", word(path), word(value))
	return nil
}

func (m *Mount) write(s *script) error {
	if err := absolute(m.Mount); err != nil {
		return err
	}
	if !yes(m.Exists) && (m.Source+m.Filesystem != "" || len(m.Options) > 0) {
		return component.Errorf("exists", "is false, and more is said of the mount")
	}
	what, path := "mount "+short(m.Mount), word(mountEscape.Replace(m.Mount))
	is(s.later, yes(m.Exists), what, "exists", "mounted", path, "path", "''")
	for _, f := range []struct{ field, value string }{{"source", m.Source}, {"filesystem", m.Filesystem}} {
		if err := plain(f.field, f.value); err != nil {
			return err
		}
		if f.value != "" {
			s.now(what+" "+f.field+" "+short(f.value), "mounted", path, f.field, word(mountEscape.Replace(f.value)))
		}
	}
	for _, o := range m.Options {
		if err := plain("options", o); err != nil {
			return err
		}
		s.now(what+" option "+short(o), "mounted", path, "option", word(mountEscape.Replace(o)))
	}
	return nil
}

func (v *Service) write(s *script) error {
	if !serviceName.MatchString(v.Service) {
		return component.Errorf("", "%q is no name of a service", v.Service)
	}
	what, name := "service "+v.Service, word(v.Service)
	neither := v.Enabled == nil && v.Running == nil
	if v.Enabled != nil || neither {
		is(s.now, yes(v.Enabled), what, "enabled", "enabled", name)
	}
	if v.Running != nil || neither {
		is(s.later, yes(v.Running), what, "running", "active", name)
	}
	return nil
}

func (p *Process) write(s *script) error {
	if err := plain("", p.Process); err != nil || p.Process == "" {
		return component.Errorf("", "%q is no name of a process", p.Process)
	}
	const longest = 15 // of /proc/PID/comm, by the kernel
	is(s.later, yes(p.Running), "process "+short(p.Process), "running", "process", word(p.Process[:min(len(p.Process), longest)]))
	return nil
}

func (p *Port) write(s *script) error {
	proto, number, err := p.parse()
	if err != nil {
		return err
	}
	what := "port " + proto + ":" + strconv.Itoa(number)
	words := []string{proto, fmt.Sprintf("%04X", number)}
	if len(p.Addresses) == 0 || !yes(p.Listening) {
		is(s.later, yes(p.Listening), what, "listening", "listening", append(words, "''")...)
	}
	for _, text := range p.Addresses {
		address, err := procAddress(text)
		if err != nil {
			return err
		}
		if !yes(p.Listening) {
			return component.Errorf("addresses", "is set for what must not be listened at")
		}
		s.later(what+" listening at "+text, "listening", append(words, address)...)
	}
	return nil
}

func (c *Command) write(s *script) error {
	text := c.Exec
	if text.Reveal() == "" {
		text = secret.Plain(c.Command)
	}
	if strings.TrimSpace(text.Reveal()) == "" {
		return component.Errorf("", "there is nothing to run")
	}
	if err := c.check(text); err != nil {
		return err
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	what, n := "command "+short(c.Command), strconv.Itoa(len(s.names)+1)
	s.later(what+" exit status "+strconv.Itoa(c.ExitStatus), "ran", n, strconv.Itoa(int((timeout+time.Second-1)/time.Second)),
		strconv.Itoa(c.ExitStatus), word(c.RunAs), s.secretWord(text))
	for _, stream := range []struct {
		name, prints string
		texts        []secret.String
	}{{"stdout", " prints ", c.Stdout}, {"stderr", " prints as error ", c.Stderr}} {
		for _, t := range stream.texts {
			kind, of := pattern(t)
			s.now(what+stream.prints+show(t), "printed", n, stream.name, kind, s.secretWord(of))
		}
	}
	return nil
}
