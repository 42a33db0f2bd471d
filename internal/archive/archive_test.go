package archive_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/internal/archive"
)

// zipOf returns a zip archive of alternating names and contents.
func zipOf(t *testing.T, method uint16, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: files[i], Method: method, Modified: time.Now()})
		require.NoError(t, err)
		_, err = w.Write([]byte(files[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// entry returns a zip archive of one empty file with the header h.
func entry(t *testing.T, h zip.FileHeader) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	_, err := z.CreateRaw(&h)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, data, 0o600))
}

// open writes data to a file and opens it.
func open(t *testing.T, data []byte) (f *archive.File, name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "a.zip")
	write(t, name, data)
	f, err := archive.Open(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f, name
}

func digest(data []byte) (string, error) {
	return archive.Digest(bytes.NewReader(data), int64(len(data)))
}

func TestOpen(t *testing.T) {
	t.Parallel()
	data := zipOf(t, zip.Deflate, "index.js", "1")
	f, _ := open(t, data)
	want, err := digest(data)
	require.NoError(t, err)
	assert.Equal(t, want, f.Digest)
	for range 2 {
		got, err := io.ReadAll(f.Reader())
		require.NoError(t, err)
		assert.Equal(t, data, got)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "broken.zip"), []byte("PK nothing"))
	write(t, filepath.Join(dir, "unsafe.zip"), zipOf(t, zip.Store, "../evil.js", "1"))
	for name, tt := range map[string]struct{ path, want string }{
		"missing": {filepath.Join(dir, "none.zip"), "none.zip"},
		"folder":  {dir, dir + " is a folder: zip it, or use 'customizers deploy'"},
		"device":  {os.DevNull, "is neither a file nor a folder"},
		"no zip":  {filepath.Join(dir, "broken.zip"), "broken.zip: not a zip archive"},
		"unsafe":  {filepath.Join(dir, "unsafe.zip"), `unsafe.zip: "../evil.js" in the archive has an unsafe name`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := archive.Open(t.Context(), tt.path)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestNewClosesTheFileOnError(t *testing.T) {
	t.Parallel()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	_, err = archive.New(t.Context(), f)
	require.ErrorContains(t, err, "not a zip archive")
	assert.ErrorIs(t, f.Close(), os.ErrClosed)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	first, second := zipOf(t, zip.Store, "index.js", "1"), zipOf(t, zip.Store, "index.js", "2")
	read := func(t *testing.T, f *archive.File) {
		t.Helper()
		_, err := io.Copy(io.Discard, f.Reader())
		require.NoError(t, err)
	}
	readPart := func(t *testing.T, f *archive.File) {
		t.Helper()
		_, err := io.CopyN(io.Discard, f.Reader(), 10)
		require.NoError(t, err)
	}
	for name, tt := range map[string]struct {
		do      func(t *testing.T, f *archive.File, name string)
		changed bool
	}{
		"unread":                   {do: func(*testing.T, *archive.File, string) {}},
		"read":                     {do: func(t *testing.T, f *archive.File, _ string) { read(t, f) }},
		"read twice":               {do: func(t *testing.T, f *archive.File, _ string) { read(t, f); read(t, f) }},
		"read in part, then whole": {do: func(t *testing.T, f *archive.File, _ string) { readPart(t, f); read(t, f) }},
		"changed":                  {do: func(t *testing.T, _ *archive.File, name string) { write(t, name, second) }, changed: true},
		"changed, then read":       {do: func(t *testing.T, f *archive.File, name string) { write(t, name, second); read(t, f) }, changed: true},
		"changed after the read":   {do: func(t *testing.T, f *archive.File, name string) { read(t, f); write(t, name, second) }},
		"changed after a part":     {do: func(t *testing.T, f *archive.File, name string) { readPart(t, f); write(t, name, second) }, changed: true},
		"changed during the read": {do: func(t *testing.T, f *archive.File, name string) {
			write(t, name, second)
			read(t, f)
			write(t, name, first)
		}, changed: true},
		"changed during a first read": {do: func(t *testing.T, f *archive.File, name string) {
			write(t, name, second)
			read(t, f)
			write(t, name, first)
			read(t, f)
		}},
		"truncated": {do: func(t *testing.T, _ *archive.File, name string) { write(t, name, first[:10]) }, changed: true},
		"longer": {do: func(t *testing.T, _ *archive.File, name string) {
			write(t, name, append(first[:len(first):len(first)], 'x'))
		}},
		"same, written": {do: func(t *testing.T, f *archive.File, name string) { write(t, name, first); read(t, f) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, name := open(t, first)
			tt.do(t, f, name)
			if tt.changed {
				assert.ErrorIs(t, f.Verify(t.Context()), archive.ErrArchiveChanged)
			} else {
				assert.NoError(t, f.Verify(t.Context()))
			}
		})
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	base, err := digest(zipOf(t, zip.Deflate, "a", "1", "b", "2"))
	require.NoError(t, err)
	assert.Len(t, base, 64)
	for name, tt := range map[string]struct {
		data []byte
		same bool
	}{
		"order and compression": {zipOf(t, zip.Store, "b", "2", "a", "1"), true},
		"folders":               {zipOf(t, zip.Store, "d/", "", "a", "1", "b", "2"), true},
		"another content":       {zipOf(t, zip.Store, "a", "1", "b", "3"), false},
		"another name":          {zipOf(t, zip.Store, "a", "1", "c", "2"), false},
		"one file less":         {zipOf(t, zip.Store, "a", "1"), false},
		"one file more":         {zipOf(t, zip.Store, "a", "1", "b", "2", "c", ""), false},
		"swapped contents":      {zipOf(t, zip.Store, "a", "2", "b", "1"), false},
	} {
		got, err := digest(tt.data)
		require.NoError(t, err, name)
		assert.Equal(t, tt.same, base == got, name)
	}
}

func TestDigestAccepts(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{
		"names that differ in case": zipOf(t, zip.Store, "index.js", "1", "Index.js", "2"),
		"a folder twice":            zipOf(t, zip.Store, "d/", "", "d/", "", "d/a..b", "2"),
		"names that bsdtar writes":  zipOf(t, zip.Store, "./", "", "./index.js", "1"),
	} {
		_, err := digest(data)
		assert.NoError(t, err, name)
	}
}

func TestDigestErrors(t *testing.T) {
	t.Parallel()
	whole := zipOf(t, zip.Store, "a.js", "some content that is long enough to be damaged")
	link := zip.FileHeader{Name: "link"}
	link.SetMode(os.ModeSymlink | 0o777)
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"parent":             {zipOf(t, zip.Store, "index.js", "1", "../evil.js", "2"), `"../evil.js" in the archive has an unsafe name (want a relative path`},
		"parent in a path":   {zipOf(t, zip.Store, "a/../evil.js", "2"), "unsafe name"},
		"parent of a folder": {zipOf(t, zip.Store, "index.js", "1", "../", ""), "unsafe name"},
		"absolute":           {zipOf(t, zip.Store, "/etc/evil.js", "1"), "unsafe name"},
		"backslash":          {zipOf(t, zip.Store, `..\evil.js`, "1"), "unsafe name"},
		"drive":              {zipOf(t, zip.Store, "C:/evil.js", "1"), "unsafe name"},
		"drive, relative":    {zipOf(t, zip.Store, "c:evil.js", "1"), "unsafe name"},
		"NUL":                {zipOf(t, zip.Store, "index.js\x00.txt", "1"), `"index.js\x00.txt" in the archive has an unsafe name`},
		"no name":            {zipOf(t, zip.Store, "", "1"), "unsafe name"},
		"twice":              {zipOf(t, zip.Store, "index.js", "1", "index.js", "2"), `"index.js" is in the archive twice`},
		"twice, identical":   {zipOf(t, zip.Store, "index.js", "1", "index.js", "1"), "twice"},
		"file and folder":    {zipOf(t, zip.Store, "index.js", "1", "index.js/", ""), `"index.js/" is in the archive twice`},
		"folder and file":    {zipOf(t, zip.Store, "index.js/", "", "index.js", "1"), "twice"},
		"twice, by a dot":    {zipOf(t, zip.Store, "a/index.js", "1", "./a//index.js", "2"), "twice"},
		"link":               {entry(t, link), `"link" in the archive is neither a file nor a folder`},
		"encrypted":          {entry(t, zip.FileHeader{Name: "index.js", Flags: 1}), `"index.js" in the archive is encrypted`},
		"bzip2":              {entry(t, zip.FileHeader{Name: "index.js", Method: 12}), `"index.js" in the archive is compressed with bzip2 (want Deflate, or no compression)`},
		"Zstandard":          {entry(t, zip.FileHeader{Name: "index.js", Method: 93}), "compressed with Zstandard"},
		"unknown method":     {entry(t, zip.FileHeader{Name: "index.js", Method: 4711}), "compressed with method 4711"},
		"damaged":            {bytes.Replace(whole, []byte("long"), []byte("LONG"), 1), "a.js in the archive is damaged"},
		"half":               {whole[:len(whole)/2], "not a zip archive"},
		"no files":           {zipOf(t, zip.Store, "d/", ""), "the archive has no files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := digest(tt.data)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}
