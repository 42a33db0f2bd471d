package acceptance

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/instances"
)

// A browser is a headless Chromium with one page. It records the page's requests and errors.
type browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it

	mu       sync.Mutex
	requests []string // URLs
	errors   []string // of scripts and of the content security policy
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
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.record))
	t.Cleanup(cancel)
	return b
}

// record records a request or an error of the page.
func (b *browser) record(event any) {
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

// waitUntil waits until a JavaScript expression is true.
func (b *browser) waitUntil(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(timeout)))
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		require.NoError(b.t, err, "%s\n%s", expression, text)
	}
}

// check evaluates a JavaScript expression, and fails the test with the message if it is
// false.
func (b *browser) check(expression, message string) {
	b.t.Helper()
	ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	assert.True(b.t, ok, "%s: %s", message, expression)
}

// snapshot returns the requests and errors so far.
func (b *browser) snapshot() (requests, errors []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.requests...), append([]string{}, b.errors...)
}

// openPage starts a sandbox and opens its page in a window of the given width. It returns
// the sandbox's URL and a function that runs the command in that sandbox.
func (b *browser) openPage(width int64, args ...string) (url string, run func(args ...string)) {
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
		_ = cmd.Run() // the page shows the result
	}
}

// typeInto replaces the text of an input by typing.
func (b *browser) typeInto(id, text string) {
	b.t.Helper()
	b.check("document.getElementById('"+id+"').value = '', true", "input cleared")
	b.do(chromedp.SendKeys(chromedp.CSS("#"+id), text))
}

// rows returns a JavaScript expression for the visible rows of a list, without their details.
func rows(id string) string {
	return "[...document.querySelectorAll('#" + id + " > li:not([hidden])')]" +
		".map(li => [...(li.querySelector('.row') || li).children].map(e => e.textContent).join(' | '))"
}

// hasRow returns a JavaScript expression that is true if a visible row of a list contains text.
func hasRow(id, text string) string { return rows(id) + ".some(row => row.includes(`" + text + "`))" }

// hasText returns a JavaScript expression that is true if an element contains text.
func hasText(selector, text string) string {
	return "document.querySelector('" + selector + "').textContent.includes(`" + text + "`)"
}

// The page updates customizers, versions and requests without a reload. It sends requests only
// to its own sandbox.
func TestPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, run := b.openPage(1280, "-tenant", tenantFile(t), "--fault", "update:status=418")
	b.waitUntil(hasRow("customizers", "hr-feed | no version | 11111111-1111-4111-8111-111111111111"))
	b.waitUntil(hasText("#use", "export SAIL_CLIENT_SECRET=not-to-be-seen"))
	b.waitUntil(hasRow("faults", "update:status=418"))
	b.waitUntil(hasText("#instances-none", "None."))

	// Changes appear without a reload.
	b.check("window.notReloaded = true", "mark set, which a reload would lose")
	run("create", "live-one")
	b.waitUntil(hasRow("customizers", "live-one") + " && " + hasRow("requests", "20") + " && " + hasRow("requests", " | POST | /v2024/connector-customizers | "))
	run("upload", "live-one", largeZip(t))
	b.waitUntil(hasRow("customizers", "live-one | version 1"))
	b.do(chromedp.Click(chromedp.CSS("#customizers summary")))
	b.waitUntil("/1: 32.0 MB, sha256 [0-9a-f]{12}, content [0-9a-f]{12}, \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d/.test(document.querySelector('#customizers details[open]').innerText)")
	run("update", "hr-feed", "--name", "other")
	b.waitUntil(hasRow("requests", "418 | PUT | /v2024/connector-customizers/11111111-1111-4111-8111-111111111111fault"))
	b.waitUntil(hasText("#faults-none", "None."))
	run("delete", "badge-sync", "--yes")
	b.waitUntil("!" + hasRow("customizers", "badge-sync"))
	b.check("document.querySelector('#customizers details').open", "details stay open while the page changes")

	// A name with markup is shown as text.
	const markup = `<img src=x onerror="document.title='caught'"><b>bold</b>`
	run("create", markup)
	b.waitUntil(hasRow("customizers", markup))
	b.check("!document.querySelector('#customizers img, #customizers b') && document.title === 'Sandbox tenant'", "a name adds no elements")

	b.check("window.notReloaded", "the page was not reloaded")
	requests, errs := b.snapshot()
	assert.Greater(t, len(requests), 2)
	for _, r := range requests {
		assert.True(t, strings.HasPrefix(r, url+"/") || strings.HasPrefix(r, "data:"), r)
	}
	assert.Empty(t, errs)

	// The content security policy blocks requests to other hosts.
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer other.Close()
	b.check(`new Promise(done => {
		document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective === 'connect-src'));
		fetch('`+other.URL+`/', {mode: 'no-cors'}).then(() => done(false), () => {});
	})`, "the policy blocks a request to another host")
	assert.False(t, reached.Load())
}

