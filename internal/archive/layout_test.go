package archive_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/internal/archive"
)

// Programs that read an archive from its start, from its directory or with its extra fields
// must unpack the same files.
func TestDigestOfTwoFaces(t *testing.T) {
	t.Parallel()
	one, other := zipOf(t, zip.Store, "index.js", "1"), zipOf(t, zip.Store, "index.js", "2")
	// In the local header, which comes first.
	local := func(data []byte, from, to string) []byte { return bytes.Replace(data, []byte(from), []byte(to), 1) }
	patched := func(offset int, value byte) []byte {
		data := slices.Clone(one)
		data[offset] = value
		return data
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"local name":               {local(zipOf(t, zip.Store, "aaaaaaa", "1"), "aaaaaaa", "../../e"), `"aaaaaaa" in the archive has another header than in the directory`},
		"local method":             {patched(8, 8), "another header"},
		"local size":               {sized(t, 3), "another header"},
		"two archives":             {slices.Concat(one, other), "data that its directory does not list"},
		"an archive in front":      {slices.Concat(one[:len(one)-22], other), "data that its directory does not list"},
		"a script in front":        {slices.Concat([]byte("#!/bin/sh\n"), one), "data that its directory does not list"},
		"a file not listed":        {unlisted(t), "data that its directory does not list"},
		"overlapping files":        {overlapping(t, 1000), "data that its directory does not list"},
		"Unicode name":             {entry(t, zip.FileHeader{Name: "index.js", Extra: unicodePath("evil.js")}), `"index.js" in the archive is also named "evil.js"`},
		"Unicode name, second":     {entry(t, zip.FileHeader{Name: "index.js", Extra: slices.Concat([]byte{1, 0, 2, 0, 9, 9}, unicodePath("../evil"))}), `also named "../evil"`},
		"Unicode name, local only": {local(entry(t, zip.FileHeader{Name: "index.js", Extra: unicodePath("index.js")}), "\x01\x00\x00\x00\x00index.js", "\x01\x00\x00\x00\x00other.js"), `also named "other.js"`},
		"an archive in a comment":  {inComment(t, one, other), "data that its directory does not list"},
		"a smaller directory":      {ended(t, 12, -1), "data that its directory does not list"},
		"a directory elsewhere":    {ended(t, 16, -1), "damaged"},
		"trailing bytes":           {append(slices.Clone(one), "\n"...), "data that its directory does not list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := digest(tt.data)
			require.Error(t, err)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

// What common programs write has one face.
func TestDigestOfCommonArchives(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{
		"a comment":              commented(t),
		"the same Unicode name":  entry(t, zip.FileHeader{Name: "index.js", Extra: unicodePath("index.js")}),
		"a broken extra field":   entry(t, zip.FileHeader{Name: "index.js", Extra: []byte("up\xff\xffx")}),
		"sizes in the header":    sized(t, 1),
		"sizes after the data":   zipOf(t, zip.Deflate, "index.js", strings.Repeat("x", 100), "d/", "", "a", ""),
		"names in another order": reordered(t),
	} {
		_, err := digest(data)
		assert.NoError(t, err, name)
	}
	for _, args := range [][]string{
		{"zip", "-q", "-r", "-", "."},
		{"bsdtar", "-c", "-f", "-", "--format", "zip", "."},
		{"python3", "-c", "import sys, zipfile\nz = zipfile.ZipFile(sys.stdout.buffer, 'w', 8)\nz.write('index.js')\nz.close()"},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			continue
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = t.TempDir()
		write(t, cmd.Dir+"/index.js", []byte("1"))
		write(t, cmd.Dir+"/ünï.js", []byte("2"))
		data, err := cmd.Output()
		require.NoError(t, err, args[0])
		_, err = digest(data)
		assert.NoError(t, err, args[0])
	}
}

// A data descriptor has four forms: with a signature or without, with sizes of 32 or 64 bits.
func TestDigestOfDataDescriptors(t *testing.T) {
	t.Parallel()
	want, err := digest(zipOf(t, zip.Deflate, "index.js", "1"))
	require.NoError(t, err)
	for _, long := range []bool{false, true} {
		for _, signed := range []bool{false, true} {
			data := zipOf(t, zip.Deflate, "index.js", "1")
			directory := bytes.Index(data, []byte("PK\x01\x02"))
			descriptor := slices.Clone(data[directory-12 : directory]) // the checksum and two sizes
			if long {
				descriptor = slices.Concat(descriptor[:8], make([]byte, 4), descriptor[8:], make([]byte, 4))
			}
			if signed {
				descriptor = slices.Concat([]byte("PK\x07\x08"), descriptor)
			}
			data = slices.Concat(data[:directory-16], descriptor, data[directory:])
			binary.LittleEndian.PutUint32(data[len(data)-6:], uint32(directory-16+len(descriptor)))
			got, err := digest(data)
			require.NoError(t, err, "%d bytes", len(descriptor))
			assert.Equal(t, want, got)
		}
	}
}

// An archive of more than 65,535 files is zip64.
func TestDigestOfZip64(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range 1 << 16 {
		_, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i)})
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	_, err := digest(b.Bytes())
	require.NoError(t, err)
	b.Bytes()[b.Len()-22-76+40]-- // the size of the directory
	_, err = digest(b.Bytes())
	assert.ErrorContains(t, err, "data that its directory does not list")
}

func FuzzDigest(f *testing.F) {
	for _, data := range [][]byte{{}, []byte("PK\x05\x06" + strings.Repeat("\x00", 18))} {
		f.Add(data)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("index.js")
	require.NoError(f, err)
	_, err = w.Write([]byte("1"))
	require.NoError(f, err)
	require.NoError(f, z.Close())
	f.Add(b.Bytes())
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = archive.Digest(bytes.NewReader(data), int64(len(data)))
	})
}

