package customizers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
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

// notes keeps what an observer is told.
type notes struct {
	mu    sync.Mutex
	tries []customizers.Attempt
	waits []customizers.Wait
}

func (n *notes) option() customizers.Option {
	return customizers.WithObserver(customizers.Observer{
		Attempt: func(_ context.Context, t customizers.Attempt) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.tries = append(n.tries, t)
		},
		Wait: func(_ context.Context, w customizers.Wait) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.waits = append(n.waits, w)
		},
	})
}

func TestObserverNamesOperations(t *testing.T) {
	t.Parallel()
	for _, version := range []customizers.APIVersion{customizers.APIVersion2024, customizers.APIVersion1} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			ctx := ctxOf(t)
			var n notes
			srv := sandbox(t)
			c := srv.Client(n.option(), customizers.WithAPIVersion(version))
			made := create(t, c, "a")
			_, err := c.CreateVersion(ctx, made.ID, readerAt(archive(t)))
			require.NoError(t, err)
			_, err = c.List(ctx, customizers.ListOptions{Offset: 1})
			require.NoError(t, err)
			_, err = c.Get(ctx, made.ID)
			require.NoError(t, err)
			_, err = c.Update(ctx, made.ID, customizers.UpdateRequest{Name: "b"})
			require.NoError(t, err)
			require.NoError(t, c.Delete(ctx, made.ID))
			_, err = c.Get(ctx, "connector-customizers")
			var e *customizers.Error
			require.ErrorAs(t, err, &e)

			var operations []string
			for _, try := range n.tries {
				operations = append(operations, try.Operation)
				assert.Equal(t, 1, try.Attempt)
				assert.Positive(t, try.Duration)
				assert.NotZero(t, try.StatusCode)
				assert.NotEmpty(t, try.Method)
				assert.NotEmpty(t, try.Path)
			}
			assert.Equal(t, []string{"Token", "Create", "CreateVersion", "List", "Get", "Update", "Delete", "Get"}, operations)
			assert.ErrorIs(t, n.tries[7].Err, customizers.ErrNotFound)
			assert.Empty(t, n.waits)
		})
	}
}

func TestObserverIsToldOfTriesAndWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		statuses := []int{503, 429, 200, 200, 200}
		var n notes
		c := newClient(t, "acme", customizers.TokenSource(static("token")), n.option(), customizers.WithRateLimit(4, 20*time.Second),
			customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := fixed([]byte("[]"))(req)
				resp.StatusCode, statuses = statuses[0], statuses[1:]
				resp.Header.Set("SLPT-Request-ID", fmt.Sprint("request-", len(statuses)))
				if resp.StatusCode == 429 {
					resp.Header.Set("Retry-After", "7")
				}
				return resp, err
			})}))
		for range 3 {
			_, err := c.List(t.Context(), customizers.ListOptions{})
			require.NoError(t, err)
		}
		type seen struct {
			attempt, status int
			id              string
			failed          bool
		}
		var tries []seen
		for _, try := range n.tries {
			assert.Equal(t, "List", try.Operation)
			tries = append(tries, seen{try.Attempt, try.StatusCode, try.RequestID, try.Err != nil})
		}
		assert.Equal(t, []seen{
			{1, 503, "request-4", true}, {2, 429, "request-3", true}, {3, 200, "request-2", false},
			{1, 200, "request-1", false}, {1, 200, "request-0", false},
		}, tries)
		require.Len(t, n.waits, 3)
		assert.Equal(t, customizers.WaitBackoff, n.waits[0].Reason)
		assert.Equal(t, 2, n.waits[0].Attempt)
		require.ErrorIs(t, n.waits[0].Err, customizers.ErrServer)
		assert.Equal(t, customizers.WaitRetryAfter, n.waits[1].Reason)
		assert.Equal(t, 7*time.Second, n.waits[1].Duration)
		require.ErrorIs(t, n.waits[1].Err, customizers.ErrRateLimited)
		assert.Equal(t, customizers.WaitRateLimit, n.waits[2].Reason)
		assert.InDelta(t, 12.5, n.waits[2].Duration.Seconds(), 1)
		require.Nil(t, n.waits[2].Err)
	})
}

