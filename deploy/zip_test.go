package deploy_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/deploy"
)

func zipped(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, deploy.Zip(&b, dir))
	return b.Bytes()
}

// contents are the files of an archive by their names.
func contents(t *testing.T, archive []byte) (names []string, files map[string]string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	require.NoError(t, err)
	files = map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		names = append(names, f.Name)
		files[f.Name] = string(data)
	}
	return names, files
}

func TestZipIsDeterministic(t *testing.T) {
	t.Parallel()
	files := map[string]string{"b/z.js": "z", "a.js": "a", "b/a/deep.js": "deep", "ünï.js": "u"}
	one, other := folder(t, files), folder(t, files)
	require.NoError(t, os.Chtimes(filepath.Join(other, "a.js"), time.Now(), time.Now().Add(-1000*time.Hour)))
	require.NoError(t, os.Chmod(filepath.Join(other, "a.js"), 0o640))
	require.NoError(t, os.Chmod(filepath.Join(other, "b", "z.js"), 0o755)) // as not every system has it
	assert.Equal(t, zipped(t, one), zipped(t, other))
	names, got := contents(t, zipped(t, one))
	assert.Equal(t, []string{"a.js", "b/a/deep.js", "b/z.js", "ünï.js"}, names)
	assert.Equal(t, files, got)
}

func TestZipIgnores(t *testing.T) {
	t.Parallel()
	all := map[string]string{
		"index.js": "1", "debug.log": "1", "lib/a.js": "1", "lib/a.test.js": "1", "lib/deep/b.test.js": "1",
		"node_modules/x/index.js": "1", ".git/HEAD": "1", "keep/debug.log": "1",
	}
	for name, tt := range map[string]struct {
		ignore string
		left   []string
	}{
		"nothing":       {"", []string{"debug.log", "index.js", "keep/debug.log", "lib/a.js", "lib/a.test.js", "lib/deep/b.test.js", "node_modules/x/index.js"}},
		"comments":      {"# debug.log\n\n", []string{"debug.log", "index.js", "keep/debug.log", "lib/a.js", "lib/a.test.js", "lib/deep/b.test.js", "node_modules/x/index.js"}},
		"at the top":    {"*.log\nnode_modules\n", []string{"index.js", "keep/debug.log", "lib/a.js", "lib/a.test.js", "lib/deep/b.test.js"}},
		"anywhere":      {"**/*.log\r\n**/*.test.js\r\nnode_modules/\r\n", []string{"index.js", "lib/a.js"}},
		"exceptions":    {"*\n!index.js\n!lib\nlib/deep\n", []string{"index.js", "lib/a.js", "lib/a.test.js"}},
		"only one file": {"**\n!keep/debug.log\n", []string{"keep/debug.log"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, all)
			if tt.ignore != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, deploy.IgnoreFile), []byte(tt.ignore), 0o600))
			}
			names, _ := contents(t, zipped(t, dir))
			assert.Equal(t, tt.left, names)
		})
	}
	bad := folder(t, map[string]string{"a": "", deploy.IgnoreFile: "[z-"})
	err := deploy.Zip(io.Discard, bad)
	require.ErrorIs(t, err, customizers.ErrInvalidArgument)
	assert.ErrorContains(t, err, deploy.IgnoreFile)
}

