package customizers_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// Each attempt sends the archive from its current offset, which does not change.
func TestArchiveRetries(t *testing.T) {
	t.Parallel()
	data := zipArchive(t)
	path := filepath.Join(t.TempDir(), "a.zip")
	require.NoError(t, os.WriteFile(path, append([]byte("skipped"), data...), 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	_, err = file.Seek(int64(len("skipped")), io.SeekStart)
	require.NoError(t, err)
	for name, r := range map[string]io.ReadSeeker{
		"file":          file,
		"bytes.Reader":  bytes.NewReader(data),
		"SectionReader": io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))),
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, withOne())
			srv.Inject(
				fault{Operation: customizerstest.CreateVersion, Status: 429},
				fault{Operation: customizerstest.CreateVersion, ExpireToken: true},
			)
			before, err := r.Seek(0, io.SeekCurrent)
			require.NoError(t, err)
			_, err = quickClient(t, srv).CreateVersion(testContext(t), "one", r)
			require.NoError(t, err)
			require.Len(t, srv.Versions("one"), 1)
			assert.EqualValues(t, len(data), srv.Versions("one")[0].ArchiveSize)
			requests := srv.Requests(customizerstest.CreateVersion)
			require.Len(t, requests, 3)
			for _, r := range requests {
				assert.Equal(t, "application/zip", r.Header.Get("Content-Type"))
			}
			after, err := r.Seek(0, io.SeekCurrent)
			require.NoError(t, err)
			assert.Equal(t, before, after)
		})
	}
}

func TestArchiveThatCanBeReadOnlyOnce(t *testing.T) {
	t.Parallel()
	data := zipArchive(t)
	srv := newServer(t, withOne())
	c := quickClient(t, srv)
	pipe, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = pipe.Close() })
	_, err = w.Write(data)
	require.NoError(t, errors.Join(err, w.Close()))
	for _, r := range []io.Reader{bytes.NewBuffer(bytes.Clone(data)), io.MultiReader(bytes.NewReader(data)), pipe} {
		_, err := c.CreateVersion(testContext(t), "one", r)
		require.NoError(t, err)
	}
	assert.Len(t, srv.Versions("one"), 3)
}

func TestInvalidArchive(t *testing.T) {
	t.Parallel()
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	atEnd := strings.NewReader("PK")
	_, _ = atEnd.Seek(0, io.SeekEnd)
	wire := newScript(respond(200, "{}"))
	for want, r := range map[string]io.Reader{
		"is a folder":                     dir,
		"file already closed":             closed,
		"has 0 bytes":                     bytes.NewReader(nil),
		"is empty or was already read":    bytes.NewBuffer(nil),
		"has 2 bytes and its offset is 2": atEnd,
	} {
		_, err := clientOver(t, wire).CreateVersion(t.Context(), "one", r)
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		require.ErrorContains(t, err, want)
	}
	assert.Empty(t, wire.requests)
}

func TestNoArchive(t *testing.T) {
	t.Parallel()
	srv := newServer(t, withOne())
	_, err := quickClient(t, srv).CreateVersion(testContext(t), "one", nil)
	require.NoError(t, err)
	r := srv.Requests(customizerstest.CreateVersion)[0]
	assert.NotContains(t, r.Header, "Content-Type")
	assert.Zero(t, r.BodySize)
}

// A large archive is not sent before 100 Continue, so that an early refusal is read.
func TestLargeArchiveExpectsContinue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		archive io.Reader
		expects string
	}{
		{bytes.NewReader(make([]byte, 1<<20)), "100-continue"},
		{io.MultiReader(strings.NewReader("PK")), "100-continue"},
		{bytes.NewReader(make([]byte, 1<<10)), ""},
	} {
		wire := newScript(respond(200, `{}`))
		_, err := clientOver(t, wire).CreateVersion(t.Context(), "one", tt.archive)
		require.NoError(t, err)
		assert.Equal(t, tt.expects, wire.requests[0].Header.Get("Expect"))
	}
}
