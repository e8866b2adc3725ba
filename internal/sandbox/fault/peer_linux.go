package fault

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// killPeer ends the process at the other end of a request's connection and
// returns when it is gone. A client in this process is left alone: it only
// loses the connection.
func killPeer(r *http.Request) {
	pid, err := peer(r.RemoteAddr)
	if err != nil || pid == os.Getpid() {
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
		return
	}
	for { // readable when it has ended
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// peer returns the process on this host that has the socket with this local
// address.
func peer(addr string) (int, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		inode, err := socketInode(table, at)
		if err != nil {
			continue
		}
		return owner(inode)
	}
	return 0, fmt.Errorf("no socket at %s", addr)
}

// socketInode finds a socket by its local address: the second field of a line
// in the table, with the bytes of each 32-bit word of the address in the host's
// order.
func socketInode(table string, at netip.AddrPort) (string, error) {
	f, err := os.Open(table)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		if local, err := tableAddr(fields[1]); err == nil && local == at && fields[9] != "0" {
			return fields[9], nil
		}
	}
	return "", fmt.Errorf("%s: no socket at %s", table, at)
}

func tableAddr(field string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(field, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for word := range slices.Chunk(raw, 4) {
		if len(word) == 4 {
			binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
		}
	}
	ip, _ := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), err
}

// owner returns the process that has a socket open.
func owner(inode string) (int, error) {
	want := []byte("socket:[" + inode + "]")
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, err
	}
	target := make([]byte, 64)
	for _, fd := range fds {
		n, err := unix.Readlink(fd, target)
		if err != nil || !bytes.Equal(target[:n], want) {
			continue
		}
		return strconv.Atoi(strings.Split(fd, "/")[2])
	}
	return 0, fmt.Errorf("nobody has socket %s open", inode)
}
