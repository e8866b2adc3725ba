package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpf "github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// steering gives the ports of a block of addresses to this process, also those
// at which a server of this host listens on all addresses. It is a program in
// the kernel that is asked for the listener of each new connection, and is
// gone with this process. See bpf-sk_lookup in the kernel's documentation.
type steering struct {
	listeners *ebpf.Map // by door
	program   *ebpf.Program
	link      *bpf.NetNsLink
}

// door is the key of a listener.
type door struct {
	addr [4]byte
	port uint32
}

// MarshalBinary returns the key as the program makes it.
func (d door) MarshalBinary() ([]byte, error) {
	return binary.NativeEndian.AppendUint32(d.addr[:], d.port), nil
}

// maxDoors is how many ports may be open at once.
const maxDoors = 1 << 16

// steer starts to steer a block.
func steer(block netip.Prefix) (s *steering, err error) {
	s = &steering{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("steer connections: %w", errors.Join(err, s.close()))
		}
	}()
	if err := rlimit.RemoveMemlock(); err != nil {
		return s, err
	}
	s.listeners, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.SockHash, KeySize: 8, ValueSize: 8, MaxEntries: maxDoors})
	if err != nil {
		return s, err
	}
	s.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SkLookup, AttachType: ebpf.AttachSkLookup, License: "Apache-2.0",
		Instructions: instructions(block, s.listeners),
	})
	if err != nil {
		return s, err
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return s, err
	}
	defer ns.Close()
	s.link, err = bpf.AttachNetNs(int(ns.Fd()), s.program)
	return s, err
}

// instructions is the program: connections to the block go to the listener of
// their door, or are refused. All others are left alone. The numbers are those
// of struct bpf_sk_lookup and its answers in linux/bpf.h.
func instructions(block netip.Prefix, listeners *ebpf.Map) asm.Instructions {
	const family, protocol, localIP4, localPort = 8, 12, 40, 60
	const drop, pass = 0, 1
	first := block.Addr().As4()
	mask := net.CIDRMask(block.Bits(), 32)
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, family, asm.Word),
		asm.JNE.Imm(asm.R2, unix.AF_INET, "pass"),
		asm.LoadMem(asm.R2, asm.R6, protocol, asm.Word),
		asm.JNE.Imm(asm.R2, unix.IPPROTO_TCP, "pass"),
		asm.LoadMem(asm.R2, asm.R6, localIP4, asm.Word),
		asm.StoreMem(asm.RFP, -8, asm.R2, asm.Word),
		asm.HostTo(asm.BE, asm.R2, asm.Word),
		asm.And.Imm32(asm.R2, int32(binary.BigEndian.Uint32(mask))),
		asm.JNE.Imm32(asm.R2, int32(binary.BigEndian.Uint32(first[:])), "pass"),
		asm.LoadMem(asm.R2, asm.R6, localPort, asm.Word),
		asm.StoreMem(asm.RFP, -4, asm.R2, asm.Word),
		asm.LoadMapPtr(asm.R1, listeners.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -8),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "drop"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnSkAssign.Call(),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.FnSkRelease.Call(),
		asm.Mov.Imm(asm.R0, pass).WithSymbol("pass"),
		asm.Return(),
		asm.Mov.Imm(asm.R0, drop).WithSymbol("drop"),
		asm.Return(),
	}
}

// add gives a listener the connections to an address. The kernel forgets it
// when it is closed.
func (s *steering) add(at netip.AddrPort, ln *net.TCPListener) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = s.listeners.Put(door{at.Addr().As4(), uint32(at.Port())}, uint64(fd))
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("steer %s: %w", at, err)
	}
	return nil
}

func (s *steering) close() error {
	var errs []error
	if s.link != nil {
		errs = append(errs, s.link.Close())
	}
	if s.program != nil {
		errs = append(errs, s.program.Close())
	}
	if s.listeners != nil {
		errs = append(errs, s.listeners.Close())
	}
	return errors.Join(errs...)
}