// The page adds and removes faults.
func TestPageFaults(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, run := b.openPage(1280, "--fault", "get:reset")
	b.waitUntil(hasRow("faults", "get:reset,times=1"))
	add := chromedp.Click(chromedp.CSS("#add button"))

	b.typeInto("effects", "status=9")
	b.do(chromedp.SetValue(chromedp.CSS("#operation"), "info"), add)
	b.waitUntil(hasText("#problem", "status=9 is not valid (want 200 to 599)"))
	b.check("document.querySelector('#effects').value === 'status=9' && document.querySelector('#operation').value === 'info'", "the form keeps its values after an error")
	b.typeInto("effects", "status=418,body=a, b")
	b.do(chromedp.SetValue(chromedp.CSS("#operation"), "list"), add)
	b.waitUntil(hasRow("faults", "list:status=418,times=1,body=a, b"))
	b.check("document.querySelector('#effects').value === '' && document.querySelector('#problem').textContent === ''", "the form is empty after a success")
	run("list")
	b.waitUntil(hasRow("requests", "418 | GET | /v2024/connector-customizers") + " && !" + hasRow("faults", "list:"))

	b.do(chromedp.SetValue(chromedp.CSS("#operation"), "any"))
	b.typeInto("effects", "reset,times=always\r")
	b.waitUntil(hasRow("faults", "any:reset,times=always"))
	b.do(chromedp.Click(chromedp.CSS("#faults > li:first-child button")))
	b.waitUntil(rows("faults") + ".join() === 'any:reset,times=always | Remove'")
	b.do(chromedp.Click(chromedp.CSS("#faults button")))
	b.waitUntil(hasText("#faults-none", "None."))
	run("list")
	b.waitUntil(hasRow("requests", "200 | GET | /v2024/connector-customizers"))
}

