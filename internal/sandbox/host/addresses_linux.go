package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
)

// Each sandbox has a block of the loopback network for its own: one of those
// from 127.16.0.0 to 127.239.255.255. It holds a block by a socket with a name
// in Linux's abstract namespace, which goes with the process.
const (
	firstBlock = 127<<24 | 16<<16
	blockSize  = 1 << 14
	blocks     = 224 << 16 / blockSize
)

// addresses gives out those of one block.
type addresses struct {
	file string // "block next"
	lock net.Listener

	mu    sync.Mutex
	block uint32
	last  uint32
}

// reserve takes the block that the file names, or a free one.
func reserve(file string) (*addresses, error) {
	a := &addresses{file: file}
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		if _, err := fmt.Sscan(string(text), &a.block, &a.last); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if a.lock, err = holdBlock(a.block); err != nil {
			return nil, fmt.Errorf("another sandbox that runs has the same addresses, or is in the same folder: %w", err)
		}
		return a, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for _, n := range rand.Perm(blocks) {
		a.block = uint32(n)
		if a.lock, err = holdBlock(a.block); err == nil {
			return a, a.save()
		}
	}
	return nil, fmt.Errorf("no loopback addresses are free: %w", err)
}

func holdBlock(n uint32) (net.Listener, error) {
	return net.Listen("unix", "@ingot-sandbox-"+strconv.Itoa(int(n)))
}

func (a *addresses) save() error {
	return renameio.WriteFile(a.file, fmt.Appendf(nil, "%d %d\n", a.block, a.last), 0o600)
}

// next returns the next address: neither the first nor the last one of a block
// of 256, which look like those of networks.
func (a *addresses) next() (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		a.last = (a.last + 1) % blockSize
		if b := a.last & 0xff; b != 0 && b != 0xff {
			break
		}
	}
	return a.at(a.last), a.save()
}

// at returns the nth address of the block.
func (a *addresses) at(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], firstBlock+a.block*blockSize+n)
	return netip.AddrFrom4(b)
}

// prefix is the block.
func (a *addresses) prefix() netip.Prefix {
	return netip.PrefixFrom(a.at(0), 32-bits.Len32(blockSize-1))
}

func (a *addresses) close() error {
	if err := a.lock.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
		return err
	}
	return nil
}
