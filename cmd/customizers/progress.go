package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/connector-customizers/customizers"
)

// A progressTransport shows how far an upload is.
type progressTransport struct {
	next    http.RoundTripper
	console *console
}

func (t *progressTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Content-Type") == "application/zip" && req.Body != nil && t.console.live() {
		bar := &bar{console: t.console, total: req.ContentLength, start: time.Now(), now: time.Now}
		req = req.Clone(req.Context())
		req.Body = &uploading{ReadCloser: req.Body, bar: bar}
	}
	return t.next.RoundTrip(req)
}

type uploading struct {
	io.ReadCloser
	bar *bar
}

func (u *uploading) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.bar.add(int64(n))
	return n, err
}

// A bar shows how much of an upload is sent, how fast, and how long it will take.
type bar struct {
	console *console
	total   int64 // -1 when not known
	start   time.Time
	now     func() time.Time

	sent  int64
	shown time.Time
}

const redraw = 100 * time.Millisecond

func (b *bar) add(n int64) {
	b.sent += n
	now := b.now()
	if now.Sub(b.shown) < redraw && b.sent != b.total {
		return
	}
	b.shown = now
	b.console.progress(b.text(now.Sub(b.start)))
}

func (b *bar) text(took time.Duration) string {
	const width = 24
	rate := int64(float64(b.sent) / max(took.Seconds(), 0.001))
	if b.total <= 0 {
		return fmt.Sprintf("uploading %s at %s/s", sizeText(b.sent), sizeText(rate))
	}
	full := int(width * b.sent / b.total)
	left := "waiting for the service"
	if b.sent < b.total {
		left = fmt.Sprintf("%v left", roundUp(time.Duration(float64(took)*float64(b.total-b.sent)/float64(max(b.sent, 1)))))
	}
	return fmt.Sprintf("uploading [%s%s] %3d%% of %s, %s/s, %s", strings.Repeat("#", full), strings.Repeat(".", width-full),
		100*b.sent/b.total, sizeText(b.total), sizeText(rate), left)
}

// observer shows the waits that people would wonder about.
func (a *app) observer() customizers.Observer {
	return customizers.Observer{
		Wait: func(_ context.Context, w customizers.Wait) {
			if w.Duration >= time.Second {
				a.console.countdown(waitText(w), w.Duration)
			}
		},
		Try: func(_ context.Context, t customizers.Try) {
			a.console.endWait()
			if t.Operation == "CreateVersion" {
				a.console.done() // with the bar
			}
		},
	}
}

// waitText says why there is a wait, with a verb for what is left of it.
func waitText(w customizers.Wait) string {
	switch {
	case w.Reason == customizers.WaitRateLimit:
		return "keeping to the rate limit, resuming in %v"
	case w.Reason == customizers.WaitRetryAfter && (w.Err == nil || errors.Is(w.Err, customizers.ErrRateLimited)):
		return "rate limited, resuming in %v"
	}
	return "the service failed, trying again in %v"
}

// logger logs requests to the console with --verbose.
func (a *app) logger() *slog.Logger {
	if !a.console.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&logHandler{console: a.console})
}

// A logHandler writes a record as a line: the time, and what the SDK says of a request
// in the order of its attributes.
type logHandler struct{ console *console }

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *logHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *logHandler) WithGroup(string) slog.Handler            { return h }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.Format("15:04:05.000 ") + strings.TrimPrefix(r.Message, "customizers: "))
	r.Attrs(func(attr slog.Attr) bool {
		value := attr.Value.String()
		if strings.ContainsAny(value, " \"=") {
			value = fmt.Sprintf("%q", value)
		}
		b.WriteString(" " + attr.Key + "=" + value)
		return true
	})
	h.console.print(printable(b.String()))
	return nil
}
