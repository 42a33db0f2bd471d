package customizers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of the retry policy: what follows from the end of one try.
func TestJudge(t *testing.T) {
	var (
		later   = verdict{retry: true}
		again   = verdict{retry: true, charged: true}
		unsure  = verdict{retry: true, charged: true, mayHaveActed: true}
		broken  = verdict{charged: true, mayHaveActed: true}
		unknown = verdict{mayHaveActed: true}
		no      = verdict{}
	)
	sent := func(err error) error { return &url.Error{Op: "Post", URL: "https://acme", Err: err} }
	for _, tt := range []struct {
		name       string
		status     int
		err        error
		repeatable verdict // GET, PUT, DELETE, and requests for a token
		create     verdict // POST
	}{
		{"400", 400, nil, no, no},
		{"401", 401, nil, no, no},
		{"403", 403, nil, no, no},
		{"404", 404, nil, no, no},
		{"409", 409, nil, no, no},
		{"302", 302, nil, unknown, unknown},
		{"408", 408, nil, unsure, broken},
		{"429", 429, nil, later, later},
		{"500", 500, nil, unsure, broken},
		{"501", 501, nil, unknown, unknown},
		{"502", 502, nil, unsure, broken},
		{"503", 503, nil, unsure, broken},
		{"504", 504, nil, unsure, broken},
		{"505", 505, nil, unknown, unknown},
		{"599", 599, nil, unknown, unknown},
		{"reset", 0, sent(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), unsure, broken},
		{"write failed", 0, sent(&net.OpError{Op: "write", Err: errors.New("broken pipe")}), unsure, broken},
		{"closed early", 0, sent(io.EOF), unsure, broken},
		{"body broke off", 200, io.ErrUnexpectedEOF, unsure, broken},
		{"body too large", 200, errTooLarge, unknown, unknown},
		{"client's timeout", 0, sent(context.DeadlineExceeded), unsure, broken},
		{"no such host", 0, sent(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), again, again},
		{"lookup timed out", 0, sent(&net.DNSError{IsTimeout: true}), again, again},
		{"refused", 0, sent(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), again, again},
		{"proxy refused", 0, sent(&net.OpError{Op: "proxyconnect", Err: errors.New("connection refused")}), again, again},
		{"certificate", 0, sent(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), no, no},
		{"wrong host", 0, sent(x509.HostnameError{Certificate: &x509.Certificate{}}), no, no},
		{"not TLS", 0, sent(tls.RecordHeaderError{}), unknown, unknown},
		{"http on https", 0, sent(http.ErrSchemeMismatch), unknown, unknown},
		{"context ended", 0, &ended{context.Canceled, &net.OpError{Op: "dial", Err: errors.New("of another call")}}, unknown, unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.repeatable, judge(true, tt.status, tt.err), "repeatable")
			assert.Equal(t, tt.create, judge(false, tt.status, tt.err), "create")
		})
	}
}

func TestIsRepeatable(t *testing.T) {
	for method, want := range map[string]bool{"GET": true, "PUT": true, "DELETE": true, "POST": false, "PATCH": false} {
		assert.Equal(t, want, isRepeatable(method), method)
	}
}

func TestBackoff(t *testing.T) {
	p := RetryPolicy{}.withDefaults()
	for attempt, ceiling := range map[int]time.Duration{
		1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second, 6: 16 * time.Second,
		7: 20 * time.Second, 50: 20 * time.Second, 5000: 20 * time.Second,
	} {
		assert.Equal(t, time.Duration(0), p.backoff(attempt, 0), "attempt %d", attempt)
		assert.Equal(t, ceiling/2, p.backoff(attempt, 0.5), "attempt %d", attempt)
		assert.InDelta(t, ceiling, p.backoff(attempt, math.Nextafter(1, 0)), 2, "attempt %d", attempt)
	}
}

func TestRetryPolicyDefaults(t *testing.T) {
	assert.Equal(t, RetryPolicy{4, 500 * time.Millisecond, 20 * time.Second, 60 * time.Second}, RetryPolicy{}.withDefaults())
	assert.Equal(t, RetryPolicy{1, time.Minute, time.Minute, time.Second},
		RetryPolicy{MaxAttempts: 1, MinBackoff: time.Minute, MaxWait: time.Second}.withDefaults())
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"1200", "", 20 * time.Minute},
		{"1.5", "", 1500 * time.Millisecond},
		{"-5", "", 0},
		{"soon", "", 0},
		{"NaN", "", 0},
		{"1e300", "", math.MaxInt64},
		{"99999999999999999999", "", math.MaxInt64},
		{date(30 * time.Second), "", 30 * time.Second},
		{date(-30 * time.Second), "", 0},
		// The service's clock is an hour ahead: its own Date tells.
		{date(time.Hour + 5*time.Second), date(time.Hour), 5 * time.Second},
		{now.Add(time.Minute).Format(time.RFC850), "", time.Minute},
		{now.Add(time.Minute).Format(time.ANSIC), "", time.Minute},
	} {
		t.Run(tt.value, func(t *testing.T) {
			h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
			assert.Equal(t, tt.want, parseRetryAfter(h, now))
		})
	}
	assert.Zero(t, parseRetryAfter(http.Header{}, now))
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, s := range []string{"", "0", "7", "-1", "1.5", "1e9", "1e400", "Inf", "nan", "0x10", "1_000", now.Format(http.TimeFormat), "Sunday, 06-Nov-94 08:49:37 GMT"} {
		f.Add(s, "")
		f.Add(s, now.Format(http.TimeFormat))
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		d := parseRetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		require.GreaterOrEqual(t, d, time.Duration(0))
		var seconds uint32
		if n, err := fmt.Sscanf(value, "%d", &seconds); n == 1 && err == nil && fmt.Sprint(seconds) == value {
			require.Equal(t, time.Duration(seconds)*time.Second, d, "whole seconds are exact")
		}
	})
}
