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
	return checkDirectory(archive, offset, size, files)
}

// checkDirectory returns an error unless the directory is at start and ends the archive.
func checkDirectory(archive io.ReaderAt, start, size int64, files []*zip.File) error {
	offset := start
	for _, f := range files {
		header := make([]byte, 46)
		if _, err := archive.ReadAt(header, offset); err != nil || string(header[:4]) != "PK\x01\x02" {
			return errHidden
		}
		field := func(i int) int { return int(binary.LittleEndian.Uint16(header[i:])) }
		name := make([]byte, field(28))
		if _, err := archive.ReadAt(name, offset+46); err != nil || string(name) != f.Name {
			return errHidden
		}
		offset += int64(46 + len(name) + field(30) + field(32))
	}
	const zip64, plain, comment = 56 + 20, 22, 1<<16 - 1
	end := make([]byte, min(size-offset, zip64+plain+comment+1))
	if _, err := archive.ReadAt(end, offset); err != nil {
		return errHidden
	}
	at := bytes.Index(end, []byte("PK\x05\x06"))
	if at != 0 && at != zip64 || at != bytes.LastIndex(end, []byte("PK\x05\x06")) || len(end) < at+plain {
		return errHidden
	}
	end = end[at:]
	is := func(i int, want int64) bool {
		got := int64(binary.LittleEndian.Uint32(end[i:]))
		return got == want || got == 1<<32-1 && at == zip64
	}
	if !is(12, offset-start) || !is(16, start) || len(end) != plain+int(binary.LittleEndian.Uint16(end[20:])) {
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
