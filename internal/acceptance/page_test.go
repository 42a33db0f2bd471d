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

// page opens the page of a sandbox in a window of the given width. It returns the sandbox's
// URL, and a function that runs the command in the sandbox's environment.
func (b *browser) page(width int64, args ...string) (url string, run func(args ...string)) {
	b.t.Helper()
	env, _ := serve(b.t, append(args, "--quiet")...)
	for _, e := range env {
		if after, ok := strings.CutPrefix(e, "SAIL_BASE_URL="); ok {
			url = after
		}
	}
	b.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(url+"/"))
	return url, func(args ...string) {
		cmd := exec.Command(program, args...)
		cmd.Env = env
		_ = cmd.Run() // what came of it is on the page
	}
}

// write replaces the text of an input, as typing does.
func (b *browser) write(id, text string) {
	b.t.Helper()
	b.is("document.getElementById('"+id+"').value = '', true", "an empty input")
	b.do(chromedp.SendKeys(chromedp.CSS("#"+id), text))
}

// rows is an expression for the visible rows of a list, without their details.
func rows(id string) string {
	return "[...document.querySelectorAll('#" + id + " > li:not([hidden])')]" +
		".map(li => [...(li.querySelector('.row') || li).children].map(e => e.textContent).join(' | '))"
}

func shows(id, text string) string { return rows(id) + ".some(row => row.includes(`" + text + "`))" }

// has is an expression for the presence of a text in an element.
func has(selector, text string) string {
	return "document.querySelector('" + selector + "').textContent.includes(`" + text + "`)"
}

// The page shows customizers, versions and requests as they come, and asks nobody but its
// own sandbox for anything.
func TestPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, run := b.page(1280, "--state", tenantFile(t), "--fault", "update:status=418")
	b.until(shows("customizers", "hr-feed | no version | 11111111-1111-4111-8111-111111111111"))
	b.until(has("#use", "export SAIL_CLIENT_SECRET=not-to-be-seen"))
	b.until(shows("faults", "update:status=418"))
	b.until(has("#instances-none", "None."))

	// What happens is shown without a reload.
	b.is("window.notReloaded = true", "a mark that a reload would lose")
	run("create", "live-one")
	b.until(shows("customizers", "live-one") + " && " + shows("requests", "20") + " && " + shows("requests", " | POST | /v2024/connector-customizers | "))
	run("upload", "live-one", largeZip(t))
	b.until(shows("customizers", "live-one | version 1"))
	b.do(chromedp.Click(chromedp.CSS("#customizers summary")))
	b.until("/1: 32.0 MB, sha256 [0-9a-f]{12}/.test(document.querySelector('#customizers details[open]').innerText)")
	run("update", "hr-feed", "--name", "other")
	b.until(shows("requests", "418 | PUT | /v2024/connector-customizers/11111111-1111-4111-8111-111111111111fault"))
	b.until(has("#faults-none", "None."))
	run("delete", "badge-sync", "--yes")
	b.until("!" + shows("customizers", "badge-sync"))
	b.is("document.querySelector('#customizers details').open", "what was opened stays open while the page changes")

	// A name is text, whatever it looks like.
	const markup = `<img src=x onerror="document.title='caught'"><b>bold</b>`
	run("create", markup)
	b.until(shows("customizers", markup))
	b.is("!document.querySelector('#customizers img, #customizers b') && document.title === 'Sandbox tenant'", "no markup comes from a name")

	b.is("window.notReloaded", "the page is the same all the time")
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

// Faults are added and removed on the page.
func TestPageFaults(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, run := b.page(1280, "--fault", "get:cut")
	b.until(shows("faults", "get:cut,times=1"))
	add := chromedp.Click(chromedp.CSS("#add button"))

	b.write("effects", "status=9")
	b.do(chromedp.SetValue(chromedp.CSS("#operation"), "info"), add)
	b.until(has("#problem", "status=9 is not a number from 200 to 599"))
	b.is("document.querySelector('#effects').value === 'status=9' && document.querySelector('#operation').value === 'info'", "nothing is lost")
	b.write("effects", "status=418,body=a, b")
	b.do(chromedp.SetValue(chromedp.CSS("#operation"), "list"), add)
	b.until(shows("faults", "list:status=418,times=1,body=a, b"))
	b.is("document.querySelector('#effects').value === '' && document.querySelector('#problem').textContent === ''", "the form is ready for another")
	run("list")
	b.until(shows("requests", "418 | GET | /v2024/connector-customizers") + " && !" + shows("faults", "list:"))

	b.do(chromedp.SetValue(chromedp.CSS("#operation"), "any"))
	b.write("effects", "cut,times=always\r")
	b.until(shows("faults", "any:cut,times=always"))
	b.do(chromedp.Click(chromedp.CSS("#faults > li:first-child button")))
	b.until(rows("faults") + ".join() === 'any:cut,times=always | Remove'")
	b.do(chromedp.Click(chromedp.CSS("#faults button")))
	b.until(has("#faults-none", "None."))
	run("list")
	b.until(shows("requests", "200 | GET | /v2024/connector-customizers"))
}

