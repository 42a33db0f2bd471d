package customizers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// An outcome has the number of a call's requests, and the sentinels of its error.
type outcome struct {
	requests int
	fails    bool
	is       []error
}

func succeeds(requests int) outcome           { return outcome{requests: requests} }
func fails(requests int, is ...error) outcome { return outcome{requests, true, is} }

var (
	once, twice       = succeeds(1), succeeds(2)
	failsOnce         = fails(1)
	unknown           = fails(1, customizers.ErrOutcomeUnknown)
	serverUnknown     = fails(1, customizers.ErrServer, customizers.ErrOutcomeUnknown)
	connectionUnknown = fails(1, customizers.ErrConnection, customizers.ErrOutcomeUnknown)
	unauthorized      = fails(2, customizers.ErrUnauthorized)
	limited           = fails(4, customizers.ErrRateLimited)
)

// html returns a fault in which the tenant acts but a proxy responds with 200.
func html(body string) fault {
	return fault{Apply: true, Status: 200, Header: header("Content-Type", "text/html"), Body: body}
}

// matrix has a row for each fault: the outcome of an operation that can be repeated (List, Get,
// Update, Delete, and Do by its method), of one that creates (Create, CreateVersion, Do with POST
// or PATCH), and of exceptions.
var matrix = []struct {
	name         string
	fault        fault
	safe, create outcome
	except       map[string]outcome // by operation
	took         time.Duration      // in virtual time; such a fault runs only without a socket
}{
	{"none", fault{Skip: 9}, once, once, nil, 0},
	{"429 with Retry-After", fault{Status: 429, Header: header("Retry-After", "30")}, twice, twice, nil, 30 * time.Second},
	{"429 four times", fault{Status: 429, Times: 4}, limited, limited, nil, 0},
	{"408", fault{Status: 408}, twice, unknown, nil, 0},
	{"500", fault{Status: 500}, twice, serverUnknown, nil, 0},
	{"502", fault{Status: 502}, twice, serverUnknown, nil, 0},
	{"503", fault{Status: 503}, twice, serverUnknown, nil, 0},
	{"504", fault{Status: 504}, twice, serverUnknown, nil, 0},
	{"503 after acting", fault{Status: 503, Apply: true}, twice, serverUnknown, doDeleteTwice, 0},
	{"503 four times", fault{Status: 503, Times: 4}, fails(4, customizers.ErrServer), serverUnknown, nil, 0},
	{"501", fault{Status: 501}, fails(1, customizers.ErrServer), serverUnknown, nil, 0},
	{"401 once", fault{ExpireToken: true}, twice, twice, nil, 0},
	{"401 twice", fault{Status: 401, Times: 2}, unauthorized, unauthorized, nil, 0},
	{"403", fault{Status: 403}, fails(1, customizers.ErrForbidden), fails(1, customizers.ErrForbidden), nil, 0},
	{
		"404", fault{Status: 404}, fails(1, customizers.ErrNotFound), fails(1, customizers.ErrNotFound),
		map[string]outcome{string(customizerstest.List): failsOnce, string(customizerstest.Create): failsOnce}, 0,
	},
	{"400", fault{Status: 400}, fails(1, customizers.ErrBadRequest), fails(1, customizers.ErrBadRequest), nil, 0},
	{"reset", fault{Reset: true}, twice, connectionUnknown, nil, 0},
	{"reset after acting", fault{Reset: true, Apply: true}, twice, connectionUnknown, doDeleteTwice, 0},
	{"broken body", fault{TruncateAt: 5}, twice, connectionUnknown, withoutBody, 0},
	{"200 with HTML", html("<html>Sign in</html>"), failsOnce, unknown, nil, 0},
	{"200 without a body", html(""), failsOnce, unknown, map[string]outcome{string(customizerstest.Delete): once}, 0},
	{"redirect", fault{Status: 307, Header: header("Location", "/v2025/connector-customizers")}, failsOnce, unknown, nil, 0},
	{"context ends", fault{Delay: time.Hour}, failsOnce, unknown, nil, contextEnds},
	{"stall", fault{Delay: time.Hour}, twice, connectionUnknown, nil, stall},
}

// Do returns the 404 of the second attempt as it is: only the caller knows what the path means.
var doDeleteTwice = map[string]outcome{"Do DELETE": fails(2, customizers.ErrNotFound)}

// A response without a body has none to break.
var withoutBody = map[string]outcome{string(customizerstest.Delete): once, "Do DELETE": once, "Do HEAD": once}

