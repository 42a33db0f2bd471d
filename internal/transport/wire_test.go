package transport

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oneAttempt returns a chain that makes one attempt.
func oneAttempt(rt roundTripper) Handler {
	return newChain(rt, func(o *Options) { o.Retry.MaxAttempts = 1 })
}

// A body that is too large fails, or is truncated if it is an error's. Every body is closed.
func TestBodySize(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status, size, length int
		want                 int
		err                  string
	}{
		"success":               {200, 1000, 1000, 1000, ""},
		"without a length":      {200, 1000, -1, 1000, ""},
		"empty":                 {204, 0, 0, 0, ""},
		"largest":               {200, maxBody, -1, maxBody, ""},
		"larger":                {200, maxBody + 1, -1, 0, "the body is larger than 16 MiB"},
		"larger, with a length": {200, 1, maxBody + 1, 0, "the body is larger than 16 MiB"},
		"error":                 {404, 1000, 1000, 1000, "Not Found"},
		"error, too large":      {404, MaxErrorBody * 2, -1, MaxErrorBody, "Not Found"},
		"truncated":             {200, 10, 20, 10, "reading the body failed after 10 bytes: unexpected EOF"},
		"truncated error":       {404, 10, 20, 10, "Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := 0
			h := oneAttempt(func(*http.Request) (*http.Response, error) {
				resp := newResponse(tt.status, strings.Repeat("x", tt.size))
				resp.Body = &body{Reader: resp.Body, missing: tt.length - tt.size, closed: &closed}
				resp.ContentLength = int64(tt.length)
				return resp, nil
			})
			resp, err := h.Do(newCall(t.Context(), http.MethodGet))
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				resp = errorOf(t, err).Response
				assert.Equal(t, tt.status, resp.StatusCode)
			}
			if tt.want > 0 {
				assert.Len(t, resp.Data, tt.want)
			}
			assert.Equal(t, 1, closed)
		})
	}
}

// A body ends with io.ErrUnexpectedEOF if bytes are missing, as net/http's does. It counts
// calls of Close.
type body struct {
	io.Reader
	missing int
	closed  *int
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.missing > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *body) Close() error {
	*b.closed++
	return nil
}

// slowBody returns a body of n bytes that returns one per interval.
func slowBody(ctx context.Context, n int, every time.Duration) io.ReadCloser {
	return io.NopCloser(readerFunc(func(p []byte) (int, error) {
		if n == 0 {
			return 0, io.EOF
		}
		select {
		case <-time.After(every):
			n--
			p[0] = 'x'
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}))
}

func upload(ctx context.Context, content io.Reader) *Call {
	c := newCall(ctx, http.MethodPost)
	c.Streamed = true
	c.Request.Body, c.Request.GetBody, c.Request.ContentLength = io.NopCloser(content), nil, -1
	return c
}

// A transport of the user's may return nil where net/http's does not.
func TestTransportThatReturnsNil(t *testing.T) {
	t.Parallel()
	h := newChain(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 204}, nil })
	resp, err := h.Do(newCall(t.Context(), http.MethodDelete))
	require.NoError(t, err)
	assert.Empty(t, resp.Data)

	h = newChain(func(*http.Request) (*http.Response, error) { return nil, nil }) //nolint:nilnil // the case under test
	_, err = h.Do(newCall(t.Context(), http.MethodPost))
	require.ErrorContains(t, err, "neither a response nor an error")
}

