package acceptance

import (
	"archive/zip"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// largeZip returns the path of an archive too large for a connection's buffers.
func largeZip(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "large.zip")
	f, err := os.Create(path)
	require.NoError(t, err)
	z := zip.NewWriter(f)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "index.js", Method: zip.Store})
	require.NoError(t, err)
	_, err = io.WriteString(w, "// connectorCustomizer\n")
	require.NoError(t, err)
	_, err = io.CopyN(w, zeros{}, 32e6)
	require.NoError(t, errors.Join(err, z.Close(), f.Close()))
	return path
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// newUploadGate starts a gate that reads half of an archive, and the rest after open.
func newUploadGate(t *testing.T) *gate {
	return newGate(t, func(r *http.Request, wait func()) {
		if strings.HasSuffix(r.URL.Path, "/versions") {
			r.Body = &splitBody{r.Body, r.ContentLength / 2, wait}
		}
	}, customizerstest.WithCustomizerCount(1))
}

// An upload shows its progress, rate and remaining time. The line disappears at the end.
func TestUploadProgress(t *testing.T) {
	t.Parallel()
	g := newUploadGate(t)
	term := runInTerminal(t, 80, g.env, nil, "upload", g.tenant.Customizers()[0].ID, largeZip(t))
	line := term.waitFor(`^Uploading [5-9]\d% of 32\.0 MB, [\d.]+ [kM]B/s, \d+ s left$`)
	rate := regexp.MustCompile(`[\d.]+ .B/s`)
	before := rate.FindString(line)
	term.waitUntil("another rate", func(screen string) bool {
		now := rate.FindString(screen)
		return now != "" && now != before
	})
	g.open()
	screen := term.waitExit(0)
	assert.Len(t, lines(screen), 2)
	assert.NotContains(t, screen, "Uploading")
}

// With --quiet, or on a dumb terminal, an upload shows no progress.
func TestUploadWithoutProgress(t *testing.T) {
	t.Parallel()
	archive := largeZip(t)
	for name, tt := range map[string]struct{ env, flag string }{
		"quiet":         {"TERM=xterm", "--quiet"},
		"dumb terminal": {"TERM=dumb", "--no-headers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newUploadGate(t)
			term := runInTerminal(t, 80, append(g.env, tt.env), nil, "upload", g.tenant.Customizers()[0].ID, archive, tt.flag)
			<-g.blocked
			g.open()
			term.waitExit(0)
			assert.NotContains(t, term.output(), "Uploading")
			assert.NotContains(t, term.output(), "\x1b[K")
		})
	}
}

// While a list is written to a file, the terminal shows a counter.
func TestListCounter(t *testing.T) {
	t.Parallel()
	g := newGate(t, blockThirdPage(), customizerstest.WithCustomizerCount(700))
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	term := runInTerminal(t, 80, g.env, out, "list", "-o", "jsonl")
	term.waitFor(`^Listed (499|500) customizers$`)
	g.open()
	assert.Empty(t, term.waitExit(0), "the counter disappears at the end")
	data, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	assert.Equal(t, 700, strings.Count(string(data), "\n"))
}

// During a Retry-After the terminal shows a countdown. Ctrl-C ends the wait at once.
func TestRateLimitedLine(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "--fault", "list:status=429,retry-after=7")
	term := runInTerminal(t, 200, env, nil, "list")
	term.waitFor(`^Rate limited: resuming in 7 s$`)
	term.waitFor(`^Rate limited: resuming in 6 s$`)
	term.press(ctrlC)
	screen := term.waitExit(130)
	assert.NotContains(t, screen, "Rate limited: resuming")
	assert.Contains(t, screen, "(not retried: interrupted; try again in 7s)")

	env, _ = serve(t, "--fault", "list:status=429,retry-after=1", "--customizers", "3")
	term = runInTerminal(t, 80, env, nil, "list")
	term.waitFor(`^Rate limited: resuming in 1 s$`)
	assert.Len(t, lines(term.waitExit(0)), 4, "only the table remains")

	// A line wider than the terminal would wrap and could not be erased, so it is cut.
	env, _ = serve(t, "--fault", "list:status=429,retry-after=1", "--customizers", "3")
	term = runInTerminal(t, 24, env, io.Discard, "list")
	term.waitFor(`^Rate limited: resuming…$`)
	assert.Empty(t, term.waitExit(0))
}

// deploy shows its current step, then the progress of the upload.
func TestDeployLine(t *testing.T) {
	t.Parallel()
	g := newUploadGate(t)
	term := runInTerminal(t, 80, g.env, nil, "deploy", g.tenant.Customizers()[0].Name, largeZip(t))
	term.waitFor(`^(Looking for customizer-000001|Uploading 32\.0 MB)$`)
	term.waitFor(`^Uploading [5-9]\d% of 32\.0 MB, `)
	g.open()
	screen := lines(term.waitExit(0))
	assert.Len(t, screen, 3)
	assert.Regexp(t, `^Uploaded version 1 of customizer-000001 \(content [0-9a-f]{12}\)\.$`, screen[0])
}

// The wait before a retry is shown too.
func TestRetryLine(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "--fault", "list:status=503,retry-after=2", "--customizers", "3")
	term := runInTerminal(t, 80, env, nil, "list")
	term.waitFor(`^The service failed: retrying in 2 s$`)
	term.waitExit(0)
}