const (
	contextEnds = 5 * time.Second
	stall       = time.Minute // twice as long for what can't be repeated
)

// want returns the outcome of op, given those of a row. Do does not decode a response.
func (op operation) want(f fault, safe, create outcome, except map[string]outcome) outcome {
	want := safe
	if op.create {
		want = create
	}
	if special, ok := except[op.String()]; ok {
		want = special
	}
	if op.method != "" && f.Status == http.StatusOK {
		return once
	}
	return want
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, row := range matrix {
		for _, op := range allOperations {
			run := func(t *testing.T, ctx context.Context, srv *customizerstest.Server, c *customizers.Client) {
				f := row.fault
				f.Operation = op.name
				srv.Inject(f)
				want := op.want(f, row.safe, row.create, row.except)
				err := op.call(ctx, c)
				if want.fails {
					e := failure(t, err, want.is...)
					assert.Equal(t, want.requests, e.Attempts)
				} else {
					require.NoError(t, err)
				}
				assert.Len(t, srv.Requests(op.name), want.requests)
				assert.LessOrEqual(t, len(srv.Customizers()), 2, "created twice")
				assert.LessOrEqual(t, len(srv.Versions("one")), 1, "created twice")
			}
			t.Run(fmt.Sprint(row.name, "/", op, "/memory"), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if row.took == contextEnds {
						time.AfterFunc(contextEnds, cancel)
					}
					srv := newServer(t, customizerstest.WithoutSocket(), withOne())
					start := time.Now()
					run(t, ctx, srv, srv.Client())
					took := time.Since(start)
					if row.took == stall && op.create {
						took -= stall
					}
					if row.took > 0 {
						assert.GreaterOrEqual(t, took, row.took)
					}
					assert.LessOrEqual(t, took, row.took+4*time.Second, "beyond the backoff")
				})
			})
			if row.took > 0 {
				continue
			}
			for _, n := range networks {
				t.Run(fmt.Sprint(row.name, "/", op, "/", n.name), func(t *testing.T) {
					t.Parallel()
					srv := n.newServer(t, withOne())
					run(t, testContext(t), srv, n.newClient(t, srv))
				})
			}
		}
	}
}

// A delete whose response is lost has succeeded if the service then finds nothing.
func TestPromiseDelete(t *testing.T) {
	t.Parallel()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			srv := n.newServer(t)
			c := n.newClient(t, srv)
			for _, tt := range []struct {
				fault fault
				want  error
			}{
				{fault{Reset: true, Apply: true}, nil},
				{fault{Status: 503, Apply: true}, nil},
				{fault{Status: 429, Apply: true}, customizers.ErrNotFound}, // a 429 proves that nothing was done
			} {
				id := srv.Add("name")[0].ID
				tt.fault.Operation = customizerstest.Delete
				srv.Inject(tt.fault)
				require.ErrorIs(t, c.Delete(testContext(t), id), tt.want, "%+v", tt.fault)
				require.ErrorIs(t, c.Delete(testContext(t), id), customizers.ErrNotFound, "no earlier attempt")
			}
			assert.Empty(t, srv.Customizers())
		})
	}
}

// One token serves calls of all kinds.
func TestPromiseOneTokenForAll(t *testing.T) {
	t.Parallel()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			srv := n.newServer(t, withOne())
			c := n.newClient(t, srv)
			for round := 1; round <= 3; round++ {
				srv.Inject(fault{Operation: customizerstest.Token, Delay: 20 * time.Millisecond})
				var wg sync.WaitGroup
				for range 25 {
					wg.Go(func() { assert.NoError(t, list(testContext(t), c)) })
					wg.Go(func() { assert.NoError(t, doOperations[0].call(testContext(t), c)) })
				}
				wg.Wait()
				require.NoError(t, list(testContext(t), c))
				assert.Len(t, srv.Requests(customizerstest.Token), round)
				srv.ExpireTokens()
			}
			for _, op := range allOperations {
				expired := n.newServer(t, withOne(), customizerstest.WithTokenLifetime(0))
				requireFailure(t, op.call(testContext(t), n.newClient(t, expired)), customizers.ErrUnauthorized)
				assert.Len(t, expired.Requests(customizerstest.Token), 2, "renewed once")
				assert.Len(t, expired.Customizers(), 1)
			}
		})
	}
}

