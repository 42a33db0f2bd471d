package transport

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/iotest"
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

func newUploadCall(ctx context.Context, content io.Reader) *Call {
	c := newCall(ctx, http.MethodPost)
	c.Streamed = true
	c.Request.Body, c.Request.GetBody, c.Request.ContentLength = io.NopCloser(content), nil, -1
	return c
}

// A context that ends just before the request is sent leaves nothing unknown.
func TestContextEndsBeforeTheTransport(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newCall(ctx, http.MethodPost)
	_, err := wire(http.DefaultTransport, 0).Do(c)
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, classify(false, 0, err).mayHaveActed)
	assert.False(t, c.sent, "its slot is free again")
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

// An attempt is canceled once no byte has moved for two minutes, or for one if it can be
// repeated and has no response yet. One that makes progress may take any time.
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
		"no response": {hang, nil, silentAfter, "no data was sent or received for 1m0s"},
		"a late response and a slow body": {func(req *http.Request) (*http.Response, error) {
			time.Sleep(59 * time.Second)
			return respond(200, 119*time.Second)(req)
		}, nil, 59*time.Second + 100*119*time.Second, ""},
		"a slow body":        {respond(200, time.Minute), nil, 100 * time.Minute, ""},
		"a body that stalls": {respond(200, time.Hour), nil, stallAfter, "no data was sent or received for 2m0s"},
		"a slow error":       {respond(503, 4*time.Second), nil, errorBodyTimeout, "Service Unavailable"},
		"a slow error, while the upload goes on": {func(req *http.Request) (*http.Response, error) {
			go func() { _, _ = io.Copy(io.Discard, req.Body) }()
			return respond(503, 4*time.Second)(req)
		}, func(ctx context.Context) io.Reader { return slowBody(ctx, 100, 1500*time.Millisecond) }, errorBodyTimeout + maxReadWait, "Service Unavailable"},
		"an error that stalls": {respond(503, 6*time.Second), nil, errorBodyTimeout, "Service Unavailable"},
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
					c = newUploadCall(t.Context(), tt.upload(t.Context()))
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

// After a call has returned, its body is not read and net/http gets an error. The body is
// closed.
func TestUploadIsNotReadAfterTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads, closed := 0, 0
		c := newUploadCall(t.Context(), nil)
		c.Request.Body = &body{Reader: readerFunc(func(p []byte) (int, error) { reads++; return len(p), nil }), closed: &closed}
		c.Request.GetBody = func() (io.ReadCloser, error) { panic("not called") }
		var sent io.ReadCloser
		_, err := oneAttempt(func(req *http.Request) (*http.Response, error) {
			assert.Nil(t, req.GetBody, "net/http would use it to send the request again")
			sent = req.Body
			for range 7 {
				n, err := io.ReadFull(sent, make([]byte, 90_000))
				require.NoError(t, err)
				require.Equal(t, 90_000, n)
				time.Sleep(90 * time.Second)
			}
			return newResponse(200, ""), nil
		}).Do(c)
		require.NoError(t, err)
		assert.Equal(t, 1, closed)
		before := reads
		for range 10 {
			_, err = sent.Read(make([]byte, 1))
			require.ErrorIs(t, err, context.Canceled)
		}
		time.Sleep(time.Minute)
		assert.Equal(t, before, reads)
	})
}

// A read that blocks delays neither the end of the context nor that of the attempt, and what
// it returns later goes nowhere.
func TestReadThatBlocks(t *testing.T) {
	t.Parallel()
	for name, rt := range map[string]roundTripper{
		"while it is sent": func(req *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, req.Body)
			return nil, err
		},
		"after an early response": func(req *http.Request) (*http.Response, error) {
			go func() { _, _ = io.Copy(io.Discard, req.Body) }()
			time.Sleep(3 * time.Second)
			return newResponse(400, ""), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				r, w := io.Pipe()
				c := newUploadCall(ctx, readerFunc(r.Read)) // its Close unblocks no read
				start := time.Now()
				_, err := oneAttempt(rt).Do(c)
				require.Error(t, err)
				assert.LessOrEqual(t, time.Since(start), 3*time.Second+2*maxReadWait)
				_, err = w.Write(make([]byte, 1))
				require.NoError(t, err, "the read that was in progress")
				synctest.Wait() // for the goroutine's end
			})
		})
	}
}