// A call that waits for the pause that another was told to make says so.
func TestObserverIsToldOfAnothersPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		statuses := []int{429, 200}
		var n notes
		c := newClient(t, "acme", customizers.TokenSource(static("token")), n.option(),
			customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}),
			customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := fixed([]byte("[]"))(req)
				resp.StatusCode, statuses = statuses[0], statuses[1:]
				resp.Header.Set("Retry-After", "7")
				return resp, err
			})}))
		_, err := c.List(t.Context(), customizers.ListOptions{})
		require.ErrorIs(t, err, customizers.ErrRateLimited)
		_, err = c.List(t.Context(), customizers.ListOptions{})
		require.NoError(t, err)
		assert.Equal(t, []customizers.Wait{{Operation: "List", Attempt: 1, Reason: customizers.WaitRetryAfter, Duration: 7 * time.Second}}, n.waits)
	})
}

func TestDeprecatedEndpointIsLoggedOnce(t *testing.T) {
	t.Parallel()
	ctx := ctxOf(t)
	var out bytes.Buffer
	var n notes
	c := answering(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Deprecated", "true")
		w.Header().Set("Content-Type", "application/json")
		body := "[]"
		if strings.HasSuffix(req.URL.Path, "/x") {
			body = `{"id":"x"}`
		}
		_, _ = io.WriteString(w, body)
	}, n.option(), customizers.WithLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	for range 3 {
		_, err := c.List(ctx, customizers.ListOptions{})
		require.NoError(t, err)
		_, err = c.Get(ctx, "x")
		require.NoError(t, err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2, out.String())
	assert.Contains(t, lines[0], `msg="customizers: endpoint is deprecated; see WithAPIVersion" operation=List method=GET path=/v2024/connector-customizers`)
	assert.Contains(t, lines[1], "operation=Get")
	assert.False(t, n.tries[0].Deprecated) // the token
	for _, try := range n.tries[1:] {
		assert.True(t, try.Deprecated)
	}
}

// The attributes are a promise: a change of theirs breaks users' queries.
func TestLogAttributes(t *testing.T) {
	t.Parallel()
	var got []string
	log := slog.New(slog.NewTextHandler(new(bytes.Buffer), &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.MessageKey {
			got = append(got, "# "+a.Value.String())
		} else if a.Key != slog.TimeKey && a.Key != slog.LevelKey {
			got = append(got, a.Key)
		}
		return a
	}}))
	srv := sandbox(t)
	srv.Inject(customizerstest.Fault{
		Operation: customizerstest.List, Status: http.StatusServiceUnavailable, Body: `{"trackingId":"t-1"}`,
	})
	_, err := srv.Client(quick, customizers.WithLogger(log)).List(ctxOf(t), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, strings.Fields(`
		#_customizers:_request_sent operation method path attempt duration status
		#_customizers:_request_sent operation method path attempt duration status error tracking_id
		#_customizers:_request_will_be_retried operation method path attempt wait error
		#_customizers:_request_sent operation method path attempt duration status`),
		strings.Fields(strings.Join(replaceSpaces(got), "\n")))
}

func replaceSpaces(in []string) (out []string) {
	for _, s := range in {
		out = append(out, strings.ReplaceAll(s, " ", "_"))
	}
	return out
}

func TestErrorHasTheRequestID(t *testing.T) {
	t.Parallel()
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("SLPT-Request-ID", "r-1")
		http.Error(w, "", http.StatusConflict)
	})
	_, err := c.Get(ctxOf(t), "x")
	var e *customizers.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "r-1", e.RequestID)
	assert.Equal(t, "Get", e.Operation)
	assert.Contains(t, err.Error(), "(request id r-1)")
}

