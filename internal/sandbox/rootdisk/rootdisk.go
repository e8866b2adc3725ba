// Package rootdisk reads the root file system of a disk image, with or without
// partitions, for machines that boot from file trees.
package rootdisk

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// LayoutExt is added to the name of a disk image for that of the layout that its
// root file system is kept in.
const LayoutExt = ".oci"

// ErrNoSystem says that a disk has no file system that is known.
var ErrNoSystem = errors.New("no file system is known on the disk")

// Has looks whether there is a file system on a disk that Layout knows: its
// error is ErrNoSystem where there is none.
func Has(file string) error {
	disk, err := os.Open(file)
	if err != nil {
		return err
	}
	defer disk.Close()
	info, err := disk.Stat()
	if err != nil {
		return err
	}
	const ext4Magic, xfsMagic, btrfsMagic, btrfsAt = 0xEF53, "XFSB", "_BHRfS_M", 0x10040
	head := make([]byte, btrfsAt+len(btrfsMagic))
	at, err := rootPart(disk, info.Size())
	if err == nil {
		_, err = disk.ReadAt(head, at.from)
	}
	known := binary.LittleEndian.Uint16(head[1080:]) == ext4Magic || string(head[:4]) == xfsMagic || string(head[btrfsAt:]) == btrfsMagic
	if err != nil || !known {
		return ErrNoSystem
	}
	return nil
}

// part is where on a disk a file system is, in bytes.
type part struct{ from, size int64 }

const sector = 512

// rootPart returns where the root file system of a disk is: the whole of a disk
// that has no partitions, else the largest of its partitions.
func rootPart(disk io.ReaderAt, size int64) (part, error) {
	whole := part{0, size}
	head := make([]byte, 4*sector)
	if _, err := disk.ReadAt(head, 0); err != nil {
		return whole, err
	}
	const ext4Magic, xfsMagic = 0xEF53, "XFSB"
	if binary.LittleEndian.Uint16(head[1080:]) == ext4Magic || string(head[:4]) == xfsMagic {
		return whole, nil
	}
	var all []part
	switch {
	case string(head[sector:sector+8]) == "EFI PART":
		var err error
		if all, err = gpt(disk, head[sector:]); err != nil {
			return whole, err
		}
	case head[510] == 0x55 && head[511] == 0xAA:
		for i := range 4 {
			entry := head[446+16*i:]
			all = append(all, part{sector * int64(binary.LittleEndian.Uint32(entry[8:])), sector * int64(binary.LittleEndian.Uint32(entry[12:]))})
		}
	}
	root := part{}
	for _, p := range all {
		if p.size > root.size && p.from > 0 && p.from <= size && p.size <= size-p.from {
			root = p
		}
	}
	if root.size == 0 {
		return whole, nil
	}
	return root, nil
}

// gpt reads the entries that the header of a GUID partition table tells of.
func gpt(disk io.ReaderAt, header []byte) ([]part, error) {
	const most, least = 128, 128 // entries, and bytes of each
	count, length := binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:])
	if length < least || length > 8*least {
		length = least
	}
	raw := make([]byte, min(count, most)*length)
	if _, err := disk.ReadAt(raw, sector*int64(binary.LittleEndian.Uint64(header[72:]))); err != nil {
		return nil, err
	}
	var all []part
	for i := uint32(0); i+length <= uint32(len(raw)); i += length {
		first, last := int64(binary.LittleEndian.Uint64(raw[i+32:])), int64(binary.LittleEndian.Uint64(raw[i+40:]))
		if first > 0 && last >= first {
			all = append(all, part{sector * first, sector * (last - first + 1)})
		}
	}
	return all, nil
}
