package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errHidden = errors.New("the archive has data that its directory does not list, as if two archives were joined (zip the files again)")

// checkLayout returns an error unless the archive consists of the files of its directory, one
// after the other and under the same names, and the directory. Otherwise, a program that reads
// an archive from its start would unpack other files than one that reads its directory.
func checkLayout(archive io.ReaderAt, size int64, files []*zip.File) error {
	at := map[int64]*zip.File{}
	for _, f := range files {
		offset, err := f.DataOffset()
		if err != nil {
			return fmt.Errorf("%q in the archive is damaged: %w", f.Name, err)
		}
		at[offset] = f
	}
	if len(at) < len(files) { // files overlap
		return errHidden
	}
	var offset int64
	for range files {
		header := make([]byte, 30)
		if _, err := archive.ReadAt(header, offset); err != nil {
			return errHidden
		}
		field := func(i int) int { return int(binary.LittleEndian.Uint16(header[i:])) }
		length := field(26)
		rest := make([]byte, length+field(28))
		if _, err := archive.ReadAt(rest, offset+30); err != nil {
			return errHidden
		}
		offset += int64(30 + len(rest))
		f := at[offset]
		if f == nil {
			return errHidden
		}
		size := binary.LittleEndian.Uint32(header[18:])
		sized := field(6)&8 == 0 && size != 1<<32-1 // else a data descriptor or a zip64 field has the size
		if string(rest[:length]) != f.Name || field(8) != int(f.Method) || sized && uint64(size) != f.CompressedSize64 {
			return fmt.Errorf("%q in the archive has another header than in the directory", f.Name)
		}
		for _, extra := range [][]byte{f.Extra, rest[length:]} {
			if name := unicodePath(extra); name != "" && name != f.Name {
				return fmt.Errorf("%q in the archive is also named %q", f.Name, name)
			}
		}
		offset = skipDescriptor(archive, offset+int64(f.CompressedSize64)) //nolint:gosec // ReadAt fails at a negative offset
	}
	return checkDirectory(archive, offset, size)
}

// checkDirectory returns an error unless the directory is at offset and ends the archive.
func checkDirectory(archive io.ReaderAt, offset, size int64) error {
	const most = 64 << 20 // bytes of a directory, for a million files
	if size-offset > most {
		return errHidden
	}
	directory := make([]byte, max(0, size-offset))
	if _, err := archive.ReadAt(directory, offset); err != nil || bytes.Count(directory, []byte("PK\x05\x06")) != 1 {
		return errHidden
	}
	at := bytes.Index(directory, []byte("PK\x05\x06"))
	end, length := directory[at:], int64(at)
	if len(end) < 22 || len(end) != 22+int(binary.LittleEndian.Uint16(end[20:])) {
		return errHidden
	}
	large := at >= 76 && string(directory[at-20:at-16]) == "PK\x06\x07" // zip64 has 76 bytes more, with the same fields
	if large {
		length -= 76
		is := func(i int, want int64) bool { return binary.LittleEndian.Uint64(directory[at-76+i:]) == uint64(want) } //nolint:gosec // positive
		if !is(40, length) || !is(64, offset+length) {
			return errHidden
		}
	}
	if got := int64(binary.LittleEndian.Uint32(end[12:])); got != length && (!large || got != 1<<32-1) {
		return errHidden
	}
	return nil
}

// skipDescriptor returns the offset of the header after a file's data, or -1. A data
// descriptor of one of four lengths may be before it.
func skipDescriptor(archive io.ReaderAt, offset int64) int64 {
	signature := make([]byte, 4)
	for _, length := range []int64{0, 12, 16, 20, 24} {
		_, err := archive.ReadAt(signature, offset+length)
		if s := string(signature); err == nil && (s == "PK\x03\x04" || s == "PK\x01\x02") {
			return offset + length
		}
	}
	return -1
}

// unicodePath returns the name in Info-ZIP's field 0x7075, or "".
func unicodePath(extra []byte) string {
	for len(extra) >= 4 {
		id, length := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; length > len(extra) {
			break
		}
		if id == 0x7075 && length > 5 {
			return string(extra[5:length])
		}
		extra = extra[length:]
	}
	return ""
}