// A panic of an observer is the caller's, who may recover: other calls go on.
func TestObserverThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := customizerstest.NewServer(customizerstest.WithoutSocket(), customizerstest.WithSeed(1))
		defer srv.Close()
		id := srv.Customizers()[0].ID
		panics := true
		client := srv.Client(customizers.WithRateLimit(1, time.Second), customizers.WithObserver(customizers.Observer{
			Wait: func(context.Context, customizers.Wait) {
				if panics {
					panic("of the observer")
				}
			},
		}))
		_, err := client.Get(t.Context(), id)
		require.NoError(t, err)
		assert.PanicsWithValue(t, "of the observer", func() { _, _ = client.Get(t.Context(), id) })
		panics = false
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = client.Get(ctx, id)
		require.NoError(t, err)
	})
}

// That of a token's fetch, which calls share, is an error of theirs.
func TestObserverThatPanicsAtAToken(t *testing.T) {
	t.Parallel()
	broken := errors.New("of the observer")
	srv := customizerstest.NewServer(customizerstest.WithoutSocket())
	t.Cleanup(srv.Close)
	c := srv.Client(customizers.WithObserver(customizers.Observer{Attempt: func(context.Context, customizers.Attempt) { panic(broken) }}))
	_, err := c.List(t.Context(), customizers.ListOptions{})
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, "fetching a token panicked: of the observer")
}

// Every call that waits is told of it, and no call is held up by what another's
// observer does while that waits for its turn.
func TestObserverIsToldOfWaitsInTheQueue(t *testing.T) {
	t.Parallel()
	for range 1 {
		synctest.Test(t, func(t *testing.T) {
			srv := customizerstest.NewServer(customizerstest.WithoutSocket(), customizerstest.WithSeed(1))
			defer srv.Close()
			id := srv.Customizers()[0].ID
			type key struct{}
			var mu sync.Mutex
			told := make([][]time.Duration, 30)
			c := srv.Client(customizers.WithRateLimit(10, 10*time.Second), customizers.WithObserver(customizers.Observer{
				Wait: func(ctx context.Context, w customizers.Wait) {
					mu.Lock()
					defer mu.Unlock()
					assert.Equal(t, customizers.WaitRateLimit, w.Reason)
					i := ctx.Value(key{}).(int)
					told[i] = append(told[i], w.Duration)
				},
			}))
			start := time.Now()
			var wg sync.WaitGroup
			waited := make([]time.Duration, len(told))
			for i := range told {
				wg.Go(func() {
					_, err := c.Get(context.WithValue(t.Context(), key{}, i), id)
					assert.NoError(t, err)
					waited[i] = time.Since(start)
				})
				synctest.Wait()
			}
			wg.Wait()
			for i, waits := range told {
				assert.Equal(t, waited[i] == 0, len(waits) == 0, "call %d waited for %v and was told %v", i, waited[i], waits)
				assert.LessOrEqual(t, len(waits), 3)
			}
		})
	}
}

// So is a panic of a transport: the request's slot is free again a period later.
func TestTransportThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		panics := true
		client, err := customizers.New("acme", customizers.TokenSource(static("the-token")), customizers.WithRateLimit(1, time.Second),
			customizers.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				if panics {
					panic("of the transport")
				}
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("[]")), Request: req}, nil
			})}))
		require.NoError(t, err)
		assert.PanicsWithValue(t, "of the transport", func() { _, _ = client.List(t.Context(), customizers.ListOptions{}) })
		panics = false
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = client.List(ctx, customizers.ListOptions{})
		require.NoError(t, err)
	})
}

// An error that an observer keeps stays as it was told, whatever becomes of the call.
func TestObserverKeepsErrors(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Create, Status: http.StatusInternalServerError})
	kept := &notes{}
	_, err := srv.Client(kept.option()).Create(t.Context(), customizers.CreateRequest{Name: "hr-feed"})
	require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
	told := kept.tries[len(kept.tries)-1].Err
	require.ErrorIs(t, told, customizers.ErrServer)
	assert.NotErrorIs(t, told, customizers.ErrOutcomeUnknown, "that was decided afterwards")
}
