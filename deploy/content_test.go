package deploy_test

import (
	"archive/zip"
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/deploy"
)

// zipOf makes an archive of names and contents in turn.
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

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(archive []byte) string {
		sum, err := deploy.Digest(bytes.NewReader(archive), int64(len(archive)))
		require.NoError(t, err)
		return sum
	}
	base := digest(zipOf(t, zip.Deflate, "a", "1", "b", "2"))
	assert.Len(t, base, 64)
	for what, archive := range map[string][]byte{
		"order and compression": zipOf(t, zip.Store, "b", "2", "a", "1"),
		"folders":               zipOf(t, zip.Store, "d/", "", "a", "1", "b", "2"),
	} {
		assert.Equal(t, base, digest(archive), what)
	}
	for what, archive := range map[string][]byte{
		"another content":    zipOf(t, zip.Store, "a", "1", "b", "3"),
		"another name":       zipOf(t, zip.Store, "a", "1", "c", "2"),
		"one less":           zipOf(t, zip.Store, "a", "1"),
		"one more":           zipOf(t, zip.Store, "a", "1", "b", "2", "c", ""),
		"exchanged contents": zipOf(t, zip.Store, "a", "2", "b", "1"),
	} {
		assert.NotEqual(t, base, digest(archive), what)
	}
}

func TestDigestOfADamagedArchive(t *testing.T) {
	t.Parallel()
	whole := zipOf(t, zip.Store, "a.js", "some content that is long enough to be damaged")
	damaged := bytes.Replace(whole, []byte("long"), []byte("wrong")[:4], 1)
	for says, archive := range map[string][]byte{
		"a.js in the archive is damaged": damaged,
		"not a zip archive":              whole[:len(whole)/2],
		"the archive has no files":       zipOf(t, zip.Store, "d/", ""),
	} {
		_, err := deploy.Digest(bytes.NewReader(archive), int64(len(archive)))
		assert.ErrorContains(t, err, says)
	}
}