// An attempt is cancelled once no byte has moved for two minutes. One that makes progress may
// take any time.
func TestStalls(t *testing.T) {
	t.Parallel()
	readAll := func(req *http.Request) (*http.Response, error) {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
		return newResponse(200, ""), nil
	}
	respond := func(status int, every time.Duration) roundTripper {
		return func(req *http.Request) (*http.Response, error) {
			resp := newResponse(status, "")
			resp.ContentLength, resp.Body = -1, slowBody(req.Context(), 100, every)
			return resp, nil
		}
	}
	endless := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	for name, tt := range map[string]struct {
		rt     roundTripper
		upload func(context.Context) io.Reader // nil for a GET
		took   time.Duration
		err    string
	}{
		"no response":          {hang, nil, stallAfter, "no data was sent or received for 2m0s"},
		"a slow body":          {respond(200, time.Minute), nil, 100 * time.Minute, ""},
		"a body that stalls":   {respond(200, time.Hour), nil, stallAfter, "no data was sent or received for 2m0s"},
		"a slow error":         {respond(503, 4*time.Second), nil, 400 * time.Second, "Service Unavailable"},
		"an error that stalls": {respond(503, 6*time.Second), nil, errorStallAfter, "Service Unavailable"},
		"a slow upload": {readAll, func(ctx context.Context) io.Reader {
			return slowBody(ctx, 100, time.Minute)
		}, 100 * time.Minute, ""},
		"an upload that stalls": {func(req *http.Request) (*http.Response, error) {
			_, _ = req.Body.Read(make([]byte, 1))
			return hang(req)
		}, func(context.Context) io.Reader { return endless }, stallAfter, "no data was sent or received for 2m0s"},
		"no response to an upload": {func(req *http.Request) (*http.Response, error) {
			_, _ = readAll(req)
			return hang(req)
		}, func(ctx context.Context) io.Reader { return slowBody(ctx, 10, time.Minute) }, 10*time.Minute + stallAfter, "no data was sent or received for 2m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCall(t.Context(), http.MethodGet)
				if tt.upload != nil {
					c = upload(t.Context(), tt.upload(t.Context()))
				}
				start := time.Now()
				_, err := oneAttempt(tt.rt).Do(c)
				assert.Equal(t, tt.took, time.Since(start))
				if tt.err == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tt.err)
				require.NotErrorIs(t, err, context.Canceled, "the caller did not cancel")
				assert.Equal(t, tt.upload != nil, errorOf(t, err).OutcomeUnknown)
			})
		})
	}
}

// After a call has returned, net/http can't read its body, whether it got the body from Body
// or from GetBody.
func TestUploadIsNotReadAfterTheCall(t *testing.T) {
	t.Parallel()
	for name, reopens := range map[string]bool{"body": false, "GetBody": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var reads atomic.Int32
				ended := make(chan struct{})
				archive := func() io.ReadCloser {
					return io.NopCloser(readerFunc(func([]byte) (int, error) { reads.Add(1); return 1, nil }))
				}
				c := upload(t.Context(), archive())
				c.Request.GetBody = func() (io.ReadCloser, error) { return archive(), nil }
				_, err := oneAttempt(func(req *http.Request) (*http.Response, error) {
					body := req.Body
					if reopens {
						var err error
						body, err = req.GetBody()
						require.NoError(t, err)
					}
					go func() {
						defer close(ended)
						for {
							if _, err := body.Read(make([]byte, 1)); err != nil {
								return
							}
							time.Sleep(90 * time.Second)
						}
					}()
					time.Sleep(10 * time.Minute) // not a stall: the body is read every 90 seconds
					return newResponse(200, ""), nil
				}).Do(c)
				require.NoError(t, err)
				assert.EqualValues(t, 7, reads.Load())
				<-ended
				assert.EqualValues(t, 7, reads.Load())
			})
		})
	}
}

// A body in memory is not wrapped, so net/http sends it in one write with the header.
func TestBodyInMemoryIsNotWrapped(t *testing.T) {
	t.Parallel()
	c := newCall(t.Context(), http.MethodPost)
	content := io.NopCloser(bytes.NewReader(nil))
	c.Request.Body = content
	_, err := oneAttempt(func(req *http.Request) (*http.Response, error) {
		assert.Equal(t, content, req.Body)
		return newResponse(200, ""), nil
	}).Do(c)
	require.NoError(t, err)
}
