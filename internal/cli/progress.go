package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/connector-customizers/customizers"
)

// A progressTransport shows the progress of an upload on a terminal.
type progressTransport struct {
	next    http.RoundTripper
	console *console
}

func (t *progressTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Content-Type") != "application/zip" || req.ContentLength <= 0 {
		return t.next.RoundTrip(req)
	}
	body := &uploadReader{ReadCloser: req.Body, total: req.ContentLength, start: time.Now()}
	req = req.Clone(req.Context())
	req.Body = body
	t.console.show(func() string { return body.text(time.Since(body.start)) })
	defer t.console.show(nil)
	return t.next.RoundTrip(req)
}

// An uploadReader counts the bytes of an upload.
type uploadReader struct {
	io.ReadCloser
	total int64
	start time.Time
	sent  atomic.Int64
}

func (r *uploadReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.sent.Add(int64(n))
	return n, err
}

// text returns how much was sent, the mean rate, and the time left at this rate.
func (r *uploadReader) text(elapsed time.Duration) string {
	sent := r.sent.Load()
	share := fmt.Sprintf("Uploading %d%% of %s, ", 100*sent/r.total, sizeText(r.total))
	if sent == 0 || sent == r.total {
		return share + "waiting for the service"
	}
	left := time.Duration(float64(elapsed) * float64(r.total-sent) / float64(sent))
	return share + fmt.Sprintf("%s/s, %s left", sizeText(int64(float64(sent)/elapsed.Seconds())), timeText(left))
}

// longWait is the shortest wait to report if standard error is not a terminal.
const longWait = 5 * time.Second

// observer reports waits.
func (a *app) observer() customizers.Observer {
	return customizers.Observer{
		OnWait: func(_ context.Context, w customizers.Wait) {
			reason, end := reasonText(w), time.Now().Add(w.Duration)
			if a.console.terminal && w.Duration >= time.Second {
				a.console.show(func() string { return reason + " in " + timeText(time.Until(end)) })
			} else if w.Duration >= longWait {
				a.console.note("%s in %s.", reason, timeText(w.Duration))
			}
		},
		OnAttempt: func(context.Context, customizers.Attempt) { a.console.show(nil) },
	}
}

// reasonText returns the reason for a wait, and what follows it.
func reasonText(w customizers.Wait) string {
	switch {
	case w.Reason == customizers.WaitRateLimit:
		return "Near the rate limit: resuming"
	case w.Reason == customizers.WaitRetryAfter && (w.Err == nil || errors.Is(w.Err, customizers.ErrRateLimited)):
		return "Rate limited: resuming"
	}
	return "The service failed: retrying"
}

// logger logs requests to the console with --verbose.
func (a *app) logger() *slog.Logger {
	if !a.console.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.console, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: shorten}))
}

// shorten rounds times, and omits the level, which is the same in every line.
func shorten(_ []string, attr slog.Attr) slog.Attr {
	switch {
	case attr.Key == slog.LevelKey:
		return slog.Attr{}
	case attr.Key == slog.TimeKey:
		return slog.String(slog.TimeKey, attr.Value.Time().Format("15:04:05.000"))
	case attr.Value.Kind() == slog.KindDuration:
		return slog.Duration(attr.Key, readable(attr.Value.Duration()))
	}
	return attr
}

// readable rounds d for a person.
func readable(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// sizeText formats a number of bytes.
func sizeText(n int64) string {
	value, units := float64(n), []string{"B", "kB", "MB", "GB", "TB"}
	for value >= 999.5 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	if units[0] == "B" || value >= 99.5 {
		return fmt.Sprintf("%.0f %s", value, units[0])
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}