// A client that keeps to the service's limit gets no 429. The limit counts requests, not calls.
func TestPromiseRateLimit(t *testing.T) {
	t.Parallel()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			srv := n.newServer(t, withOne(), customizerstest.WithRateLimit(10, 200*time.Millisecond))
			srv.Inject(fault{Operation: customizerstest.Update, Reset: true, Times: 3})
			c := n.newClient(t, srv, customizers.WithRateLimit(10, 400*time.Millisecond)) // leaves room for delays on the way
			var wg sync.WaitGroup
			for range 3 {
				for _, op := range []operation{operations[0], operations[2], doOperations[0]} {
					wg.Go(func() { assert.NoError(t, op.call(testContext(t), c)) })
				}
			}
			wg.Wait()
			requests := srv.Requests()
			assert.Len(t, requests, 1+9+3)
			for _, r := range requests {
				assert.NotEqual(t, http.StatusTooManyRequests, r.Status)
			}
		})
	}
}

// TestDoStaysOnTheTenant has the URLs of Do.
func TestPromiseIDsAreValidatedFirst(t *testing.T) {
	t.Parallel()
	srv := newServer(t, withOne())
	c := srv.Client()
	for _, id := range []string{"", ".", "..", "a/b", "/", `a\b`, "../x", " ", "a b", "a\n", "\x7f"} {
		for name, call := range map[string]func() error{
			"Get":           func() error { _, err := c.Get(t.Context(), id); return err },
			"Update":        func() error { _, err := c.Update(t.Context(), id, customizers.UpdateRequest{Name: "n"}); return err },
			"Delete":        func() error { return c.Delete(t.Context(), id) },
			"CreateVersion": func() error { _, err := c.CreateVersion(t.Context(), id, nil); return err },
		} {
			require.ErrorIs(t, call(), customizers.ErrInvalidArgument, "%s(%q)", name, id)
		}
	}
	assert.Empty(t, srv.Requests(), "not even a token request")
	assert.Len(t, srv.Customizers(), 1)
}

// The tests of the list reader have more changes to lists.
func TestPromiseEveryRecordOnce(t *testing.T) {
	t.Parallel()
	const customizersInList = 260
	for name, change := range map[string]func(*customizerstest.Server, *customizers.Client, customizers.Customizer) error{
		"others are created": func(srv *customizerstest.Server, _ *customizers.Client, _ customizers.Customizer) error {
			srv.Add("another")
			return nil
		},
		"records read are deleted": func(_ *customizerstest.Server, c *customizers.Client, read customizers.Customizer) error {
			return c.Delete(context.Background(), read.ID)
		},
	} {
		for i, opts := range []customizers.ListOptions{{}, {Limit: 7}, {Limit: 40}, {Limit: 40, Count: true}} {
			n := networks[i] // each is read over a network of its own
			srv := n.newServer(t, customizerstest.WithCustomizerCount(customizersInList))
			c := n.newClient(t, srv)
			missing := map[string]bool{}
			for _, item := range srv.Customizers() {
				missing[item.ID] = true
			}
			seen, read := map[string]bool{}, 0
			for item, err := range c.All(testContext(t), opts) {
				require.NoError(t, err)
				require.False(t, seen[item.ID], "%s: yielded twice", name)
				seen[item.ID] = true
				delete(missing, item.ID)
				if read++; read <= customizersInList {
					require.NoError(t, change(srv, c, item))
				}
			}
			assert.Empty(t, missing, name)
		}
	}
}

func TestPromiseListErrorsAreReported(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"400": {Status: 400}, "403": {Status: 403}, "503": {Status: 503}, "redirect": {Status: 302},
		"reset": {Reset: true}, "broken body": {TruncateAt: 1000}, "HTML": html("<html>"), "empty": html(""), "null": {Status: 200, Body: "null"},
	} {
		for _, count := range []bool{false, true} {
			srv := newServer(t, customizerstest.WithoutSocket(), customizerstest.WithCustomizerCount(600))
			f.Operation, f.Times, f.Skip = customizerstest.List, -1, 1
			srv.Inject(f)
			records, errs := 0, 0
			for item, err := range quickClient(t, srv).All(t.Context(), customizers.ListOptions{Count: count}) {
				if err == nil {
					records++
					continue
				}
				errs++
				assert.Zero(t, item)
			}
			assert.Equal(t, 250, records, name)
			assert.Equal(t, 1, errs, name)
		}
	}
}

