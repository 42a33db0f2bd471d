package customizers_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// A stop is where a call waits until it is let go.
type stop struct{ reached, open chan struct{} }

func newStop() *stop { return &stop{make(chan struct{}), make(chan struct{})} }

func (s *stop) wait() {
	close(s.reached)
	<-s.open
}

// stopping is a reader that stops before its first byte.
type stopping struct {
	io.Reader
	stop *stop
	once sync.Once
}

func (s *stopping) Read(p []byte) (int, error) {
	s.once.Do(s.stop.wait)
	return s.Reader.Read(p)
}

func (s *stopping) Close() error { return nil }

// stoppingLog stops at the first line of an upload.
type stoppingLog struct {
	slog.Handler
	stop *stop
	once *sync.Once
}

func (l stoppingLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "method" && a.Value.String() == http.MethodPut {
			l.once.Do(l.stop.wait)
		}
		return true
	})
	return nil
}

// No lock is held while a call waits for the network, the archive or the log: each is
// stopped there for good, and others go on.
func TestNoLockIsHeldAcrossIO(t *testing.T) {
	t.Parallel()
	send, answer, read, log := newStop(), newStop(), newStop(), newStop()
	const ok = `{"id":"c","name":"n"}`
	transport := roundTripper(func(req *http.Request) (*http.Response, error) {
		body := io.NopCloser(strings.NewReader(ok))
		switch {
		case strings.HasSuffix(req.URL.Path, "/versions"):
			_, err := io.Copy(io.Discard, req.Body)
			if err != nil {
				return nil, err
			}
		case req.Method == http.MethodDelete:
			send.wait()
		case req.Method == http.MethodPost:
			body = &stopping{Reader: strings.NewReader(ok), stop: answer}
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, ContentLength: -1, Request: req}, nil
	})
	c := newClient(t, "acme", customizers.TokenSource(static("t")), customizers.WithHTTPClient(&http.Client{Transport: transport}),
		customizers.WithLogger(slog.New(stoppingLog{slog.NewTextHandler(new(bytes.Buffer), &slog.HandlerOptions{Level: slog.LevelDebug}), log, new(sync.Once)})))
	ctx := ctxOf(t)
	var stopped sync.WaitGroup
	stopped.Go(func() { assert.NoError(t, c.Delete(ctx, "c")) })
	stopped.Go(func() {
		_, err := c.Create(ctx, customizers.CreateRequest{Name: "n"})
		assert.NoError(t, err)
	})
	stopped.Go(func() {
		_, err := c.CreateVersion(ctx, "c", &stopping{Reader: bytes.NewReader(archive(t)), stop: read})
		assert.NoError(t, err)
	})
	stopped.Go(func() {
		_, err := c.Update(ctx, "c", customizers.UpdateRequest{Name: "n"})
		assert.NoError(t, err)
	})
	for _, s := range []*stop{send, answer, read, log} {
		<-s.reached
	}
	for range 20 {
		_, err := c.Get(ctx, "c")
		require.NoError(t, err)
	}
	for _, s := range []*stop{send, answer, read, log} {
		close(s.open)
	}
	stopped.Wait()
}
