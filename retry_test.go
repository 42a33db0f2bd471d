package customizers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// calls are the six operations on one customizer.
func calls(c *customizers.Client, id string) map[customizerstest.Operation]func(context.Context) error {
	return map[customizerstest.Operation]func(context.Context) error{
		customizerstest.List: func(ctx context.Context) error {
			_, err := c.List(ctx, customizers.ListOptions{})
			return err
		},
		customizerstest.Get: func(ctx context.Context) error { _, err := c.Get(ctx, id); return err },
		customizerstest.Update: func(ctx context.Context) error {
			_, err := c.Update(ctx, id, customizers.UpdateRequest{Name: "renamed"})
			return err
		},
		customizerstest.Delete: func(ctx context.Context) error { return c.Delete(ctx, id) },
		customizerstest.Create: func(ctx context.Context) error {
			_, err := c.Create(ctx, customizers.CreateRequest{Name: "new"})
			return err
		},
		customizerstest.CreateVersion: func(ctx context.Context) error {
			_, err := c.CreateVersion(ctx, id, nil)
			return err
		},
	}
}

// Every operation against every fault: who survives it, and how often it is sent.
func TestOperationsUnderFaults(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		fault       customizerstest.Fault
		surviveAll  bool // creates too
		surviveNone bool
	}{
		"429":              {fault: customizerstest.Fault{Status: 429}, surviveAll: true},
		"502":              {fault: customizerstest.Fault{Status: 502}},
		"503":              {fault: customizerstest.Fault{Status: 503}},
		"504":              {fault: customizerstest.Fault{Status: 504}},
		"500":              {fault: customizerstest.Fault{Status: 500}},
		"500 after acting": {fault: customizerstest.Fault{Status: 500, Acted: true}},
		"cut":              {fault: customizerstest.Fault{Cut: true}},
		"cut after acting": {fault: customizerstest.Fault{Cut: true, Acted: true}},
		"token expires":    {fault: customizerstest.Fault{ExpireToken: true}, surviveAll: true},
		"400":              {fault: customizerstest.Fault{Status: 400}, surviveNone: true},
		"403":              {fault: customizerstest.Fault{Status: 403}, surviveNone: true},
		"501":              {fault: customizerstest.Fault{Status: 501}, surviveNone: true},
		"302":              {fault: customizerstest.Fault{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}}, surviveNone: true},
	}
	for name, tt := range faults {
		for _, op := range []customizerstest.Operation{
			customizerstest.List, customizerstest.Get, customizerstest.Update,
			customizerstest.Delete, customizerstest.Create, customizerstest.CreateVersion,
		} {
			t.Run(name+" "+string(op), func(t *testing.T) {
				t.Parallel()
				srv := sandbox(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "one", Name: "one"}))
				fault := tt.fault
				fault.Operation = op
				srv.Inject(fault)
				err := calls(clientOf(t, srv), "one")[op](ctxOf(t))
				isCreate := op == customizerstest.Create || op == customizerstest.CreateVersion
				sent := srv.Requests(op)
				if tt.surviveNone || isCreate && !tt.surviveAll {
					require.Error(t, err)
					assert.Len(t, sent, 1)
					open := isCreate && (!tt.surviveNone || name == "501" || name == "302")
					assert.Equal(t, open, errors.Is(err, customizers.ErrOutcomeUnknown), "%v", err)
				} else {
					require.NoError(t, err)
					assert.Len(t, sent, 2)
				}
				assert.LessOrEqual(t, len(srv.Customizers()), 2, "never created twice")
				assert.LessOrEqual(t, len(srv.Versions("one")), 1, "never created twice")
			})
		}
	}
}

// A delete that was carried out though its answer was lost has succeeded; one that
// never was there has not.
func TestDeleteThatFindsNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault customizerstest.Fault
		want  error
	}{
		"cut after acting":           {customizerstest.Fault{Cut: true, Acted: true}, nil},
		"503 after acting":           {customizerstest.Fault{Status: 503, Acted: true}, nil},
		"limited, then deleted":      {customizerstest.Fault{Status: 429, Acted: true}, customizers.ErrNotFound},
		"token expired, not found":   {customizerstest.Fault{ExpireToken: true, Acted: true}, nil},
		"no fault but a 404 at once": {customizerstest.Fault{Skip: 9}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := sandbox(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "one"}))
			tt.fault.Operation = customizerstest.Delete
			srv.Inject(tt.fault)
			c := clientOf(t, srv)
			err := c.Delete(ctxOf(t), "one")
			if tt.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tt.want)
			}
			assert.Empty(t, srv.Customizers())
			require.ErrorIs(t, c.Delete(ctxOf(t), "one"), customizers.ErrNotFound)
		})
	}
}

