package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/connector-customizers/customizers"
)

// A progressTransport shows how far an upload is.
type progressTransport struct {
	next    http.RoundTripper
	console *console
}

func (t *progressTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Content-Type") != "application/zip" || req.Body == nil || !t.console.live() {
		return t.next.RoundTrip(req)
	}
	b := &bar{total: req.ContentLength}
	req = req.Clone(req.Context())
	req.Body = &uploading{ReadCloser: req.Body, bar: b}
	defer b.show(t.console)()
	return t.next.RoundTrip(req)
}

type uploading struct {
	io.ReadCloser
	bar *bar
}

func (u *uploading) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.bar.sent.Add(int64(n))
	return n, err
}

// A bar shows how much of an upload is sent, how fast, and how long it will take.
type bar struct {
	total int64 // -1 when not known
	sent  atomic.Int64
}

// show draws the bar now and then, also when nothing is sent, until the function that it
// returns is called.
func (b *bar) show(c *console) (stop func()) {
	start, over, done := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				c.progress(b.text(time.Since(start), widthOf(c.w)-1))
			}
		}
	}()
	return func() {
		close(over)
		<-done
	}
}

// text is what is shown after some time, in a number of columns.
func (b *bar) text(took time.Duration, columns int) string {
	sent := b.sent.Load()
	rate := sizeText(int64(float64(sent)/max(took.Seconds(), 0.001))) + "/s"
	if b.total <= 0 {
		return fmt.Sprintf("uploading %s, %s", sizeText(sent), rate)
	}
	left := "waiting for the service"
	if sent > 0 && sent < b.total {
		left = rate + ", " + timeText(time.Duration(float64(took)*float64(b.total-sent)/float64(sent))) + " left"
	}
	text := fmt.Sprintf("%3d%% of %s, %s", 100*sent/b.total, sizeText(b.total), left)
	const head, least, most = "uploading ", 5, 24
	width := min(most, columns-len(head)-len("[] ")-len(text))
	if width < least {
		return head + strings.TrimLeft(text, " ")
	}
	full := int(int64(width) * sent / b.total)
	return head + "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] " + text
}

// observer shows the waits that people would wonder about.
func (a *app) observer() customizers.Observer {
	return customizers.Observer{
		Wait: func(_ context.Context, w customizers.Wait) {
			if w.Duration >= time.Second {
				a.console.countdown(waitText(w), w.Duration)
			}
		},
		Attempt: func(_ context.Context, t customizers.Attempt) {
			a.console.endWait()
			if t.Operation == "CreateVersion" {
				a.console.progress("") // the bar has ended
			}
		},
	}
}

// waitText says why there is a wait, with a verb for what is left of it.
func waitText(w customizers.Wait) string {
	switch {
	case w.Reason == customizers.WaitRateLimit:
		return "keeping to the rate limit, resuming in %s"
	case w.Reason == customizers.WaitRetryAfter && (w.Err == nil || errors.Is(w.Err, customizers.ErrRateLimited)):
		return "rate limited, resuming in %s"
	}
	return "the service failed, trying again in %s"
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
		if attr.Value.Kind() == slog.KindDuration {
			value = rounded(attr.Value.Duration()).String()
		}
		if strings.ContainsAny(value, " \"=") {
			value = fmt.Sprintf("%q", value)
		}
		b.WriteString(" " + attr.Key + "=" + value)
		return true
	})
	h.console.print(printable(b.String()))
	return nil
}