// A filter and open details survive updates of the page. The counts are of what is shown.
func TestPageDetails(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	url, run := b.openPage(1280, "--customizers", "20", "--instances", "5")
	run("create", "HR feed")
	run("link", "HR feed", "instance-000004")
	b.waitUntil(hasRow("instances", "instance-000004 | HR feed") + " && " + hasRow("instances", "instance-000005 | not linked"))
	run("get", "customizer-000007")
	resp, err := http.Post(url+"/nowhere?a=b&c=d", "application/zip", strings.NewReader("PK\x03\x04"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	b.waitUntil(hasRow("requests", "404 | POST | /nowhere?a=b&c=d"))
	b.waitUntil("document.querySelector('#requests details').textContent.includes('4 bytes, not text')")
	b.check("document.querySelector('#customizers-count').textContent === '21' && document.querySelector('#instances-count').textContent === '5'", "all are counted")

	b.typeInto("filter", "hr FEED")
	b.waitUntil(rows("customizers") + ".length === 1 && " + rows("instances") + ".length === 1 && " + hasText("#requests-none", "No matches."))
	b.check("document.querySelector('#customizers-count').textContent === '1 of 21' && /^0 of \\d+$/.test(document.querySelector('#requests-count').textContent)", "the shown ones are counted")
	run("create", "another")
	run("create", "hr-feed, the second")
	b.waitUntil(rows("customizers") + ".length === 2")
	b.typeInto("filter", "patch 200")
	b.waitUntil(rows("requests") + ".length === 1 && " + hasRow("requests", "200 | PATCH | /beta/connector-instances/"))

	b.do(chromedp.Focus(chromedp.CSS("#requests > li:not([hidden]) summary")), chromedp.KeyEvent("\r"))
	details := "document.querySelector('#requests > li:not([hidden]) details[open]').innerText"
	for _, text := range []string{"link", "Content-Type: application/json", "Authorization: Bearer ", " bytes", `[{"op":"replace","path":"/connectorCustomizerId","value":"`, "status 200"} {
		b.check(details+".includes('"+text+"')", "details of the request")
	}
	b.check("/Received\\s+\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d/.test("+details+")", "an ISO date")
	for range 20 { // enough requests to drop the row from the list
		run("list")
		run("instances")
	}
	b.waitUntil("document.querySelectorAll('#requests > li').length === 51")
	b.check("document.activeElement === document.querySelector('#requests details[open] summary')", "the row keeps the focus")
	b.typeInto("filter", "/")
	b.waitUntil(rows("requests") + ".length === 51")
	b.check("document.querySelectorAll('#requests details[open]').length === 1", "details stay open")
	b.check(hasRow("requests", "200 | PATCH"), "the open details are of the same request")
	b.do(chromedp.Click(chromedp.CSS("#requests details[open] summary")))
	b.waitUntil(rows("requests") + ".length === 50")
}

// The requests are beside the lists in a wide window and under them in a narrow one. Nothing
// overflows, and controls are large enough for touch.
func TestPageLayout(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, run := b.openPage(1280, "--customizers", "20", "--instances", "5", "--fault", "list:status=503,times=2,body="+strings.Repeat("x", 300), "--fault", "update:reset")
	run("create", strings.Repeat("long", 40))
	run("link", strings.Repeat("long", 40), "instance-000001")
	run("update", "customizer-000007", "--name", "other")
	for range 5 {
		run("get", "customizer-000007")
	}
	b.waitUntil(hasRow("requests", "GET") + " && " + hasRow("instances", "longlong"))
	b.check("document.querySelectorAll('details').forEach(e => { e.open = true; }) || true", "all details opened")
	for _, width := range []int64{1280, 1088, 1087, 700, 390, 320} {
		b.do(chromedp.EmulateViewport(width, 800))
		b.check("window.box = id => document.getElementById(id).getBoundingClientRect(); true", "helper defined")
		at := fmt.Sprintf("at a width of %d", width)
		if width >= 1088 {
			b.check("box('s-requests').left > box('s-customizers').right && box('s-requests').top === box('s-customizers').top", "requests beside the lists "+at)
			b.check("box('s-instances').right < box('s-requests').left && box('s-instances').top > box('s-customizers').bottom", "instances under the customizers "+at)
			b.check("box('s-faults').left === box('s-requests').left && box('s-faults').bottom < box('s-requests').top", "faults above the requests "+at)
		} else {
			b.check("box('s-requests').left === box('s-customizers').left && box('s-requests').top > box('s-instances').bottom", "requests under the lists "+at)
		}
		b.check("document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('section, .items')].every(e => e.scrollWidth <= e.clientWidth)", "no horizontal overflow "+at)
		b.check(`[...document.querySelectorAll('section')].every(s => [...s.querySelectorAll('*')].every(e => {
			const box = e.getBoundingClientRect();
			return !box.width || box.left >= s.getBoundingClientRect().left && box.right <= s.getBoundingClientRect().right;
		}))`, "no element overflows its section "+at)
		b.check("[...document.querySelectorAll('.request')].every(r => r.children[0].clientHeight < 30)", "no status is wrapped "+at)
		b.check("[...document.querySelectorAll('button, input, select, summary')].every(e => e.getBoundingClientRect().height >= 32)", "large enough to touch "+at)
	}
}

// The page reports that its sandbox has stopped, and continues once it is back.
func TestPageWithoutSandbox(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	dir := t.TempDir()
	s, err := startSandbox(dir, environ(dir), nil, "--quiet")
	require.NoError(t, err)
	url := s.exports["SAIL_BASE_URL"]
	b.do(chromedp.Navigate(url + "/"))
	b.waitUntil("document.querySelectorAll('#customizers > li').length === 3")
	start := time.Now()
	require.NoError(t, s.stop())
	assert.Less(t, time.Since(start), 10*time.Second, "an open page does not delay the shutdown")
	b.waitUntil("document.querySelector('#stopped').textContent === 'The sandbox has stopped.'")

	again := exec.Command(program, "sandbox", "--quiet", "--customizers", "5", "--port", url[strings.LastIndex(url, ":")+1:])
	again.Env = environ(dir)
	require.NoError(t, again.Start())
	t.Cleanup(func() { _ = again.Process.Kill() })
	b.waitUntil("document.querySelectorAll('#customizers > li').length === 5 && document.querySelector('#stopped').textContent === ''")
}

var screenshot = flag.String("screenshot", "", "write a picture of the sandbox's page to this `file`")

// With -screenshot, TestScreenshot writes the picture in the documentation.
func TestScreenshot(t *testing.T) {
	t.Parallel()
	if *screenshot == "" {
		t.Skip("no -screenshot")
	}
	dir := t.TempDir()
	content, err := json.Marshal(tenant{
		Customizers: []customizers.Customizer{{Name: "hr-feed"}, {Name: "badge-sync"}, {Name: "cost-centers"}},
		Instances:   []instances.Instance{{Name: "HR production"}, {Name: "HR test"}, {Name: "Badges"}},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tenant.json"), content, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dist"), 0o700))
	dist := filepath.Join(dir, "dist")
	require.NoError(t, os.WriteFile(filepath.Join(dist, "index.js"), []byte("exports.connectorCustomizer = async () => {}\n"), 0o600))

	b := newBrowser(t)
	url, run := b.openPage(1280, "-tenant", filepath.Join(dir, "tenant.json"), "--fault", "delete:status=503,times=always")
	fail := func(rule string, args ...string) {
		resp, err := http.Post(url+"/_sandbox/faults", "", strings.NewReader(rule))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		run(args...)
	}
	run("deploy", "badge-sync", dist, "--link", "Badges")
	run("deploy", "hr-feed", dist, "--link", "HR production", "--link", "HR test")
	fail("create:reset,apply", "create", "room-sync")
	fail("instances:status=429,retry-after=1", "instances")
	fail("list:expire-token", "list")
	b.waitUntil(hasRow("requests", "429") + " && " + hasRow("requests", "401") + " && " + hasRow("instances", "HR test | hr-feed"))
	b.check(`["#customizers", "#requests"].forEach(list => {
		[...document.querySelectorAll(list + " details")].find(d => /hr-feed|reset/.test(d.textContent)).open = true;
	}) || true`, "details opened")
	b.do(chromedp.EmulateViewport(1280, 1060))
	b.waitUntil("document.getAnimations().length === 0")
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(*screenshot, png, 0o600))
}
