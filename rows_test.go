package customizers_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// Each test of this file is a row of the design's comparison with the clients in use:
// a case in which at least one of them loses data or a night.

func TestRowListOf100000ByTheDefaultHelper(t *testing.T) {
	t.Parallel()
	const records = 100_000
	srv := sandbox(t, customizerstest.WithSeed(records))
	n := 0
	for _, err := range srv.Client().All(ctxOf(t), customizers.ListOptions{}) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, records, n)
	assert.Equal(t, records/249+1, sent(srv, customizerstest.List))
}

// What a list takes does not grow with its length. The pages come from a handler that
// keeps nothing, so that the client's memory is all there is to see.
func TestRowListOf100000InConstantMemory(t *testing.T) { // not parallel: it reads the heap
	const records = 100_000
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		offset, limit := 0, 0
		_, _ = fmt.Sscan(r.FormValue("offset"), &offset)
		_, _ = fmt.Sscan(r.FormValue("limit"), &limit)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "[")
		for i := offset; i < min(records, offset+limit); i++ {
			if i > offset {
				_, _ = io.WriteString(w, ",")
			}
			_, _ = fmt.Fprintf(w, `{"id":"%036d","name":"customizer-%d","tenantID":"%032d","created":"2021-05-11T22:23:16Z"}`, i, i, 7)
		}
		_, _ = io.WriteString(w, "]")
	}, customizers.WithRateLimit(0, 0))
	before, most, n := heap(), uint64(0), 0
	for _, err := range c.All(ctxOf(t), customizers.ListOptions{}) {
		require.NoError(t, err)
		if n++; n%25_000 == 0 {
			most = max(most, heap())
		}
	}
	assert.Equal(t, records, n)
	assert.Less(t, int64(most)-int64(before), int64(4<<20), "bytes above an idle client")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func pageOf(t *testing.T, srv *customizerstest.Server) []byte {
	t.Helper()
	token := tokenOf(t, srv)
	req, err := http.NewRequestWithContext(ctxOf(t), http.MethodGet, srv.URL+"/v2024/connector-customizers", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return body
}

// fixed answers everything with one body.
func fixed(body []byte) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, ContentLength: int64(len(body)), Request: req,
			Header: http.Header{"Content-Type": {"application/json"}},
			Body:   io.NopCloser(bytes.NewReader(body)),
		}, nil
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestRowTokenExpires(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	c := clientOf(t, srv)
	for range 3 {
		_, err := c.List(ctxOf(t), customizers.ListOptions{})
		require.NoError(t, err)
		srv.ExpireTokens()
	}
	assert.Equal(t, 3, sent(srv, customizerstest.Token))
	assert.Equal(t, 5, sent(srv, customizerstest.List), "two were refused and sent again")
}

// A run of 13 minutes with tokens of 749 seconds takes two, and no refusal.
func TestRowTokenIsRenewedBeforeItExpires(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	synctest.Test(t, func(t *testing.T) {
		c := overMemory(t, srv)
		for range 13*60 + 1 {
			_, err := c.List(t.Context(), customizers.ListOptions{})
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
	})
	assert.Equal(t, 2, sent(srv, customizerstest.Token))
	for _, r := range srv.Requests() {
		assert.Equal(t, http.StatusOK, r.Status)
	}
}

func TestRow50FirstCallsAtOnce(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Token, Delay: 50 * time.Millisecond})
	c := clientOf(t, srv)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := c.List(ctxOf(t), customizers.ListOptions{})
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Equal(t, 1, sent(srv, customizerstest.Token))
	assert.Equal(t, 50, sent(srv, customizerstest.List))
}

func TestRowCreateAnswered500AfterItWasDone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{408, 500, 502, 503, 504} {
		srv := sandbox(t)
		srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Acted: true, Status: status})
		_, err := clientOf(t, srv).Create(ctxOf(t), customizers.CreateRequest{Name: "once"})
		require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "check before you repeat it")
		assert.Len(t, srv.Customizers(), 1)
		assert.Equal(t, 1, sent(srv, customizerstest.Create))
	}
}

func TestRowCreateConnectionResetAfterItWasDone(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Acted: true, Cut: true})
	_, err := clientOf(t, srv).Create(ctxOf(t), customizers.CreateRequest{Name: "once"})
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
	assert.Len(t, srv.Customizers(), 1)
	assert.Equal(t, 1, sent(srv, customizerstest.Create))

	// The same when the answer breaks off.
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Acted: true, TruncateAt: 5})
	_, err = clientOf(t, srv).Create(ctxOf(t), customizers.CreateRequest{Name: "twice"})
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, http.StatusCreated, e.StatusCode, "what was known is kept")
	assert.Len(t, srv.Customizers(), 2)
}