// Proof that nothing was sent lets a create be sent again.
func TestCreateAfterAFailedDial(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	var dials atomic.Int32
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) == 2 { // the first is for the token
				return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	c := newClient(t, srv.URL, customizers.ClientCredentials(srv.ClientID, srv.ClientSecret), quick,
		customizers.WithHTTPClient(&http.Client{Transport: transport}))
	create(t, c, "once")
	assert.EqualValues(t, 3, dials.Load())
	assert.Len(t, srv.Customizers(), 1)
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	c := newClient(t, url, customizers.TokenSource(static("t")), quick)
	_, err = c.Create(ctxOf(t), customizers.CreateRequest{Name: "n"})
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 4, e.Attempts)
	assert.Zero(t, e.StatusCode)
	require.ErrorContains(t, err, "connection refused")
	require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
	var op *net.OpError
	require.ErrorAs(t, err, &op, "the cause is wrapped")
}

func TestUntrustedCertificateIsNotRetried(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, srv.URL, customizers.TokenSource(static("t")), quick)
	_, err := c.Create(ctxOf(t), customizers.CreateRequest{Name: "n"})
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 1, e.Attempts)
	require.ErrorContains(t, err, "certificate")
	require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
	assert.Zero(t, seen.Load())
}

// The client's Timeout is for each try.
func TestTimeoutOfTheHTTPClientIsPerTry(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1))
	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, Delay: time.Hour})
	c := srv.Client(quick, customizers.WithHTTPClient(&http.Client{Timeout: time.Second}))
	_, err := c.List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)

	srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Delay: time.Hour})
	_, err = c.Create(ctxOf(t), customizers.CreateRequest{Name: "n"})
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
}

func TestBodyThatBreaksOffIsReadAgain(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(100))
	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, TruncateAt: 1000, Times: 2})
	p, err := clientOf(t, srv).List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, p.Items, 100)

	srv.Inject(customizerstest.Fault{Operation: customizerstest.List, TruncateAt: 1000, Times: -1})
	_, err = clientOf(t, srv).List(ctxOf(t), customizers.ListOptions{})
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, 200, e.StatusCode)
	require.ErrorContains(t, err, "the body broke off after 1000 bytes: ")
}

// Every body is closed, of successes, failures and bodies over the bound.
func TestBodiesAreClosed(t *testing.T) {
	t.Parallel()
	opened, closed := 0, 0
	for _, body := range []string{"[]", "", "<html>", strings.Repeat(" ", 17<<20)} {
		for _, status := range []int{200, 400, 503} {
			c := newClient(t, "acme", customizers.TokenSource(static("token")), quick, customizers.WithHTTPClient(&http.Client{
				Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					resp, _ := fixed([]byte(body))(req)
					resp.StatusCode = status
					resp.Body = &closeCounter{resp.Body, &closed}
					opened++
					return resp, nil
				}),
			}))
			_, _ = c.List(t.Context(), customizers.ListOptions{})
		}
	}
	assert.Equal(t, opened, closed)
}

type closeCounter struct {
	io.ReadCloser
	n *int
}

func (c *closeCounter) Close() error {
	*c.n++
	return c.ReadCloser.Close()
}

func TestOneAttemptTurnsRetriesOff(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	srv.Inject(customizerstest.Fault{Status: 503})
	_, err := clientOf(t, srv, customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1})).List(ctxOf(t), customizers.ListOptions{})
	require.ErrorIs(t, err, customizers.ErrServer)
	assert.Equal(t, 1, sent(srv, customizerstest.List))
}