func TestZipLinks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	outside := folder(t, map[string]string{"secret": "s"})
	for name, tt := range map[string]struct{ target, says string }{
		"to a file inside":      {"index.js", ""},
		"to a file outside":     {filepath.Join(outside, "secret"), "links out of the folder"},
		"upwards":               {"../" + filepath.Base(outside) + "/secret", "links out of the folder"},
		"nowhere":               {"none", "can't be read"},
		"to a folder inside":    {"lib", "is a link to a folder"},
		"to itself":             {"link", "can't be read"},
		"inside, by the parent": {"lib/../index.js", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"index.js": "1", "lib/a.js": "2"})
			require.NoError(t, os.Symlink(tt.target, filepath.Join(dir, "link")))
			var b bytes.Buffer
			err := deploy.Zip(&b, dir)
			if tt.says == "" {
				require.NoError(t, err)
				_, files := contents(t, b.Bytes())
				assert.Equal(t, "1", files["link"])
				return
			}
			require.ErrorIs(t, err, customizers.ErrInvalidArgument)
			assert.ErrorContains(t, err, "link ")
			assert.ErrorContains(t, err, tt.says)
			assert.ErrorContains(t, err, "list it in "+deploy.IgnoreFile)

			require.NoError(t, os.WriteFile(filepath.Join(dir, deploy.IgnoreFile), []byte("link\n"), 0o600))
			require.NoError(t, deploy.Zip(io.Discard, dir))
		})
	}
}

// An archive that is written into the folder is not part of itself.
func TestZipIntoTheFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"index.js": "1", "vendor/x/.git/config": "a token", "vendor/x/a.js": "2"})
	f, err := os.Create(filepath.Join(dir, "out.zip"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	require.NoError(t, deploy.Zip(f, dir))
	data, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	names, _ := contents(t, data)
	assert.Equal(t, []string{"index.js", "vendor/x/a.js"}, names)
}

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(build func(*zip.Writer)) string {
		t.Helper()
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		build(z)
		require.NoError(t, z.Close())
		sum, err := deploy.Digest(bytes.NewReader(b.Bytes()), int64(b.Len()))
		require.NoError(t, err)
		return sum
	}
	add := func(z *zip.Writer, name, content string, method uint16) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: time.Now()})
		require.NoError(t, err)
		_, err = io.WriteString(w, content)
		require.NoError(t, err)
	}
	base := digest(func(z *zip.Writer) { add(z, "a", "1", zip.Deflate); add(z, "b", "2", zip.Deflate) })
	assert.Equal(t, base, digest(func(z *zip.Writer) { add(z, "b", "2", zip.Store); add(z, "a", "1", zip.Store) }))
	assert.Equal(t, base, digest(func(z *zip.Writer) {
		add(z, "d/", "", zip.Store)
		add(z, "a", "1", zip.Store)
		add(z, "b", "2", zip.Store)
	}))
	for what, build := range map[string]func(*zip.Writer){
		"content":  func(z *zip.Writer) { add(z, "a", "1", zip.Store); add(z, "b", "3", zip.Store) },
		"name":     func(z *zip.Writer) { add(z, "a", "1", zip.Store); add(z, "c", "2", zip.Store) },
		"one less": func(z *zip.Writer) { add(z, "a", "1", zip.Store) },
		"one more": func(z *zip.Writer) {
			add(z, "a", "1", zip.Store)
			add(z, "b", "2", zip.Store)
			add(z, "c", "", zip.Store)
		},
		"exchanged": func(z *zip.Writer) { add(z, "a", "2", zip.Store); add(z, "b", "1", zip.Store) },
	} {
		assert.NotEqual(t, base, digest(build), what)
	}

	// An archive that is damaged is not taken for whole.
	whole := zipped(t, folder(t, map[string]string{"a.js": "some content that is long enough to be damaged"}))
	damaged := bytes.Clone(whole)
	damaged[45] ^= 0xff
	_, err := deploy.Digest(bytes.NewReader(damaged), int64(len(damaged)))
	assert.ErrorContains(t, err, "a.js in the archive is damaged")
	_, err = deploy.Digest(bytes.NewReader(whole[:len(whole)/2]), int64(len(whole)/2))
	assert.ErrorContains(t, err, "not a zip archive")
}

func FuzzDigest(f *testing.F) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("a.js")
	_, _ = io.WriteString(w, "exports.x = 1\n")
	_ = z.Close()
	f.Add(b.Bytes())
	f.Add([]byte("PK\x05\x06" + string(make([]byte, 18))))
	f.Fuzz(func(t *testing.T, data []byte) {
		sum, err := deploy.Digest(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			require.Len(t, sum, 64)
		}
	})
}