func TestRow429WithRetryAfterPausesEveryCall(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	synctest.Test(t, func(t *testing.T) {
		c := overMemory(t, srv)
		srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Status: 429, Header: http.Header{"Retry-After": {"30"}}})
		start := time.Now()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				time.Sleep(time.Second)
				_, err := c.List(t.Context(), customizers.ListOptions{})
				assert.NoError(t, err)
			})
		}
		_, err := c.List(t.Context(), customizers.ListOptions{})
		require.NoError(t, err)
		wg.Wait()
		assert.Equal(t, 30*time.Second, time.Since(start), "never shortened")
		for i, r := range srv.Requests(customizerstest.List) {
			if i > 0 {
				assert.GreaterOrEqual(t, r.Time.Sub(start), 30*time.Second, "nothing is sent before")
			}
		}
	})
}

func TestRow429OverThePolicysCap(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	synctest.Test(t, func(t *testing.T) {
		c := overMemory(t, srv)
		srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Status: 429, Header: http.Header{"Retry-After": {"300"}}})
		start := time.Now()
		_, err := c.List(t.Context(), customizers.ListOptions{})
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, customizers.ErrRateLimited)
		assert.Equal(t, 429, e.StatusCode)
		assert.Equal(t, 5*time.Minute, e.RetryAfter)

		time.Sleep(time.Minute)
		_, err = c.Get(t.Context(), "x") // any call, while the pause lasts
		require.ErrorIs(t, err, customizers.ErrRateLimited)
		require.ErrorAs(t, err, &e)
		assert.Equal(t, 4*time.Minute, e.RetryAfter)
		assert.Empty(t, srv.Requests(customizerstest.Get))
		assert.Equal(t, time.Minute, time.Since(start), "both failed at once")

		time.Sleep(4 * time.Minute)
		_, err = c.List(t.Context(), customizers.ListOptions{})
		require.NoError(t, err)
	})
}

func TestRow429Or5xxToTheEnd(t *testing.T) {
	t.Parallel()
	for status, sentinel := range map[int]error{429: customizers.ErrRateLimited, 500: customizers.ErrServer, 503: customizers.ErrServer} {
		srv := sandbox(t)
		srv.Inject(customizerstest.Fault{
			Times: -1, Status: status,
			Body: `{"detailCode":"code","trackingId":"track-7","messages":[{"locale":"en-US","localeOrigin":"DEFAULT","text":"It is down."}]}`,
		})
		_, err := clientOf(t, srv).List(ctxOf(t), customizers.ListOptions{})
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, sentinel)
		assert.Equal(t, status, e.StatusCode)
		assert.Equal(t, "track-7", e.TrackingID)
		assert.Equal(t, []customizers.Message{{Locale: "en-US", LocaleOrigin: "DEFAULT", Text: "It is down."}}, e.Messages)
		assert.Equal(t, 4, e.Attempts)
		assert.Equal(t, 4, sent(srv, customizerstest.List))
		for _, want := range []string{fmt.Sprint(status), "It is down.", "track-7", "after 4 attempts", "GET /v2024/connector-customizers"} {
			assert.ErrorContains(t, err, want)
		}
	}
}

func TestRowEmptyOrHTMLBodyWith200(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ contentType, body, want string }{
		"empty":        {"application/json", "", "unexpected body (an empty body)"},
		"HTML":         {"text/html; charset=utf-8", "<html>Sign in</html>", "unexpected body (20 bytes of text/html)"},
		"HTML as JSON": {"application/json", "<html>Sign in</html>", "unexpected body (20 bytes of application/json)"},
		"truncated":    {"application/json", `{"id":"1"`, "unexpected body (9 bytes of application/json): unexpected end of JSON input"},
		"null":         {"application/json", `null`, "unexpected body (4 bytes of application/json)"},
		"no id":        {"application/json", `{}`, "it holds no customizer with an id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				_, _ = io.WriteString(w, tt.body)
			})
			check := func(err error, unknown bool) {
				t.Helper()
				var e *customizers.Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, http.StatusOK, e.StatusCode)
				require.ErrorContains(t, err, "200 OK")
				require.ErrorContains(t, err, tt.want)
				if unknown {
					require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
				} else {
					require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
				}
			}
			_, err := c.Get(ctxOf(t), "x")
			check(err, false)
			_, err = c.Update(ctxOf(t), "x", customizers.UpdateRequest{Name: "y"})
			check(err, false)
			_, err = c.Create(ctxOf(t), customizers.CreateRequest{Name: "y"})
			check(err, true)
			if name != "null" && name != "no id" { // which the contract allows for a version
				_, err = c.CreateVersion(ctxOf(t), "x", nil)
				check(err, true)
			}
			if name != "empty" && name != "null" && name != "no id" {
				check(c.Delete(ctxOf(t), "x"), false)
			}
			if name != "no id" {
				_, err = c.List(ctxOf(t), customizers.ListOptions{})
				check(err, false)
			}
		})
	}
}