// unicodePath returns an Info-ZIP Unicode Path field.
func unicodePath(name string) []byte {
	field := binary.LittleEndian.AppendUint16([]byte("up"), uint16(5+len(name)))
	return append(append(field, 1, 0, 0, 0, 0), name...)
}

// sized returns an archive of a file with one byte and a size in its local header.
func sized(t *testing.T, size uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{Name: "index.js", CRC32: 0x83dcefb7, CompressedSize64: size, UncompressedSize64: 1})
	require.NoError(t, err)
	_, err = w.Write([]byte("1"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	directory := bytes.Index(b.Bytes(), []byte("PK\x01\x02"))
	b.Bytes()[directory+20] = 1
	return b.Bytes()
}

// unlisted returns an archive whose directory lacks the last of three files.
func unlisted(t *testing.T) []byte {
	t.Helper()
	data := zipOf(t, zip.Store, "a.js", "1", "b.js", "2", "c.js", "3")
	last := bytes.LastIndex(data, []byte("PK\x01\x02"))
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	removed := uint32(end - last)
	data = slices.Delete(data, last, end)
	tail := data[last:]
	tail[8], tail[10] = 2, 2
	binary.LittleEndian.PutUint32(tail[12:], binary.LittleEndian.Uint32(tail[12:])-removed)
	return data
}

// overlapping returns an archive whose directory lists one file many times, under other names.
func overlapping(t *testing.T, n int) []byte {
	t.Helper()
	data := zipOf(t, zip.Store, "a0000", "1")
	first, end := bytes.Index(data, []byte("PK\x01\x02")), bytes.Index(data, []byte("PK\x05\x06"))
	listed, tail := slices.Clone(data[first:end]), slices.Clone(data[end:])
	data = data[:first]
	for i := range n {
		copy(listed[46:], fmt.Sprintf("a%04d", i))
		data = append(data, listed...)
	}
	binary.LittleEndian.PutUint16(tail[8:], uint16(n))
	binary.LittleEndian.PutUint16(tail[10:], uint16(n))
	binary.LittleEndian.PutUint32(tail[12:], uint32(n*len(listed)))
	return append(data, tail...)
}

// reordered returns an archive whose directory has another order than its files.
func reordered(t *testing.T) []byte {
	t.Helper()
	data := zipOf(t, zip.Store, "a.js", "1", "b.js", "2")
	first, second := bytes.Index(data, []byte("PK\x01\x02")), bytes.LastIndex(data, []byte("PK\x01\x02"))
	end := bytes.Index(data, []byte("PK\x05\x06"))
	return slices.Concat(data[:first], data[second:end], data[first:second], data[end:])
}

func inComment(t *testing.T, one, other []byte) []byte {
	t.Helper()
	data := slices.Clone(one)
	binary.LittleEndian.PutUint16(data[len(data)-2:], uint16(len(other)))
	return append(data, other...)
}

// ended returns an archive of two files with a changed field at its end.
func ended(t *testing.T, field int, change int32) []byte {
	t.Helper()
	data := zipOf(t, zip.Store, "a.js", "1", "b.js", "2")
	end := data[len(data)-22:]
	binary.LittleEndian.PutUint32(end[field:], binary.LittleEndian.Uint32(end[field:])+uint32(change))
	return data
}

func commented(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	require.NoError(t, z.SetComment("built by a pipeline"))
	_, err := z.Create("index.js")
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}