// A filter and open details stay while the page refreshes. Details have no secret.
func TestPageDetails(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, run := b.page(1280, "--seed", "20", "--instances", "5")
	run("create", "HR feed")
	run("link", "HR feed", "instance-000004")
	b.until(shows("instances", "instance-000004 | HR feed") + " && " + shows("instances", "instance-000005 | not linked"))
	run("get", "customizer-000007")
	resp, err := http.Post(url+"/oauth/token?client_id=one&client_secret=not-to-be-seen", "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	b.until(shows("requests", "/oauth/token?client_id=one&client_secret=(hidden)"))

	b.write("filter", "hr FEED")
	b.until(rows("customizers") + ".length === 1 && " + rows("instances") + ".length === 1 && " + has("#requests-none", "No matches."))
	run("create", "another")
	run("create", "hr-feed, the second")
	b.until(rows("customizers") + ".length === 2")
	b.write("filter", "patch 200")
	b.until(rows("requests") + ".length === 1 && " + shows("requests", "200 | PATCH | /beta/connector-instances/"))

	b.do(chromedp.Focus(chromedp.CSS("#requests > li:not([hidden]) summary")), chromedp.KeyEvent("\r"))
	details := "document.querySelector('#requests > li:not([hidden]) details[open]').innerText"
	for _, text := range []string{"patchConnectorInstance", "Content-Type: application/json", "Authorization: Bearer (hidden)", " bytes", "status 200"} {
		b.is(details+".includes('"+text+"')", "details")
	}
	for range 20 { // push it out of the list
		run("list")
		run("instances")
	}
	b.until("document.querySelectorAll('#requests > li').length === 51")
	b.is("document.activeElement === document.querySelector('#requests details[open] summary')", "a row keeps the focus")
	b.write("filter", "/")
	b.until(rows("requests") + ".length === 51")
	b.is("document.querySelectorAll('#requests details[open]').length === 1", "details stay open")
	b.is(shows("requests", "200 | PATCH"), "it is the same request")
	b.do(chromedp.Click(chromedp.CSS("#requests details[open] summary")))
	b.until(rows("requests") + ".length === 50")
}

// The requests are beside the lists in a wide window and under them in a narrow one. All of
// it fits, and can be used by touch.
func TestPageLayout(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, run := b.page(1280, "--seed", "20", "--instances", "5", "--fault", "list:status=503,times=2,body="+strings.Repeat("x", 300), "--fault", "update:cut")
	run("create", strings.Repeat("long", 40))
	run("link", strings.Repeat("long", 40), "instance-000001")
	for range 5 {
		run("get", "customizer-000007")
	}
	b.until(shows("requests", "GET") + " && " + shows("instances", "longlong"))
	b.is("document.querySelectorAll('details').forEach(e => { e.open = true; }) || true", "all details open")
	for _, width := range []int64{1280, 1088, 1087, 700, 390, 320} {
		b.do(chromedp.EmulateViewport(width, 800))
		b.is("window.box = id => document.getElementById(id).getBoundingClientRect(); true", "a helper")
		at := fmt.Sprintf("at a width of %d", width)
		if width >= 1088 {
			b.is("box('s-requests').left > box('s-customizers').right && box('s-requests').top === box('s-customizers').top", "beside "+at)
			b.is("box('s-instances').right < box('s-requests').left && box('s-instances').top > box('s-customizers').bottom", "the instances under the customizers "+at)
			b.is("box('s-faults').left === box('s-requests').left && box('s-faults').bottom < box('s-requests').top", "faults above the requests "+at)
		} else {
			b.is("box('s-requests').left === box('s-customizers').left && box('s-requests').top > box('s-instances').bottom", "under "+at)
		}
		b.is("document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('section, .items')].every(e => e.scrollWidth <= e.clientWidth)", "nothing sticks out "+at)
		b.is(`[...document.querySelectorAll('section')].every(s => [...s.querySelectorAll('*')].every(e => {
			const box = e.getBoundingClientRect();
			return !box.width || box.left >= s.getBoundingClientRect().left && box.right <= s.getBoundingClientRect().right;
		}))`, "all is within its section "+at)
		b.is("[...document.querySelectorAll('button, input, select, summary')].every(e => e.getBoundingClientRect().height >= 32)", "large enough to touch "+at)
	}
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
	b.until("document.querySelectorAll('#customizers > li').length === 3")
	start := time.Now()
	require.NoError(t, s.stop())
	assert.Less(t, time.Since(start), 10*time.Second, "an open page does not hold the sandbox up")
	b.until("document.querySelector('#stopped').textContent === 'The sandbox has stopped.'")

	again := exec.Command(program, "sandbox", "--quiet", "--seed", "5", "--port", url[strings.LastIndex(url, ":")+1:])
	again.Env = environ(dir)
	require.NoError(t, again.Start())
	t.Cleanup(func() { _ = again.Process.Kill() })
	b.until("document.querySelectorAll('#customizers > li').length === 5 && document.querySelector('#stopped').textContent === ''")
}