// A call whose context has ended sends nothing. internal/transport has each state in which a
// context may end.
func TestPromiseEndedContextSendsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	wire := newScript(respond(200, "[]"))
	for _, op := range allOperations {
		err := op.call(ctx, clientOver(t, wire))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, enough, "the cause")
		requireFailure(t, err)
	}
	assert.Empty(t, wire.requests)
}

// A call whose context ends during a wait fails at once, with the last failure too. Do has no
// response then.
func TestPromiseWaitsEndWithTheContext(t *testing.T) {
	t.Parallel()
	for _, call := range []func(context.Context, *customizers.Client) error{list, func(ctx context.Context, c *customizers.Client) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/x", nil)
		if err == nil {
			_, err = c.Do(req)
		}
		return err
	}} {
		synctest.Test(t, func(t *testing.T) {
			c := clientOver(t, respond(503, "", "Retry-After", "30"))
			enough := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(enough) })
			start := time.Now()
			err := call(ctx, c)
			assert.Equal(t, 3*time.Second, time.Since(start))
			requireFailure(t, err, customizers.ErrServer)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, enough)
		})
	}
}

// upload and doUpload upload an archive that does not end.
func upload(ctx context.Context, c *customizers.Client) error {
	_, err := c.CreateVersion(ctx, "one", io.MultiReader(zeros{}))
	return err
}

func doUpload(ctx context.Context, c *customizers.Client) error {
	return doBody(ctx, c, io.MultiReader(zeros{}))
}

func doBody(ctx context.Context, c *customizers.Client, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/beta/things", body)
	if err == nil {
		_, err = c.Do(req)
	}
	return err
}

// A call returns when its context ends, over sockets too.
func TestPromiseCallsEndWithTheContext(t *testing.T) {
	t.Parallel()
	silent := func() io.Reader { r, _ := io.Pipe(); return r }
	for name, call := range map[string]func(context.Context, *customizers.Client) error{
		"body":                      list,
		"body, Do":                  doOperations[0].call,
		"body that is not read":     upload,
		"body that is not read, Do": doUpload,
		"archive that blocks": func(ctx context.Context, c *customizers.Client) error {
			_, err := c.CreateVersion(ctx, "one", silent())
			return err
		},
		"body that blocks, Do": func(ctx context.Context, c *customizers.Client) error { return doBody(ctx, c, silent()) },
	} {
		for _, n := range networks {
			t.Run(name+"/"+n.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(testContext(t))
				over := make(chan struct{})
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet {
						_, _ = io.WriteString(w, "[")
						_ = http.NewResponseController(w).Flush()
					}
					time.AfterFunc(10*time.Millisecond, cancel)
					<-over
				}))
				srv.EnableHTTP2 = true
				if n.tls {
					srv.StartTLS()
				} else {
					srv.Start()
				}
				t.Cleanup(srv.Close)
				t.Cleanup(func() { close(over) })
				c := newClient(t, srv.URL, customizers.TokenSource(static("token")), customizers.WithHTTPClient(n.client(t, srv.Certificate())))
				done := make(chan error, 1)
				go func() { done <- call(ctx, c) }()
				select {
				case err := <-done:
					require.ErrorIs(t, err, context.Canceled)
				case <-time.After(10 * time.Second):
					t.Error("the call does not end")
				}
			})
		}
	}
}

func TestPromiseLongWaitsFailAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := newScript(respond(429, "", "Retry-After", "300"), respond(503, "", "Retry-After", "50"), respond(200, "[]"))
		c := clientOver(t, wire)
		start := time.Now()
		e := failure(t, list(t.Context(), c), customizers.ErrRateLimited)
		assert.Equal(t, 5*time.Minute, e.RetryAfter, "longer than MaxWait")
		assert.Equal(t, 1, e.Attempts)

		time.Sleep(time.Minute)
		for _, op := range allOperations { // any call, while the pause lasts
			e = failure(t, op.call(t.Context(), c), customizers.ErrRateLimited)
			assert.Equal(t, 4*time.Minute, e.RetryAfter)
			assert.Zero(t, e.Attempts)
		}
		assert.Equal(t, time.Minute, time.Since(start))

		time.Sleep(4 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
		defer cancel()
		start = time.Now()
		e = failure(t, list(ctx, c), customizers.ErrServer)
		require.ErrorIs(t, e, context.DeadlineExceeded)
		assert.Equal(t, 50*time.Second, e.RetryAfter, "ends after the deadline")
		assert.Zero(t, time.Since(start))
		require.NoError(t, list(t.Context(), c))
	})
}