func TestRowTheSpecsOwnExampleOfCreated(t *testing.T) {
	t.Parallel()
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"1","created":"2009-11-10 23:00:00 +0000 UTC"}`)
	})
	got, err := c.Get(ctxOf(t), "1")
	require.NoError(t, err)
	assert.True(t, got.Created.Equal(time.Date(2009, 11, 10, 23, 0, 0, 0, time.UTC)))

	c = answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"1","created":"yesterday"}`)
	})
	_, err = c.Get(ctxOf(t), "1")
	require.ErrorContains(t, err, `"yesterday" is not a date`)
}

func TestRowZipOfAVersion(t *testing.T) { // not parallel: it reads the heap
	const size = 64 << 20
	path := filepath.Join(t.TempDir(), "big.zip")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	z := zip.NewWriter(file)
	entry, err := z.CreateHeader(&zip.FileHeader{Name: "data.bin", Method: zip.Store})
	require.NoError(t, err)
	_, err = io.CopyN(entry, zeros{}, size)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	_, err = file.Seek(0, io.SeekStart)
	require.NoError(t, err)

	srv := sandbox(t)
	c := clientOf(t, srv)
	made := create(t, c, "big")
	// The first try is refused before it is read, and the second is sent whole.
	srv.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 429})

	done := make(chan uint64)
	stop := make(chan struct{})
	before := heap()
	go func() {
		var most uint64
		for {
			select {
			case <-stop:
				done <- most
				return
			default:
				most = max(most, heap())
			}
		}
	}()
	v, err := c.CreateVersion(ctxOf(t), made.ID, file)
	close(stop)
	most := <-done
	require.NoError(t, err)
	assert.Equal(t, int64(1), v.Version)
	kept := srv.Versions(made.ID)
	require.Len(t, kept, 1)
	assert.Greater(t, kept[0].ArchiveSize, int64(size))
	assert.Less(t, int64(most)-int64(before), int64(8<<20), "bytes above an idle client, with the tenant's own")
	requests := srv.Requests(customizerstest.CreateVersion)
	require.Len(t, requests, 2)
	assert.Equal(t, "application/zip", requests[1].Header.Get("Content-Type"))
	at, err := file.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	assert.Zero(t, at, "the file stands where it stood")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestRowDeleteWithAnEmptyID(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(2))
	c := clientOf(t, srv)
	ctx := ctxOf(t)
	for _, id := range []string{"", ".", "..", "a/b", "/", `a\b`, "../x", " ", "a b", "a\n"} {
		for name, call := range map[string]func() error{
			"Get":           func() error { _, err := c.Get(ctx, id); return err },
			"Update":        func() error { _, err := c.Update(ctx, id, customizers.UpdateRequest{Name: "n"}); return err },
			"Delete":        func() error { return c.Delete(ctx, id) },
			"CreateVersion": func() error { _, err := c.CreateVersion(ctx, id, nil); return err },
		} {
			err := call()
			require.ErrorIs(t, err, customizers.ErrInvalidArgument, "%s(%q)", name, id)
			assert.ErrorContains(t, err, "the id")
		}
	}
	assert.Empty(t, srv.Requests(), "nothing is sent, not even for a token")
	assert.Len(t, srv.Customizers(), 2)
}

func TestRowSecretsWithDebugOn(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	var out syncBuffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug - 10}))
	c := clientOf(t, srv, customizers.WithLogger(log))
	ctx := ctxOf(t)
	secrets := []string{srv.ClientSecret}
	note := func(err error) {
		if err != nil {
			log.Error("failed", "err", err, "text", err.Error(), "plus", fmt.Sprintf("%+v %#v", err, err))
		}
		secrets = append(secrets, tokenOf(t, srv))
		for _, r := range srv.Requests() {
			if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
				secrets = append(secrets, token)
			}
		}
	}
	made := create(t, c, "logged")
	_, err := c.CreateVersion(ctx, made.ID, strings.NewReader("ARCHIVE-BYTES"))
	note(err)
	srv.ExpireTokens()
	_, err = c.Get(ctx, "nowhere")
	note(err)
	for _, f := range []customizerstest.Fault{
		{Cut: true},
		{Status: 503},
		{Status: 400, Body: "{"},
		{Status: 302, Header: http.Header{"Location": {"https://elsewhere.example/?token=x"}}},
	} {
		f.Times = -1
		srv = sandbox(t)
		srv.Inject(f)
		_, err = clientOf(t, srv, customizers.WithLogger(log)).List(ctx, customizers.ListOptions{})
		require.Error(t, err)
		secrets = append(secrets, srv.ClientSecret)
		note(err)
	}
	text := out.String()
	assert.Contains(t, text, `"attempt":4`, "it is logged")
	for _, secret := range append(secrets, "ARCHIVE-BYTES", "token=x") {
		assert.NotContains(t, text, secret)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// tokenOf fetches a token by hand.
func tokenOf(t testing.TB, srv *customizerstest.Server) string {
	t.Helper()
	form := strings.NewReader("grant_type=client_credentials&client_id=" + srv.ClientID + "&client_secret=" + srv.ClientSecret)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, srv.URL+"/oauth/token", form)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	require.NotEmpty(t, answer.AccessToken)
	return answer.AccessToken
}
