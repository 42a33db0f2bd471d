package customizers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

// In every state that a call can be in, it returns when its context ends. In a bubble
// that is to the nanosecond.
func TestDeadlineInEveryState(t *testing.T) {
	t.Parallel()
	never := func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	answer := func(status int, header http.Header, body io.ReadCloser) roundTripper {
		return func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: header, Body: body, ContentLength: -1, Request: req}, nil
		}
	}
	list := func(ctx context.Context, c *customizers.Client) error {
		_, err := c.List(ctx, customizers.ListOptions{})
		return err
	}
	for name, tt := range map[string]struct {
		transport roundTripper
		auth      *customizers.Auth
		opts      []customizers.Option
		prepare   func(context.Context, *customizers.Client)
		call      func(context.Context, *customizers.Client) error
	}{
		"no token yet": {
			transport: never, call: list,
			auth: new(customizers.ClientCredentials("id", "secret")),
		},
		"a token source that hangs": {
			transport: never, call: list,
			auth: new(customizers.TokenSource(&source{next: func() (*oauth2.Token, error) {
				time.Sleep(time.Hour)
				return nil, errors.New("late")
			}})),
		},
		"no slot of the rate limit": {
			transport: fixed([]byte("[]")), call: list,
			opts:    []customizers.Option{customizers.WithRateLimit(1, time.Hour)},
			prepare: func(ctx context.Context, c *customizers.Client) { _ = list(ctx, c) },
		},
		"Retry-After":         {transport: answer(503, http.Header{"Retry-After": {"30"}}, http.NoBody), call: list},
		"429":                 {transport: answer(429, http.Header{"Retry-After": {"30"}}, http.NoBody), call: list},
		"backoff":             {transport: answer(503, nil, http.NoBody), call: list, opts: []customizers.Option{customizers.WithRetry(customizers.RetryPolicy{MinBackoff: 1e5 * time.Hour, MaxBackoff: 1e5 * time.Hour})}},
		"no answer":           {transport: never, call: list},
		"a body that hangs":   {transport: hanging(200), call: list},
		"an error that hangs": {transport: hanging(500), call: list},
		"an upload": {transport: func(req *http.Request) (*http.Response, error) {
			_, _ = req.Body.Read(make([]byte, 1))
			return never(req)
		}, call: func(ctx context.Context, c *customizers.Client) error {
			_, err := c.CreateVersion(ctx, "x", io.MultiReader(zeros{}))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				auth := customizers.TokenSource(static("token"))
				if tt.auth != nil {
					auth = *tt.auth
				}
				c := newClient(t, "acme", auth, append(tt.opts, customizers.WithHTTPClient(&http.Client{Transport: tt.transport}))...)
				if tt.prepare != nil {
					tt.prepare(t.Context(), c)
				}
				// Cancelled after a time, and with a deadline: the latter may fail sooner.
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(5*time.Second, cancel)
				start := time.Now()
				err := tt.call(ctx, c)
				require.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, 5*time.Second, time.Since(start))

				ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start = time.Now()
				err = tt.call(ctx, c)
				require.Error(t, err)
				assert.LessOrEqual(t, time.Since(start), 5*time.Second)
				time.Sleep(2 * time.Hour) // lets what was left behind finish
			})
		})
	}
}

// hanging answers with a body that begins and does not go on, until the request's
// context ends, as net/http's does.
func hanging(status int) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		r, w := io.Pipe()
		go func() {
			_, _ = w.Write([]byte("["))
			<-req.Context().Done()
			_ = w.CloseWithError(context.Cause(req.Context()))
		}()
		return &http.Response{StatusCode: status, Body: r, ContentLength: -1, Request: req}, nil
	}
}

// The same over a socket, for what only net/http does.
func TestDeadlineOverASocket(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "[")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-stuck:
		}
	})
	t.Cleanup(func() { close(stuck) }) // before the server is closed
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	for name, call := range map[string]func(context.Context) error{
		"a stalled body": func(ctx context.Context) error {
			_, err := c.List(ctx, customizers.ListOptions{})
			return err
		},
		"an upload that nobody reads": func(ctx context.Context) error {
			_, err := c.CreateVersion(ctx, "x", io.MultiReader(zeros{}))
			return err
		},
		"an archive that does not come": func(ctx context.Context) error {
			_, err := c.CreateVersion(ctx, "x", r)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := call(ctx)
			late := time.Since(deadlineOf(ctx))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Less(t, late, 30*time.Second, "the bubble is exact; here the machine may be busy")
		})
	}
}