// A wait ends with the context; the error has its cause and the last failure.
func TestWaitsEndWithTheContext(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	enough := errors.New("enough")
	for name, fault := range map[string]customizerstest.Fault{
		"Retry-After": {Status: 503, Header: http.Header{"Retry-After": {"50"}}, Body: `{"trackingId":"track-1"}`},
		"backoff":     {Status: 503, Body: `{"trackingId":"track-1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				policy := customizers.RetryPolicy{MinBackoff: 1e6 * time.Hour, MaxBackoff: 1e6 * time.Hour}
				c := overMemory(t, srv, customizers.WithRetry(policy))
				fault.Times = 1
				srv.Inject(fault)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(2*time.Second, func() { cancel(enough) })
				start := time.Now()
				_, err := c.List(ctx, customizers.ListOptions{})
				assert.Equal(t, 2*time.Second, time.Since(start))
				require.ErrorIs(t, err, enough)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, customizers.ErrServer)
				require.ErrorContains(t, err, "track-1")
			})
		})
	}
}

func TestWaitPastTheDeadlineFailsAtOnce(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	synctest.Test(t, func(t *testing.T) {
		c := overMemory(t, srv)
		srv.Inject(customizerstest.Fault{Status: 503, Header: http.Header{"Retry-After": {"50"}}})
		ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.List(ctx, customizers.ListOptions{})
		assert.Zero(t, time.Since(start))
		var e *customizers.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, 50*time.Second, e.RetryAfter)
		require.ErrorIs(t, err, customizers.ErrServer)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestRetryAfterAsADate(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	synctest.Test(t, func(t *testing.T) {
		c := overMemory(t, srv)
		srv.Inject(customizerstest.Fault{Status: 503, Header: http.Header{
			"Retry-After": {time.Now().Add(40 * time.Second).UTC().Format(http.TimeFormat)},
		}})
		start := time.Now()
		_, err := c.List(t.Context(), customizers.ListOptions{})
		require.NoError(t, err)
		assert.Equal(t, 40*time.Second, time.Since(start))
	})
}

func TestContextEndsWhileACreateIsUnderWay(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // so that the server notices that the client leaves
		cancel()
		<-r.Context().Done()
	})
	_, err := c.Create(ctx, customizers.CreateRequest{Name: "n"})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
}

func TestContextThatHasEndedSendsNothing(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for op, call := range calls(clientOf(t, srv), "one") {
		err := call(ctx)
		require.ErrorIs(t, err, context.Canceled, op)
		require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown, op)
	}
	assert.Empty(t, srv.Requests())
}

func TestNilContext(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	for op, call := range calls(clientOf(t, srv), "one") {
		require.ErrorIs(t, call(nil), customizers.ErrInvalidArgument, op)
	}
	assert.Empty(t, srv.Requests())
}

// An archive that can be read anywhere is sent again whole, from where it stood.
func TestUploadIsSentAgain(t *testing.T) {
	t.Parallel()
	data := archive(t)
	path := t.TempDir() + "/a.zip"
	require.NoError(t, os.WriteFile(path, append([]byte("skipped"), data...), 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	_, err = file.Seek(int64(len("skipped")), io.SeekStart)
	require.NoError(t, err)
	for name, r := range map[string]io.Reader{
		"file":          file,
		"bytes.Reader":  bytes.NewReader(data),
		"strings":       strings.NewReader(string(data)),
		"SectionReader": io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))),
	} {
		t.Run(name, func(t *testing.T) {
			srv := sandbox(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "one"}))
			srv.Inject(
				customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 429},
				customizerstest.Fault{Operation: customizerstest.CreateVersion, ExpireToken: true},
			)
			v, err := clientOf(t, srv).CreateVersion(ctxOf(t), "one", r)
			require.NoError(t, err)
			assert.Equal(t, int64(1), v.Version)
			assert.Equal(t, "one", v.CustomizerID)
			kept := srv.Versions("one")
			require.Len(t, kept, 1)
			assert.EqualValues(t, len(data), kept[0].ArchiveSize)
			for _, r := range srv.Requests(customizerstest.CreateVersion) {
				assert.Equal(t, "application/zip", r.Header.Get("Content-Type"))
			}
		})
	}
}

// Any other reader is sent once.
func TestUploadOfAStream(t *testing.T) {
	t.Parallel()
	data := archive(t)
	srv := sandbox(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "one"}))
	c := clientOf(t, srv)
	stream := func() io.Reader { return io.MultiReader(bytes.NewReader(data)) }
	_, err := c.CreateVersion(ctxOf(t), "one", stream())
	require.NoError(t, err)
	_, err = c.CreateVersion(ctxOf(t), "one", bytes.NewBuffer(bytes.Clone(data)))
	require.NoError(t, err)
	assert.Len(t, srv.Versions("one"), 2)

	srv.Inject(customizerstest.Fault{Operation: customizerstest.CreateVersion, Status: 429, Header: http.Header{"Retry-After": {"1"}}})
	_, err = c.CreateVersion(ctxOf(t), "one", stream())
	require.ErrorIs(t, err, customizers.ErrRateLimited)
	require.NotErrorIs(t, err, customizers.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "its body can be read only once")
	assert.Equal(t, 3, sent(srv, customizerstest.CreateVersion))
}

func TestUploadThatCantBe(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "one"}))
	c := clientOf(t, srv)
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	closed, err := os.Create(t.TempDir() + "/closed")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	atEnd := bytes.NewReader([]byte("PK"))
	_, _ = atEnd.Seek(0, io.SeekEnd)
	for want, r := range map[string]io.Reader{
		"is a folder":                     dir,
		"file already closed":             closed,
		"has 0 bytes":                     bytes.NewReader(nil),
		"has 2 bytes and its offset is 2": atEnd,
	} {
		_, err := c.CreateVersion(ctxOf(t), "one", r)
		require.ErrorIs(t, err, customizers.ErrInvalidArgument)
		require.ErrorContains(t, err, want)
	}
	assert.Empty(t, srv.Requests())

	// No body at all is the specified form.
	_, err = c.CreateVersion(ctxOf(t), "one", nil)
	require.NoError(t, err)
	sent := srv.Requests(customizerstest.CreateVersion)
	require.Len(t, sent, 1)
	assert.NotContains(t, sent[0].Header, "Content-Type")
	assert.Zero(t, sent[0].BodySize)
}

// A proxy that does not know Expect: 100-continue gets the upload without it.
func TestUploadThroughAProxyThatRefusesExpect(t *testing.T) {
	t.Parallel()
	var sizes []int64
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		sizes = append(sizes, n)
		_, _ = io.WriteString(w, `{"version":1}`)
	})
	_, err := c.CreateVersion(ctxOf(t), "one", bytes.NewReader(make([]byte, 2<<20)))
	require.NoError(t, err)
	assert.Equal(t, []int64{2 << 20}, sizes)
}

func TestRateLimitOfTheSandboxIsNeverHit(t *testing.T) {
	t.Parallel()
	srv := sandbox(t, customizerstest.WithSeed(1), customizerstest.WithRateLimit(100, 10*time.Second))
	synctest.Test(t, func(t *testing.T) {
		c := overMemory(t, srv)
		start := time.Now()
		done := make(chan error)
		for range 350 {
			go func() {
				_, err := c.List(t.Context(), customizers.ListOptions{})
				done <- err
			}()
		}
		for range 350 {
			require.NoError(t, <-done)
		}
		assert.Equal(t, 30*time.Second, time.Since(start), "as fast as the limit allows")
	})
	sent := srv.Requests(customizerstest.List)
	assert.Len(t, sent, 350)
	for _, r := range sent {
		assert.Equal(t, http.StatusOK, r.Status)
	}
}

// The caller's http.Client is left as it is.
func TestTheCallersHTTPClientIsNotChanged(t *testing.T) {
	t.Parallel()
	h := &http.Client{}
	newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(h))
	assert.Nil(t, h.CheckRedirect)
	assert.Nil(t, h.Transport)
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	srv := sandbox(t)
	c := clientOf(t, srv, customizers.WithUserAgent("acme-sync/1.4"))
	_, err := c.List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)
	for _, r := range srv.Requests() {
		assert.Regexp(t, `^acme-sync/1\.4 connector-customizers-go/\S+ \(go\S+; \w+\)$`, r.Header.Get("User-Agent"))
		assert.Equal(t, "application/json", r.Header.Get("Accept"))
	}
}
