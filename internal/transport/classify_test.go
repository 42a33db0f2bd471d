package transport

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

// The verdict on each status and error, for idempotent calls and for creates.
func TestClassify(t *testing.T) {
	t.Parallel()
	var (
		fail      = verdict{}
		retry     = verdict{retry: true}
		charged   = verdict{retry: true, charged: true}
		unsure    = verdict{retry: true, charged: true, mayHaveActed: true}
		noRetry   = verdict{charged: true, mayHaveActed: true}
		failAfter = verdict{mayHaveActed: true}
	)
	op := func(op string) error { return &net.OpError{Op: op, Err: errors.New("failed")} }
	for name, tt := range map[string]struct {
		status     int
		err        error
		idempotent verdict
		create     verdict
	}{
		"000": {0, nil, failAfter, failAfter},
		"099": {99, nil, failAfter, failAfter},
		"101": {101, nil, failAfter, failAfter},
		"302": {302, nil, failAfter, failAfter},
		"400": {400, nil, fail, fail},
		"401": {401, nil, fail, fail},
		"403": {403, nil, fail, fail},
		"404": {404, nil, fail, fail},
		"408": {408, nil, unsure, noRetry},
		"409": {409, nil, fail, fail},
		"417": {417, nil, fail, fail},
		"429": {429, nil, retry, retry},
		"500": {500, nil, unsure, noRetry},
		"501": {501, nil, failAfter, failAfter},
		"502": {502, nil, unsure, noRetry},
		"503": {503, nil, unsure, noRetry},
		"504": {504, nil, unsure, noRetry},
		"505": {505, nil, failAfter, failAfter},
		"599": {599, nil, failAfter, failAfter},

		"no such host":       {0, &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, charged, charged},
		"lookup timed out":   {0, &net.DNSError{IsTimeout: true}, charged, charged},
		"connection refused": {0, op("dial"), charged, charged},
		"proxy refused":      {0, op("proxyconnect"), charged, charged},
		"SOCKS proxy":        {0, op("socks connect"), charged, charged},
		"reset":              {0, op("read"), unsure, noRetry},
		"write failed":       {0, op("write"), unsure, noRetry},
		"closed early":       {0, io.EOF, unsure, noRetry},
		"client's timeout":   {0, context.DeadlineExceeded, unsure, noRetry},
		"stalled":            {0, stallError(stallAfter), unsure, noRetry},
		"body broke off":     {200, io.ErrUnexpectedEOF, unsure, noRetry},
		"body too large":     {200, errTooLarge, failAfter, failAfter},
		"certificate":        {0, &tls.CertificateVerificationError{Err: errors.New("expired")}, fail, fail},
		"unknown authority":  {0, x509.UnknownAuthorityError{}, fail, fail},
		"wrong host":         {0, x509.HostnameError{Certificate: &x509.Certificate{}}, fail, fail},
		"certificate is old": {0, x509.CertificateInvalidError{}, fail, fail},
		"odd certificate":    {0, errors.New("tls: failed to parse certificate from server: x509: negative serial number"), fail, fail},
		"not TLS":            {0, tls.RecordHeaderError{}, failAfter, failAfter},
		"http on https":      {0, http.ErrSchemeMismatch, failAfter, failAfter},
		"context ended":      {0, canceledBy(t, op("dial")), failAfter, failAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.err
			if err != nil && !errors.Is(err, errTooLarge) {
				err = &ConnectionError{err: &url.Error{Op: "Get", URL: "https://acme.example", Err: err}}
			}
			assert.Equal(t, tt.idempotent, classify(true, tt.status, err), "idempotent")
			assert.Equal(t, tt.create, classify(false, tt.status, err), "create")
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"-5", "", 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"1200", "", 20 * time.Minute},
		{"1.5", "", 1500 * time.Millisecond},
		{"0.0000000001", "", 1}, // rounded up
		{"soon", "", 0},
		{"NaN", "", 0},
		{"-Inf", "", 0},
		{"Inf", "", math.MaxInt64},
		{"1e300", "", math.MaxInt64},
		{"1e400", "", math.MaxInt64}, // more than a float64 holds
		{"-1e400", "", 0},
		{"99999999999999999999", "", math.MaxInt64},
		{date(30 * time.Second), "", 30 * time.Second},
		{date(-30 * time.Second), "", 0},
		{date(time.Hour + 5*time.Second), date(time.Hour), 5 * time.Second}, // the service's clock is an hour ahead
		{date(5 * time.Second), "today", 5 * time.Second},
		{now.Add(time.Minute).Format(time.RFC850), "", time.Minute},
		{now.Add(time.Minute).Format(time.ANSIC), "", time.Minute},
	} {
		assert.Equal(t, tt.want, retryAfter(http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}, now), "%q at %q", tt.value, tt.date)
	}
	assert.Zero(t, retryAfter(http.Header{}, now))
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, s := range []string{"", "0", "7", "-1", "1.5", "1e9", "1e400", "Inf", "nan", "0x10", "1_000", now.Format(http.TimeFormat), "Sunday, 06-Nov-94 08:49:37 GMT"} {
		f.Add(s, "")
		f.Add(s, now.Format(http.TimeFormat))
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		d := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		require.GreaterOrEqual(t, d, time.Duration(0))
		var seconds uint32
		if _, err := fmt.Sscan(value, &seconds); err == nil && fmt.Sprint(seconds) == value {
			require.Equal(t, time.Duration(seconds)*time.Second, d, "whole seconds are exact")
		}
	})
}