func deadlineOf(ctx context.Context) time.Time {
	d, _ := ctx.Deadline()
	return d
}

// A response or an upload that stalls is cut, however long its context would wait; one
// that goes on slowly is not.
func TestStallsAreCut(t *testing.T) {
	t.Parallel()
	slowly := func(every time.Duration) roundTripper {
		return func(req *http.Request) (*http.Response, error) {
			r, w := io.Pipe()
			go func() {
				for _, b := range []byte(`[{"id":"1"}]`) {
					select {
					case <-time.After(every):
					case <-req.Context().Done():
						_ = w.CloseWithError(context.Cause(req.Context()))
						return
					}
					_, _ = w.Write([]byte{b})
				}
				_ = w.Close()
			}()
			return &http.Response{StatusCode: 200, Body: r, ContentLength: -1, Request: req}, nil
		}
	}
	run := func(t *testing.T, transport roundTripper, call func(*customizers.Client) error) (time.Duration, error) {
		c := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithHTTPClient(&http.Client{Transport: transport}),
			customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
		start := time.Now()
		err := call(c)
		return time.Since(start), err
	}
	list := func(c *customizers.Client) error {
		_, err := c.List(context.Background(), customizers.ListOptions{})
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		took, err := run(t, slowly(time.Minute), list)
		require.NoError(t, err, "slow is not stalled")
		assert.Equal(t, 12*time.Minute, took)

		took, err = run(t, slowly(time.Hour), list)
		require.ErrorContains(t, err, "nothing came for 2m0s")
		require.NotErrorIs(t, err, context.Canceled, "the caller did not cancel")
		assert.Equal(t, 2*time.Minute, took)

		// An upload goes on for as long as it goes on.
		took, err = run(t, func(req *http.Request) (*http.Response, error) {
			for range 100 {
				time.Sleep(time.Minute)
				if _, err := req.Body.Read(make([]byte, 1)); err != nil {
					return nil, err
				}
			}
			return fixed([]byte(`{"version":1}`))(req)
		}, func(c *customizers.Client) error {
			_, err := c.CreateVersion(context.Background(), "x", io.MultiReader(zeros{}))
			return err
		})
		require.NoError(t, err)
		assert.Equal(t, 100*time.Minute, took)

		took, err = run(t, func(req *http.Request) (*http.Response, error) {
			_, _ = req.Body.Read(make([]byte, 1))
			<-req.Context().Done()
			return nil, req.Context().Err()
		}, func(c *customizers.Client) error {
			_, err := c.CreateVersion(context.Background(), "x", io.MultiReader(zeros{}))
			return err
		})
		require.ErrorIs(t, err, customizers.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "nothing came for 2m0s")
		assert.Equal(t, 2*time.Minute, took)
	})
}

// An archive that is read again for net/http, as when an idle connection turns out to be
// closed, is watched as well, and is the caller's again when the call has returned.
func TestUploadByGetBody(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			c := newClient(t, "acme", customizers.TokenSource(static("token")), customizers.WithHTTPClient(&http.Client{
				Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
					_ = req.Body.Close()
					body, err := req.GetBody()
					if err != nil {
						return nil, err
					}
					read := make(chan struct{})
					go func() {
						defer close(read)
						for {
							if _, err := body.Read(make([]byte, 1)); err != nil {
								return
							}
							time.Sleep(90 * time.Second)
						}
					}()
					select {
					case <-read:
						return fixed([]byte(`{"version":1}`))(req)
					case <-req.Context().Done():
						return nil, req.Context().Err()
					}
				}),
			}))
			ctx, cancel := context.WithTimeout(t.Context(), map[bool]time.Duration{true: time.Hour, false: 5 * time.Minute}[answers])
			defer cancel()
			_, err := c.CreateVersion(ctx, "x", noted{bytes.NewReader(make([]byte, 10)), &n})
			before := n.Load()
			if answers {
				require.NoError(t, err, "it took 15 minutes, and moved")
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			time.Sleep(time.Hour)
			assert.Equal(t, before, n.Load(), "reads of the archive")
		})
	}
}

// noted is an archive whose reads are counted.
type noted struct {
	*bytes.Reader
	reads *atomic.Int64
}

func (n noted) ReadAt(p []byte, off int64) (int, error) {
	n.reads.Add(1)
	return n.Reader.ReadAt(p, off)
}
