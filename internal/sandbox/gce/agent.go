package gce

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// What Google's guest agent does in a machine: logins from metadata, startup
// and shutdown scripts, names for disks.

// attribute returns a metadata value.
func attribute(m *compute.Metadata, key string) (string, bool) {
	if m == nil {
		return "", false
	}
	for _, item := range m.Items {
		if item.Key == key {
			return value(item), true
		}
	}
	return "", false
}

// enabled reports whether the metadata of the instance, or else that of its
// project, switches something on.
func (s *Server) enabled(r *resource, key string) bool {
	v, ok := attribute(r.Instance.Metadata, key)
	if p := s.projectOf(r); !ok && p != nil {
		v, _ = attribute(p.Metadata, key)
	}
	switch strings.ToLower(v) {
	case "true", "yes", "y", "1":
		return true
	}
	return false
}

func (s *Server) projectOf(r *resource) *project {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.Instance.SelfLink, link("projects/")), "/")
	return s.state.Projects[name]
}

// users are the logins of an instance: those of OS Login where that is on, else
// those of the ssh-keys in its metadata and its project's.
func (s *Server) users(r *resource) []host.User {
	if s.enabled(r, "enable-oslogin") {
		return s.loginUsers()
	}
	var lines []string
	for _, key := range []string{"ssh-keys", "sshKeys"} {
		v, _ := attribute(r.Instance.Metadata, key)
		lines = append(lines, strings.Split(v, "\n")...)
	}
	if p := s.projectOf(r); p != nil && !s.enabled(r, "block-project-ssh-keys") {
		v, _ := attribute(p.Metadata, "ssh-keys")
		lines = append(lines, strings.Split(v, "\n")...)
	}
	keys := map[string][]string{}
	for _, line := range lines {
		name, key, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && name != "" && key != "" && !expired(key) {
			keys[name] = append(keys[name], key)
		}
	}
	var all []host.User
	for _, name := range sortedKeys(keys) {
		all = append(all, host.User{Name: name, Keys: keys[name]})
	}
	return all
}

// expired reports whether a key says that its time is over:
// `ssh-rsa AAAA… google-ssh {"userName":"ann","expireOn":"2026-01-02T15:04:05+0000"}`.
func expired(key string) bool {
	_, text, ok := strings.Cut(key, " google-ssh ")
	if !ok {
		return false
	}
	var says struct {
		ExpireOn string `json:"expireOn"`
	}
	if json.Unmarshal([]byte(text), &says) != nil {
		return false
	}
	at, err := time.Parse("2006-01-02T15:04:05-0700", says.ExpireOn)
	return err == nil && time.Now().After(at)
}

// metadataChanged wakes those who wait for a change, and gives logins to
// machines that run. It is called with the lock held.
func (s *Server) metadataChanged() {
	s.dirty = true
	close(s.changed)
	s.changed = make(chan struct{})
	for path, m := range s.machines {
		r := s.state.Resources[path]
		if r == nil {
			continue
		}
		users := s.users(r)
		s.task(func() {
			if err := m.SetUsers(users); err != nil {
				s.options.Log.Debug("gce: set users", "path", path, "err", err)
			}
		})
	}
}

// agentScript runs the scripts as the agent does. What they print goes to the
// console, a name in front of each line. The shutdown script runs when the
// machine ends its processes; the machine's end does not wait for long.
const agentScript = `#!/bin/sh
dir=/run/google
mkdir -p "$dir" /dev/disk/by-id
say() { echo "google_metadata_script_runner: $*"; }
run() {
	say "Found $1 in metadata."
	chmod 0700 "$dir/$1"
	{ "$dir/$1" 2>&1; echo "exit status $?"; } </dev/null | while IFS= read -r line; do
		case $line in
		"exit status "*) say "$1 $line" ;;
		*) say "$1: $line" ;;
		esac
	done
	say "Finished running $1."
}
`

const shutdownLoop = `stop() {
	trap '' TERM HUP
	run shutdown-script
	exit 0
}
trap stop TERM HUP
while :; do
	sleep 86400 &
	wait $!
done
`

// bootScript is what an instance runs at each boot.
func (s *Server) bootScript(r *resource) []byte {
	var b strings.Builder
	b.WriteString(agentScript)
	n := 0
	for i, d := range r.Instance.Disks {
		if i == 0 && d.Boot {
			continue
		}
		fmt.Fprintf(&b, "ln -sfn '../..%s' '/dev/disk/by-id/google-%s'\n", strings.TrimPrefix(deviceName(n), "/dev"), d.DeviceName)
		n++
	}
	started := s.script(&b, r, "startup-script")
	stopping := s.script(&b, r, "shutdown-script")
	if started {
		b.WriteString("run startup-script &\n")
	}
	if stopping {
		b.WriteString(shutdownLoop)
	} else {
		b.WriteString("wait\n")
	}
	return []byte(b.String())
}

// script writes the commands that put a script of the metadata, or of a URL in
// it, into a file.
func (s *Server) script(b *strings.Builder, r *resource, key string) bool {
	find := func(key string) string {
		v, ok := attribute(r.Instance.Metadata, key)
		if p := s.projectOf(r); !ok && p != nil {
			v, _ = attribute(p.Metadata, key)
		}
		return v
	}
	if text := find(key); text != "" {
		fmt.Fprintf(b, "base64 -d >\"$dir/%s\" <<'END'\n%s\nEND\n", key, base64.StdEncoding.EncodeToString([]byte(text)))
		return true
	}
	if url := find(key + "-url"); url != "" {
		fmt.Fprintf(b, "{ curl -fsSL -o \"$dir/%s\" '%s' || wget -qO \"$dir/%[1]s\" '%[2]s'; } || say '%[1]s-url: cannot fetch it'\n", key, strings.ReplaceAll(url, "'", "%27"))
		return true
	}
	return false
}
