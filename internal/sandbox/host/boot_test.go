//go:build linux

package host

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestBoot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	s.Users = append(s.Users, User{Name: "deploy"})
	m := b.start(s)
	b.want(b.run(m, s, "hostname; id -un; sudo id -un; pwd; stat -c %a ~ ~/.ssh ~/.ssh/authorized_keys; ls -a ~ | grep bashrc"),
		"i-1.internal\nadmin\nroot\n/home/admin\n700\n700\n600\n.bashrc")
	b.want(b.run(m, s, "sudo getent shadow admin deploy | cut -d: -f1,2; sudo -u deploy sudo id -u; getent hosts $(hostname)"),
		"admin:*\ndeploy:*\n0\n127.0.1.1       i-1.internal i-1")
	b.want(b.run(m, s, "ps -o pid= -o comm= -p 1; sudo runlevel; sudo cat /dev/null; echo x > /dev/shm/x; test -c /dev/fuse || echo none"),
		"1 init\nN 2\nnone")
	console := b.eventually(s.ID, "Accepted publickey for admin")
	key := b.run(m, s, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
	if !strings.Contains(console, key) {
		t.Errorf("the console does not have the host key %s:\n%s", key, console)
	}
	if info, err := os.Stat(b.disks[s.ID].console()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("console: %v %v", info, err)
	}
}

func TestProgramsCannotChangeTheHost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	m := b.start(s)
	for _, command := range []string{"sysctl -w vm.swappiness=60", "date -s @0", "dd if=/dev/mem of=/dev/null count=1"} {
		out := b.run(m, s, "sudo "+command+" && echo done || true")
		if strings.HasSuffix(out, "done") {
			t.Errorf("%s works: %s", command, out)
		}
	}
	b.run(m, s, "sudo sysctl -w net.ipv4.ip_forward=1")
}

func TestScripts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	s.FirstBoot = []byte("#!/bin/bash\necho once $$ >> /root/log; echo to the console; echo by its device > /dev/console; echo by its port 2> /dev/ttyS0 >&2; exit 3\n")
	s.EveryBoot = []byte("#!/bin/sh\necho each >> /root/log\n")
	m := b.start(s)
	b.want(b.run(m, s, "cloud-init status --wait; sudo cut -d' ' -f1 /root/log; readlink /var/lib/cloud/instance"),
		"status: done\nonce\neach\n/var/lib/cloud/instances/i-1")
	b.eventually(s.ID, "first-boot script: exit status 3")
	b.eventually(s.ID, "every-boot script: exit status 0")
	for _, text := range []string{"to the console", "by its device", "by its port"} {
		b.eventually(s.ID, text)
	}
	stop(t, m)
	m = b.start(s)
	for strings.Count(b.eventually(s.ID, "every-boot"), "every-boot script: exit") != 2 {
		time.Sleep(5 * time.Millisecond)
	}
	b.want(b.run(m, s, "sudo cut -d' ' -f1 /root/log"), "once\neach\neach")
}

// A service with a script starts when it is installed, and at each boot.
func TestServices(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	m := b.start(s)
	const service = `### BEGIN INIT INFO
# Provides: demo
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
echo $1 >> /run/demo`
	b.run(m, s, "printf '%s\\n' '#!/bin/sh' '"+service+"' | sudo tee /etc/init.d/demo >/dev/null; sudo chmod 755 /etc/init.d/demo; sudo update-rc.d demo defaults; sudo invoke-rc.d demo start; sudo service demo restart")
	b.want(b.run(m, s, "cat /run/demo"), "start\nrestart")
	stop(t, m)
	s.EveryBoot = []byte("#!/bin/sh\ntrue\n") // comes after the services
	m = b.start(s)
	b.eventually(s.ID, "every-boot script: exit status 0")
	b.want(b.run(m, s, "cat /run/demo"), "start")
}

func TestBadScriptAndBadLayer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	s.FirstBoot = []byte("#!/no/such/shell\n")
	b.start(s)
	b.eventually(s.ID, "first-boot script: ")
	none := b.spec("i-2")
	none.Layers = []LayerID{"lnone"}
	if _, err := b.Start(t.Context(), none); err == nil || !strings.Contains(err.Error(), "boot machine i-2: layer lnone of its image") {
		t.Errorf("error %v", err)
	}
	if _, err := b.Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("error %v", err)
	}
	for _, id := range []string{"", "..", "a/b"} {
		if _, err := b.Start(t.Context(), Spec{ID: id}); err == nil {
			t.Errorf("a machine %q", id)
		}
	}
}