// A body that can be read only once can be sent again if no attempt has read it. Each body that
// was opened is closed.
func TestUnreadBodyIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, once := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			opened, closed, sent := 0, 0, 0
			open := func() (io.ReadCloser, error) {
				opened++
				return &body{Reader: strings.NewReader("archive"), closed: &closed}, nil
			}
			c := newUploadCall(t.Context(), nil)
			c.Request.Body, _ = open()
			if !once {
				c.Request.GetBody = open
			}
			_, err := newChain(func(req *http.Request) (*http.Response, error) {
				if sent++; sent < 3 {
					_ = req.Body.Close()
					return newResponse(429, ""), nil
				}
				got, err := io.ReadAll(req.Body)
				require.NoError(t, err)
				assert.Equal(t, "archive", string(got))
				return newResponse(200, ""), nil
			}).Do(c)
			require.NoError(t, err)
			assert.Equal(t, 3, sent)
			assert.Equal(t, once, opened == 1)
			assert.Equal(t, opened, closed)
		})
	}
}

// An error of the body is not one of the connection, whatever its type, and reading it again
// would not help.
func TestReaderFails(t *testing.T) {
	t.Parallel()
	type test struct {
		read readerFunc
		err  error // nil if it panics
		text string
	}
	tests := []test{
		{func([]byte) (int, error) { panic("a bug") }, nil, "the reader panicked: a bug"},
		{func(p []byte) (int, error) { return len(p) + 1, nil }, nil, "the reader panicked: runtime error: slice bounds out of range"},
		{func([]byte) (int, error) { return -1, nil }, nil, "the reader panicked: runtime error: slice bounds out of range"},
	}
	for _, err := range []error{
		&net.DNSError{Err: "no such host", IsNotFound: true}, &net.OpError{Op: "dial", Err: errors.New("refused")},
		x509.UnknownAuthorityError{}, context.DeadlineExceeded, errors.New("disk error"),
	} {
		tests = append(tests, test{func([]byte) (int, error) { return 0, err }, err, err.Error()})
	}
	for _, tt := range tests {
		for _, idempotent := range []bool{false, true} {
			sent := 0
			c := newUploadCall(t.Context(), tt.read)
			c.Idempotent, c.Request.GetBody = idempotent, func() (io.ReadCloser, error) { return c.Request.Body, nil }
			_, err := newChain(func(req *http.Request) (*http.Response, error) {
				sent++
				_, err := io.Copy(io.Discard, req.Body)
				return nil, err
			}).Do(c)
			require.ErrorContains(t, err, "reading the request's body failed: ")
			require.ErrorContains(t, err, tt.text)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
			require.NotErrorAs(t, err, new(*ConnectionError))
			assert.Equal(t, !idempotent, errorOf(t, err).OutcomeUnknown)
			assert.Equal(t, 1, sent, tt.text)
		}
	}
}

// An error matches context.DeadlineExceeded only if the caller's context has ended.
func TestTimeoutsOfOthers(t *testing.T) {
	t.Parallel()
	for _, timeout := range []error{context.DeadlineExceeded, context.Canceled, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}} {
		_, err := oneAttempt(func(*http.Request) (*http.Response, error) { return nil, timeout }).Do(newCall(t.Context(), http.MethodGet))
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, context.Canceled)
		require.EqualError(t, err, timeout.Error())
		var op *net.OpError
		assert.Equal(t, errors.As(timeout, &op), errors.As(err, &op))
	}
}

// What a failed attempt proves depends on how far it got on the wire, and then not on the type
// of the error.
func TestProgressOnTheWire(t *testing.T) {
	t.Parallel()
	get := func(t *httptrace.ClientTrace) { t.GetConn("acme.example:443") }
	got := func(t *httptrace.ClientTrace) { t.GotConn(httptrace.GotConnInfo{}) }
	wrote := func(t *httptrace.ClientTrace) { t.WroteHeaders() }
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for name, tt := range map[string]struct {
		steps []func(*httptrace.ClientTrace)
		err   error // nil if the caller's context ends
		sent  bool
	}{
		"no trace":                      {nil, io.EOF, true},
		"no trace, dial":                {nil, dial, false},
		"no connection":                 {[]func(*httptrace.ClientTrace){get}, io.EOF, false},
		"nothing written":               {[]func(*httptrace.ClientTrace){get, got}, io.EOF, false},
		"header written":                {[]func(*httptrace.ClientTrace){get, got, wrote}, io.EOF, true},
		"header written, dial":          {[]func(*httptrace.ClientTrace){get, got, wrote}, dial, true},
		"header written, no connection": {[]func(*httptrace.ClientTrace){get, got, wrote, get}, dial, true},
		"nothing written, again":        {[]func(*httptrace.ClientTrace){get, got, get, got}, io.EOF, false},
		"ended without a trace":         {nil, nil, true},
		"ended without a connection":    {[]func(*httptrace.ClientTrace){get}, nil, false},
		"ended, idle connection closed": {[]func(*httptrace.ClientTrace){get, got, get}, nil, false},
		"ended with a connection":       {[]func(*httptrace.ClientTrace){get, got}, nil, true},
		"ended after the header":        {[]func(*httptrace.ClientTrace){get, got, wrote, get}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				sent := 0
				_, err := newChain(func(req *http.Request) (*http.Response, error) {
					sent++
					for _, step := range tt.steps {
						step(httptrace.ContextClientTrace(req.Context()))
					}
					if tt.err == nil {
						cancel()
						return hang(req)
					}
					return nil, tt.err
				}).Do(newCall(ctx, http.MethodPost))
				assert.Equal(t, tt.sent, errorOf(t, err).OutcomeUnknown)
				assert.Equal(t, !tt.sent && tt.err != nil, sent == 4, "retried")
			})
		})
	}
}

