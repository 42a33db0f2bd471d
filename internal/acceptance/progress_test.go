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

// largeZip is an archive that no buffer of a connection takes as a whole.
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

// slowUploads is a tenant that reads half of an archive, and the rest when it is told to.
func slowUploads(t *testing.T) *gate {
	return newGate(t, func(r *http.Request, wait func()) {
		if strings.HasSuffix(r.URL.Path, "/versions") {
			r.Body = &halfway{r.Body, r.ContentLength / 2, wait}
		}
	}, customizerstest.WithSeed(1))
}

// An upload shows how far it is, how fast, and how long it will take, in one line of any
// terminal, and leaves nothing of it behind.
func TestUploadBar(t *testing.T) {
	t.Parallel()
	archive := largeZip(t)
	for name, tt := range map[string]struct {
		columns int
		shows   string
	}{
		"usual":  {80, `^Uploading \[#{12,23}\.{1,12}\]  [5-9]\d% of 32\.0 MB, [\d.]+ [kM]B/s, \d+ s left$`},
		"narrow": {60, `^Uploading \[#{4,11}\.{1,9}\]  [5-9]\d% of 32\.0 MB, [\d.]+ [kM]B/s, \d+ s left$`},
		"tiny":   {50, `^Uploading [5-9]\d% of 32\.0 MB, [\d.]+ [kM]B/s, \d+ s left$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := slowUploads(t)
			term := inTerminal(t, tt.columns, g.env, nil, "upload", g.tenant.Customizers()[0].ID, archive)
			line := term.shows(tt.shows)
			rate := regexp.MustCompile(`[\d.]+ .B/s`)
			before := rate.FindString(line)
			term.until("a falling rate", func(screen string) bool {
				now := rate.FindString(screen)
				return now != "" && now != before
			})
			g.open()
			screen := term.exits(0)
			assert.Len(t, lines(screen), 2)
			assert.NotContains(t, screen, "Uploading")
		})
	}
}

// Nothing is shown of an upload where nobody looks, or wants to.
func TestUploadWithoutBar(t *testing.T) {
	t.Parallel()
	archive := largeZip(t)
	for name, tt := range map[string]struct{ env, flag string }{
		"quiet":         {"TERM=xterm", "--quiet"},
		"dumb terminal": {"TERM=dumb", "--no-headers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := slowUploads(t)
			term := inTerminal(t, 80, append(g.env, tt.env), nil, "upload", g.tenant.Customizers()[0].ID, archive, tt.flag)
			<-g.held
			g.open()
			term.exits(0)
			assert.NotContains(t, term.written(), "Uploading")
			assert.NotContains(t, term.written(), "\x1b[K")
		})
	}
}

// A list into a file counts on the terminal, while it is read.
func TestListCounter(t *testing.T) {
	t.Parallel()
	g := newGate(t, holdThirdList(), customizerstest.WithSeed(700))
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	term := inTerminal(t, 80, g.env, out, "list", "-o", "jsonl")
	term.shows(`^Listed (499|500) customizers$`)
	g.open()
	assert.Empty(t, term.exits(0), "the counter goes when all is listed")
	data, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	assert.Equal(t, 700, strings.Count(string(data), "\n"))
}

// A wait for the rate limit is told, counted down, and ends at once by Ctrl-C.
func TestRateLimitedLine(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "--fault", "list:status=429,retry-after=7")
	term := inTerminal(t, 200, env, nil, "list")
	term.shows(`^Rate limited: resuming in 7 s$`)
	term.shows(`^Rate limited: resuming in 6 s$`)
	term.press(ctrlC)
	screen := term.exits(130)
	assert.NotContains(t, screen, "Rate limited: resuming")
	assert.Contains(t, screen, "(not retried: interrupted; try again in 7s)")

	env, _ = serve(t, "--fault", "list:status=429,retry-after=1", "--seed", "3")
	term = inTerminal(t, 80, env, nil, "list")
	term.shows(`^Rate limited: resuming in 1 s$`)
	assert.Len(t, lines(term.exits(0)), 4, "the table, and nothing else")

	// A line that is wider than the terminal could not be taken away.
	env, _ = serve(t, "--fault", "list:status=429,retry-after=1", "--seed", "3")
	term = inTerminal(t, 24, env, io.Discard, "list")
	term.shows(`^Rate limited: resuming…$`)
	assert.Empty(t, term.exits(0))

	env, _ = serve(t, "--fault", "list:status=429,retry-after=1", "--seed", "3")
	term = inTerminal(t, 80, env, nil, "list", "--quiet")
	term.exits(0)
	assert.NotContains(t, term.written(), "ate limited")
}

// A deployment may wait without an upload, which is told, and gives way to the bar.
func TestDeployLine(t *testing.T) {
	t.Parallel()
	g := slowUploads(t)
	term := inTerminal(t, 80, g.env, nil, "deploy", g.tenant.Customizers()[0].Name, largeZip(t))
	term.shows(`^(Looking for customizer-000001|Uploading 32\.0 MB)$`)
	term.shows(`^Uploading \[#+\.+\]  [5-9]\d% of 32\.0 MB, `)
	g.open()
	screen := lines(term.exits(0))
	assert.Len(t, screen, 3)
	assert.Regexp(t, `^Uploaded version 1 of customizer-000001 \(sha256 [0-9a-f]{12}\)\.$`, screen[0])
}

// What the service fails at is told too.
func TestRetryLine(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "--fault", "list:status=503,retry-after=2", "--seed", "3")
	term := inTerminal(t, 80, env, nil, "list")
	term.shows(`^The service failed: retrying in 2 s$`)
	term.exits(0)
}

// With -v, log lines stay whole above the line that is written over.
func TestVerboseOnATerminal(t *testing.T) {
	t.Parallel()
	env, _ := serve(t, "--fault", "list:status=429,retry-after=1", "--seed", "3")
	term := inTerminal(t, 300, env, nil, "list", "-v")
	term.shows(`(?m)^Rate limited: resuming in 1 s$`)
	screen := lines(term.exits(0))
	assert.Len(t, screen, 1+4+4)
	assert.Regexp(t, `^The tenant is http`, screen[0])
	for _, l := range screen[1:5] {
		assert.Regexp(t, `^time=\d\d:\d\d:\d\d\.\d{3} msg="customizers: request (sent|will be retried)" operation=\w+ .*$`, l)
	}
}