func TestPromiseListInConstantMemory(t *testing.T) { // not parallel: it reads the heap
	const records = 100_000
	c := clientOver(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		return respond(200, recordsOf(req, records))(req)
	}), customizers.WithoutRateLimit())
	before, most, n := heap(), int64(0), 0
	for _, err := range c.All(t.Context(), customizers.ListOptions{}) {
		require.NoError(t, err)
		if n++; n%25_000 == 0 {
			most = max(most, heap())
		}
	}
	assert.Equal(t, records, n)
	assert.Less(t, most-before, int64(8<<20), "bytes above an idle client")
}

// recordsOf returns the page that req asks for, of a list of n records.
func recordsOf(req *http.Request, n int) string {
	offset, limit := 0, 0
	_, _ = fmt.Sscan(req.URL.Query().Get("offset"), &offset)
	_, _ = fmt.Sscan(req.URL.Query().Get("limit"), &limit)
	var page strings.Builder
	for i := offset; i < min(n, offset+limit); i++ {
		_, _ = fmt.Fprintf(&page, `,{"id":"%036d","name":"customizer-%d","created":"2021-05-11T22:23:16Z"}`, i, i)
	}
	return "[" + strings.TrimPrefix(page.String(), ",") + "]"
}

func TestPromiseUploadInConstantMemory(t *testing.T) { // not parallel: it reads the heap
	const size = 128 << 20
	file, err := os.Create(filepath.Join(t.TempDir(), "big.zip"))
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.NoError(t, file.Truncate(size)) // a sparse file, which needs no disk space
	before, most := heap(), int64(0)
	var sizes []int64
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		n := int64(0)
		for {
			read, err := io.CopyN(io.Discard, r.Body, 32<<20)
			n, most = n+read, max(most, heap())
			if err != nil {
				break
			}
		}
		if sizes = append(sizes, n); len(sizes) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, `{"version":1}`)
	})
	_, err = c.CreateVersion(testContext(t), "one", file)
	require.NoError(t, err)
	assert.Equal(t, []int64{size, size}, sizes)
	assert.Less(t, most-before, int64(16<<20), "bytes above an idle client")
	_, err = c.CreateVersion(testContext(t), "one", io.LimitReader(file, size))
	require.NoError(t, err, "a reader that can be read once")
	assert.Less(t, most-before, int64(16<<20), "bytes above an idle client")
}

// internal/transport has the sizes.
func TestPromiseResponsesAreBounded(t *testing.T) { // not parallel: it reads the heap
	var written atomic.Int64
	write := func(w io.Writer) {
		chunk := make([]byte, 1<<20)
		for range 256 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			if _, ok := w.(http.ResponseWriter); ok { // compressed data may all be in buffers
				written.Add(int64(len(chunk)))
			}
		}
	}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"endless body": {func(w http.ResponseWriter, _ *http.Request) { write(w) }, "larger than 16 MiB"},
		"gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			write(z)
			_ = z.Close()
		}, "larger than 16 MiB"},
		"deep":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("["), 8<<20)) }, "max depth"},
		"headers": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 2<<20)) }, "headers exceeded"},
	} {
		for _, op := range []operation{operations[0], doOperations[0]} {
			if name == "deep" && op.method != "" {
				continue // Do decodes nothing
			}
			c := clientOf(t, tt.handler, noRetry)
			written.Store(0)
			before := heap()
			err := op.call(testContext(t), c)
			require.ErrorContains(t, err, tt.says)
			assert.Less(t, written.Load(), int64(128<<20), "bytes read or in buffers")
			assert.Less(t, heap()-before, int64(64<<20))
		}
	}
}