// A response proves that the request was sent. Over HTTP/2 it may come before net/http notes that
// it wrote the header.
func TestResponseBeforeTheHeaderIsNoted(t *testing.T) {
	t.Parallel()
	sent := 0
	_, err := newChain(func(req *http.Request) (*http.Response, error) {
		sent++
		trace := httptrace.ContextClientTrace(req.Context())
		trace.GetConn("acme.example:443")
		trace.GotConn(httptrace.GotConnInfo{})
		resp := newResponse(200, "")
		resp.ContentLength, resp.Body = -1, io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
		return resp, nil
	}).Do(newCall(t.Context(), http.MethodPost))
	assert.True(t, errorOf(t, err).OutcomeUnknown)
	assert.Equal(t, 1, sent)
}

// While a connection is made, and again from then on, a request may be silent for a minute or
// two. One that net/http would send a third time is ended.
func TestLimitsOfAnAttempt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call  func(context.Context) *Call
		limit time.Duration
	}{
		"get":    {func(ctx context.Context) *Call { return newCall(ctx, http.MethodGet) }, silentAfter},
		"create": {func(ctx context.Context) *Call { return newCall(ctx, http.MethodPost) }, stallAfter},
		"upload that can be repeated": {func(ctx context.Context) *Call {
			c := newUploadCall(ctx, strings.NewReader("archive"))
			c.Idempotent = true
			return c
		}, stallAfter},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c := tt.call(t.Context())
			_, err := oneAttempt(func(req *http.Request) (*http.Response, error) {
				trace := httptrace.ContextClientTrace(req.Context())
				trace.GetConn("acme.example:443")
				time.Sleep(50 * time.Second)
				trace.GotConn(httptrace.GotConnInfo{})
				return hang(req)
			}).Do(c)
			require.EqualError(t, err, stallError(tt.limit).Error(), name)
			assert.Equal(t, 50*time.Second+tt.limit, time.Since(start), name)
			assert.Equal(t, !c.Idempotent, errorOf(t, err).OutcomeUnknown, "net/http may not have noted yet what it wrote")
		})
	}
	for method, most := range map[string]int{http.MethodGet: 2, http.MethodPost: 1} {
		writes := 0
		_, err := oneAttempt(func(req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			for writes < 10 {
				trace.GetConn("acme.example:443")
				trace.GotConn(httptrace.GotConnInfo{})
				if req.Context().Err() != nil {
					return nil, req.Context().Err()
				}
				trace.WroteHeaders()
				writes++
			}
			return nil, io.EOF
		}).Do(newCall(t.Context(), method))
		require.EqualError(t, err, "the connection failed after the request was sent")
		assert.Equal(t, method == http.MethodPost, errorOf(t, err).OutcomeUnknown)
		assert.Equal(t, most, writes, method)
	}
}

// The body of a 101 is the connection: it has no end, and may not end with the context.
func TestSwitchingProtocols(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		_, err := oneAttempt(func(*http.Request) (*http.Response, error) {
			resp := newResponse(101, "")
			resp.Body = &body{Reader: readerFunc(func([]byte) (int, error) { select {} }), closed: &closed}
			return resp, nil
		}).Do(newCall(t.Context(), http.MethodPost))
		assert.True(t, errorOf(t, err).OutcomeUnknown)
		assert.Equal(t, 1, closed)
	})
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
