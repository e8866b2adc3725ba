//go:build linux

package host

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// change makes each kind of difference to the image.
const change = `set -e
cd /opt && mkdir a && echo one > a/1 && ln a/1 a/2 && ln -s a/1 link && mkfifo pipe
truncate -s 1G sparse && setfattr -n user.x -v y a/1 2>/dev/null || true
rm /etc/debian_version
rm -r /usr/share/doc && mkdir /usr/share/doc && touch /usr/share/doc/new
mv /usr/share/zoneinfo /usr/share/zones
cp /bin/ls suid && chown 7:8 suid && chmod 4711 suid
touch -d @1000000000 a/1
`

const look = `cd /opt; stat -c '%n %h %Y %u:%g %a %F' a/1 a/2 link pipe suid; readlink link; du -k sparse
ls /etc/debian_version 2>/dev/null; ls /usr/share/doc; ls -d /usr/share/zone*; ls /usr/share/zones | wc -l`

func TestFreeze(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.spec("i-1")
	m := b.start(first)
	b.run(m, first, "sudo sh -c '"+strings.ReplaceAll(change, "'", `'\''`)+"'")
	want := b.run(m, first, look)
	if strings.Count(want, "1000000000") != 2 || !strings.Contains(want, "7:8 4711") {
		t.Fatalf("on the first machine:\n%s", want)
	}
	// The machine runs on while it is copied.
	layer, err := b.Freeze(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.run(m, first, "sudo touch /opt/later")
	second := b.spec("i-2")
	second.Layers = append(second.Layers, layer)
	n := b.start(second)
	b.want(b.run(n, second, look), want)
	b.want(b.run(n, second, "ls /opt/later 2>/dev/null; hostname; cat /etc/resolv.conf"), "i-2.internal\nnameserver "+gateway)
	const identity = "cat /etc/machine-id /etc/ssh/ssh_host_*.pub"
	if b.run(m, first, identity) == b.run(n, second, identity) {
		t.Error("both machines have the same identity")
	}
	// A layer of a machine that was made of one, and is stopped.
	b.run(n, second, "sudo rm /opt/link; echo 2 | sudo tee /opt/second")
	stop(t, n)
	upper, err := b.Freeze(t.Context(), second.ID)
	if err != nil {
		t.Fatal(err)
	}
	third := b.spec("i-3")
	third.Layers = append(second.Layers, upper)
	b.want(b.run(b.start(third), third, "cd /opt; ls; cat second a/2"), "a\npipe\nsecond\nsparse\nsuid\n2\none")
	for _, id := range []string{first.ID, second.ID, third.ID} {
		if err := b.Remove(id); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []LayerID{layer, upper, b.base} {
		if err := b.RemoveLayer(id); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(b.dir, "*", "*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if again, err := b.Base(t.Context(), Base{Suite: "bookworm"}, io.Discard); err != nil || again != b.base {
		t.Errorf("the base again: %s %v", again, err)
	}
	if _, err := os.Stat(b.layer(b.base)); err != nil {
		t.Error(err)
	}
	if _, err := b.Freeze(t.Context(), "i-9"); err == nil {
		t.Error("a machine that never was is frozen")
	}
}

// A disk that is written of layers has the files that a machine of them sees.
func TestWriteDisk(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	m := b.start(s)
	b.run(m, s, "sudo sh -c 'echo one >/opt/one && rm /etc/debian_version'")
	layer, err := b.Freeze(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "disk.img")
	if err := b.WriteDisk(t.Context(), append(s.Layers, layer), file, 1<<30); err != nil {
		t.Fatal(err)
	}
	second := b.spec("i-2")
	second.Disks = []Disk{{Device: "/dev/sdb", File: file, Size: 1 << 30}}
	n := b.start(second)
	b.want(b.run(n, second, "sudo debugfs -R 'cat /opt/one' /dev/sdb 2>/dev/null; sudo debugfs -R 'stat /etc/debian_version' /dev/sdb 2>&1 | grep -c 'not found'"), "one\n1")
}
