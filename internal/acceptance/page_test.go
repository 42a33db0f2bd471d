package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A browser is a headless Chromium that shows one page, and keeps what the page asked for.
type browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it

	mu       sync.Mutex
	requests []string // URLs
	errors   []string // of scripts, and refusals by the policy
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("neither chromium, chromium-browser nor google-chrome is on PATH, so the sandbox's page is not tested")
	}
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.Headless, chromedp.DisableGPU, chromedp.NoSandbox, chromedp.NoFirstRun,
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync"} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	b := &browser{t: t}
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.note))
	t.Cleanup(cancel)
	return b
}

// note keeps what the page asked for, and what went wrong in it.
func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.errors = append(b.errors, e.Entry.Text)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// until waits until an expression of the page is true.
func (b *browser) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(patience)))
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		require.NoError(b.t, err, "%s\n%s", expression, text)
	}
}

// is evaluates an expression that must be true.
func (b *browser) is(expression string, why string) {
	b.t.Helper()
	ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	assert.True(b.t, ok, "%s: %s", why, expression)
}

// asked is what the page asked for, and what went wrong in it.
func (b *browser) asked() (requests, errors []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.requests...), append([]string{}, b.errors...)
}

// The page shows customizers, versions and requests as they come, and asks nobody but its
// own sandbox for anything.
func TestPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	env, _ := serve(t, "--state", tenantFile(t), "--quiet", "--fault", "update:status=418")
	run := func(args ...string) {
		cmd := exec.Command(program, args...)
		cmd.Env = env
		_ = cmd.Run() // what came of it is on the page
	}
	var url string
	for _, e := range env {
		if after, ok := strings.CutPrefix(e, "SAIL_BASE_URL="); ok {
			url = after
		}
	}
	rows := func(id string) string {
		return "[...document.querySelectorAll('#" + id + " tr')].map(tr => [...tr.cells].map(td => td.textContent).join(' | '))"
	}
	shows := func(id, text string) string { return rows(id) + ".some(row => row.includes(`" + text + "`))" }

	b.do(chromedp.EmulateViewport(1100, 900), chromedp.Navigate(url+"/"))
	b.until(shows("customizers", "hr-feed | 11111111-1111-4111-8111-111111111111"))
	b.until("document.querySelector('#use').textContent.includes('export SAIL_CLIENT_SECRET=not-to-be-seen')")
	b.until("document.querySelector('#faults').textContent.includes('update:status=418')")

	// What happens is shown without a reload.
	b.is("window.notReloaded = true", "a mark that a reload would lose")
	run("create", "live-one")
	b.until(shows("customizers", "live-one") + " && " + shows("requests", "POST | /v2024/connector-customizers | 20"))
	run("upload", "live-one", largeZip(t))
	b.until(shows("customizers", "version 1"))
	b.do(chromedp.Click(chromedp.CSS("#customizers summary")))
	b.until("/1: 32.0 MB, sha256 [0-9a-f]{12}/.test(document.querySelector('#customizers details[open]').innerText)")
	run("update", "hr-feed", "--name", "other")
	b.until(shows("requests", "PUT | /v2024/connector-customizers/11111111-1111-4111-8111-111111111111 | 418 (fault)"))
	b.until("document.querySelector('#faults').textContent.includes('none')")
	run("delete", "badge-sync", "--yes")
	b.until("!" + shows("customizers", "badge-sync"))
	b.is("document.querySelector('#customizers details').open", "what was opened stays open while the page changes")
	b.is("window.notReloaded", "the page is the same all the time")

	// A name is text, whatever it looks like.
	const markup = `<img src=x onerror="document.title='caught'"><b>bold</b>`
	run("create", markup)
	b.until(shows("customizers", markup))
	b.is("!document.querySelector('#customizers img, #customizers b') && document.title === 'Sandbox tenant'", "no markup comes from a name")

	// Nothing sticks out of any window.
	for _, width := range []int64{1100, 700, 360} {
		b.do(chromedp.EmulateViewport(width, 800))
		b.is("[document.documentElement, ...document.querySelectorAll('section')].every(e => e.scrollWidth <= e.clientWidth)", fmt.Sprintf("nothing sticks out at a width of %d", width))
	}

	requests, errs := b.asked()
	assert.Greater(t, len(requests), 2)
	for _, r := range requests {
		assert.True(t, strings.HasPrefix(r, url+"/") || strings.HasPrefix(r, "data:"), r)
	}
	assert.Empty(t, errs)

	// Nor could it ask another: the policy forbids it.
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer other.Close()
	b.is(`new Promise(done => {
		document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective === 'connect-src'));
		fetch('`+other.URL+`/', {mode: 'no-cors'}).then(() => done(false), () => {});
	})`, "the policy stops requests to elsewhere")
	assert.False(t, reached.Load())
}

// The page says so when the sandbox has stopped, and goes on when it is back.
func TestPageWithoutSandbox(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	dir := t.TempDir()
	s, err := startSandbox(dir, environ(dir), nil, "--quiet")
	require.NoError(t, err)
	url := s.exports["SAIL_BASE_URL"]
	b.do(chromedp.Navigate(url + "/"))
	b.until("document.querySelectorAll('#customizers tr').length === 3")
	start := time.Now()
	require.NoError(t, s.stop())
	assert.Less(t, time.Since(start), 10*time.Second, "an open page does not hold the sandbox up")
	b.until("document.querySelector('#gone').textContent === 'The sandbox has stopped.'")

	again := exec.Command(program, "sandbox", "--quiet", "--seed", "5", "--port", url[strings.LastIndex(url, ":")+1:])
	again.Env = environ(dir)
	require.NoError(t, again.Start())
	t.Cleanup(func() { _ = again.Process.Kill() })
	b.until("document.querySelectorAll('#customizers tr').length === 5 && document.querySelector('#gone').textContent === ''")
}
