//go:build linux

package host

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestOutbound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "from the host")
	}))
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := b.spec("i-1")
	m := b.start(s)
	b.want(b.run(m, s, "curl -sS http://"+hostAlias+":"+u.Port()), "from the host")
	// The name server answers, also where this host has none to ask.
	b.want(b.run(m, s, "getent hosts name.invalid || echo no such name; cat /etc/resolv.conf"),
		"no such name\nnameserver "+gateway)
}

// Machines reach each other at their own addresses, as in a network of a cloud.
func TestMachineToMachine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first, second := b.spec("i-1"), b.spec("i-2")
	m := b.start(first)
	b.ssh(b.start(second), second, "admin").Close()
	addr := second.Addrs[0].String()
	if out := b.run(m, first, "ssh-keyscan -T 5 -t ed25519 "+addr+" 2>/dev/null"); !strings.HasPrefix(out, addr+" ssh-ed25519 ") {
		t.Errorf("the other machine's key: %q", out)
	}
	b.want(b.run(m, first, "hostname -I"), b.disks["i-1"].running.link.addr.String()+" "+first.Addrs[0].String())
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := reserve(dir + "/a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := reserve(dir + "/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reserve(dir + "/a"); err == nil {
		t.Error("two have the same block")
	}
	seen := map[netip.Addr]bool{}
	for range 600 {
		for _, x := range []*addresses{a, b} {
			addr, err := x.next()
			if err != nil {
				t.Fatal(err)
			}
			if seen[addr] || !addr.IsLoopback() {
				t.Fatalf("address %s twice", addr)
			}
			seen[addr] = true
		}
	}
	for _, x := range []*addresses{a, b} {
		if err := x.close(); err != nil {
			t.Error(err)
		}
	}
	a, err = reserve(dir + "/a")
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if addr, err := a.next(); err != nil || seen[addr] {
		t.Errorf("after a restart: %s %v", addr, err)
	}
}