// Whatever the fault, no error and no log line contains a secret or a byte of an archive, even
// if the service echoes the request.
func TestPromiseNoSecrets(t *testing.T) {
	t.Parallel()
	const secret, token, archive = "s3cret+&/=value", "header.payload.signature", "ARCHIVE-BYTES"
	responses := map[string]roundTripper{
		"reset": func(req *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("reset while sending %s to %s", req.Header.Get("Authorization"), secret)
		},
	}
	for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 503} {
		for _, format := range []string{
			"%s", "<title>%s</title>", "%q", `{"error":%q}`, `{"message":%q}`, `{"error":{"a":%q}}`, `{"detailCode":%q}`, `{"trackingId":%q}`,
			`{"other":%q}`, `{"messages":[{"text":%q}]}`, `{"causes":[{"text":%q}]}`, `{"error":"e","error_description":%q}`, `{"created":%q}`,
		} {
			kind := "text/plain"
			if strings.HasPrefix(format, "{") {
				kind = "application/json"
			}
			responses[fmt.Sprint(status, format)] = func(req *http.Request) (*http.Response, error) {
				var body []byte
				if req.Body != nil {
					body, _ = io.ReadAll(req.Body)
				}
				text := fmt.Sprint(req.Header.Get("Authorization"), " ", string(body), " ", secret, " ", url.QueryEscape(secret))
				return respond(status, fmt.Sprintf(format, text), "Content-Type", kind,
					"Location", "https://elsewhere.example/"+url.PathEscape(text)+"?t="+url.QueryEscape(text))(req)
			}
		}
	}
	for name, response := range responses {
		for _, atToken := range []bool{true, false} {
			var out strings.Builder
			log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))
			c := newClient(t, "acme", customizers.ClientCredentials("the-id", secret), customizers.WithoutRateLimit(), customizers.WithLogger(log),
				customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 2, MinBackoff: 1, MaxBackoff: 1}),
				customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					if req.URL.Path == "/oauth/token" && !atToken {
						return respond(200, `{"access_token":"`+token+`"}`)(req)
					}
					return response(req)
				})}))
			for _, op := range allOperations {
				if err := op.call(t.Context(), c); err != nil {
					_, _ = io.WriteString(&out, everyFormat(err))
				}
			}
			_, err := c.CreateVersion(t.Context(), "one", strings.NewReader(archive))
			_, _ = io.WriteString(&out, everyFormat(err))
			hidden := []string{secret, token}
			own := strings.Contains(name, "{") && !strings.Contains(name, "other") && !strings.Contains(name, `"a"`)
			if atToken || !own { // the service's own fields are kept
				hidden = append(hidden, archive)
			}
			assert.NotEmpty(t, out.String())
			assertHidden(t, name, out.String(), hidden...)
		}
	}
	c := newClient(t, "acme", customizers.ClientCredentials("the-id", secret))
	for _, v := range []any{c, *c, struct{ C *customizers.Client }{c}, customizers.ClientCredentials("the-id", secret), customizers.TokenSource(static(token))} {
		assertHidden(t, "printed value", everyFormat(v), secret, token)
	}
}

// everyFormat returns a value in the formats in which a program may print it.
func everyFormat(v any) string {
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "%v %+v %#v %s %q\n", v, v, v, v, v)
	if data, err := json.Marshal(v); err == nil {
		out.Write(data)
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("m", "v", v)
	}
	return out.String()
}

// assertHidden checks that text does not contain the secrets in any encoding.
func assertHidden(t *testing.T, name, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range []string{
			s, url.QueryEscape(s), strings.ReplaceAll(s, "&", `\u0026`), base64.StdEncoding.EncodeToString([]byte(s)),
			fmt.Sprintf("%x", s), fmt.Sprintf("%v", []byte(s)),
		} {
			if strings.Contains(text, form) {
				t.Errorf("%s: %q is in %s", name, form, text)
			}
		}
	}
}

// No redirect and no other response makes the client send credentials elsewhere. TestTenant
// has the addresses that New rejects, and TestTLS the connections.
func TestPromiseCredentialsOnlyToTheTenant(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent elsewhere", r.Method, r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	follows := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirect := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL+"/there", status) }
		atToken := httptest.NewServer(http.HandlerFunc(redirect))
		t.Cleanup(atToken.Close)
		for _, c := range []*customizers.Client{
			clientOf(t, redirect, customizers.WithHTTPClient(follows)),
			newClient(t, atToken.URL, customizers.ClientCredentials("id", "secret"), customizers.WithHTTPClient(follows)),
		} {
			for _, op := range allOperations {
				err := op.call(testContext(t), c)
				var e *customizers.Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, status, e.StatusCode)
				require.ErrorContains(t, err, "redirects to "+elsewhere.URL+" are not followed")
			}
		}
	}
	wire := newScript(respond(200, `{"access_token":"a","expires_in":1,"token_url":"https://elsewhere.example"}`))
	c := newClient(t, "acme", customizers.ClientCredentials("id", "secret"), customizers.WithHTTPClient(&http.Client{Transport: wire}))
	for _, op := range allOperations {
		_ = op.call(t.Context(), c)
	}
	for _, req := range wire.requests {
		assert.Equal(t, "https://acme.api.identitynow.com", req.URL.Scheme+"://"+req.URL.Host)
	}
}