func TestSetUsers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	m := b.start(s)
	b.ssh(m, s, "admin").Close()
	key := string(ssh.MarshalAuthorizedKey(b.key.PublicKey()))
	for range 2 { // a second time changes nothing
		if err := m.SetUsers([]User{{Name: "late", Keys: []string{key}}, {Name: "root", Keys: []string{key}}}); err != nil {
			t.Fatal(err)
		}
	}
	b.ssh(m, s, "late").Close()
	b.ssh(m, s, "root").Close()
	b.want(b.run(m, s, "sudo cat /home/late/.ssh/authorized_keys | wc -l; sudo cat /etc/sudoers.d/90-cloud-init-users"),
		"1\nadmin ALL=(ALL) NOPASSWD:ALL\nlate ALL=(ALL) NOPASSWD:ALL")
	if err := m.SetUsers([]User{{Name: "no:good"}}); err == nil || err.Error() != "user no:good: it is no name of a user" {
		t.Errorf("error %v", err)
	}
}

// serve answers the machine's name at port 80.
const serve = "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(LocalPort=>80,Listen=>5,ReuseAddr=>1) or die; exit if fork; while($c=$s->accept){print $c `hostname`;close $c}' >/dev/null 2>&1 </dev/null"

func TestWithoutSSH(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	b.run(b.start(s), s, "sudo rm /usr/sbin/sshd")
	layer, err := b.Freeze(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	other := b.spec("i-2")
	other.Layers = append(other.Layers, layer)
	other.OpenPorts = func() []int { return []int{80} }
	other.EveryBoot = []byte("#!/bin/sh\n" + serve + "\n")
	m := b.start(other)
	b.eventually(other.ID, "sshd: /usr/sbin/sshd: no such file")
	b.eventually(other.ID, "every-boot script: exit status 0")
	var name string
	if _, err := fmt.Fscan(b.dial(m, other.Addrs[0], 80), &name); err != nil || name != other.Hostname {
		t.Errorf("port 80 answers %q %v", name, err)
	}
}

func TestTwoMachines(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 2 {
		s := b.spec(fmt.Sprintf("i-%d", i))
		s.OpenPorts = func() []int { return []int{22, 80, 81} }
		s.Metadata = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s of %s", r.Method, r.URL, s.ID)
		})
		s.MetadataNames = []string{"metadata.test.internal"}
		m := b.start(s)
		b.run(m, s, "sudo "+serve)
		conn := b.dial(m, s.Addrs[0], 80)
		var name string
		if _, err := fmt.Fscan(conn, &name); err != nil || name != s.Hostname {
			t.Errorf("port 80 of %s answers %q %v", s.ID, name, err)
		}
		b.want(b.run(m, s, "curl -s http://169.254.169.254/latest; echo; curl -s -X PUT http://metadata.test.internal/x"),
			"GET /latest of "+s.ID+"\nPUT /x of "+s.ID)
		if _, err := b.dial(m, s.Addrs[0], 81).Read(make([]byte, 1)); err == nil {
			t.Error("a port where nothing listens answers")
		}
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.spec("i-1")
	open := make(chan []int, 1)
	open <- []int{22}
	s.OpenPorts = func() []int { now := <-open; open <- now; return now }
	s.Reachable = time.Now().Add(300 * time.Millisecond)
	m := b.start(s)
	b.eventually(s.ID, "Server listening")
	if c, err := net.Dial("tcp", s.Addrs[0].String()+":22"); err == nil && time.Now().Before(s.Reachable) {
		c.Close()
		t.Error("the machine is reached before its time")
	}
	client := b.ssh(m, s, "admin")
	<-open
	open <- nil
	m.Reopen()
	if c, err := net.Dial("tcp", s.Addrs[0].String()+":22"); err == nil {
		c.Close()
		t.Error("a closed port is open")
	}
	if _, err := client.NewSession(); err != nil {
		t.Errorf("a connection that was open is cut: %v", err)
	}
	// A server of this host that listens on all addresses is not in the way.
	wide, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer wide.Close()
	port := wide.Addr().(*net.TCPAddr).AddrPort().Port()
	other := b.spec("i-2")
	other.OpenPorts = func() []int { return []int{22, int(port)} }
	second, err := b.Address()
	if err != nil {
		t.Fatal(err)
	}
	m = b.start(other)
	if c, err := net.Dial("tcp4", netip.AddrPortFrom(second, port).String()); err == nil {
		c.Close()
		t.Error("the server of this host answers at an address of the sandbox")
	}
	b.run(m, other, fmt.Sprintf("sudo "+strings.Replace(serve, "LocalPort=>80", "LocalPort=>%d", 1), port))
	var name string
	if _, err := fmt.Fscan(b.dial(m, other.Addrs[0], port), &name); err != nil || name != other.Hostname {
		t.Errorf("the port of the machine answers %q %v", name, err)
	}
	c, err := net.Dial("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
