package customizerstest

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
)

// A response without a socket equals the one that net/http reads from a socket.
func TestMemoryTransportMatchesSocket(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method string // "" for GET
		path   string // after the collection's
		body   string
		fault  Fault
	}{
		"a list":                   {},
		"an empty page":            {path: "?offset=9&count=true"},
		"a head":                   {method: http.MethodHead},
		"not found":                {path: "/gone"},
		"no content":               {method: http.MethodDelete, path: "/an-id", fault: Fault{Status: http.StatusNoContent}},
		"no content, with a body":  {fault: Fault{Status: http.StatusNoContent, Body: "{}"}},
		"a redirect":               {fault: Fault{Status: http.StatusFound, Header: http.Header{"Location": {"/elsewhere"}}}},
		"a proxy's error page":     {fault: Fault{Status: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<p>"}},
		"an unassigned status":     {fault: Fault{Status: 599, Body: "{}"}},
		"header names of any case": {fault: Fault{Status: http.StatusTooManyRequests, Header: http.Header{"retry-after": {" 50 "}, "x-ODD": {"a", "b"}}}},
		"the fault's own date":     {fault: Fault{Status: http.StatusBadGateway, Header: http.Header{"Date": {"Tue, 11 May 2021 22:23:16 GMT"}}}},
		"truncated":                {fault: Fault{TruncateAt: 5}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := NewServer(WithCustomizers(customizers.Customizer{ID: "an-id", Name: "one"}))
			defer srv.Close()
			if tt.fault.Status != 0 || tt.fault.TruncateAt != 0 {
				tt.fault.Times = 2
				srv.Inject(tt.fault)
			}
			send := func(transport http.RoundTripper) (*http.Response, string) {
				req, err := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+"/v2024/connector-customizers"+tt.path, strings.NewReader(tt.body))
				require.NoError(t, err)
				req.Header.Set("Authorization", "Bearer "+srv.issuer.issue(srv.ClientID))
				req.Header.Set("Content-Type", "application/json")
				resp, err := transport.RoundTrip(req)
				require.NoError(t, err)
				assert.Same(t, req, resp.Request)
				body, err := io.ReadAll(resp.Body)
				if tt.fault.TruncateAt != 0 {
					assert.ErrorIs(t, err, syscall.ECONNRESET)
				} else {
					assert.NoError(t, err)
				}
				_ = resp.Body.Close()
				if tt.fault.Header.Get("Date") == "" {
					date, err := http.ParseTime(resp.Header.Get("Date"))
					assert.NoError(t, err)
					assert.WithinDuration(t, time.Now(), date, time.Minute)
					resp.Header.Del("Date")
				}
				resp.Request, resp.Body = nil, nil
				return resp, trackingID.ReplaceAllString(string(body), "")
			}
			want, wantBody := send(srv.client.Transport)
			got, gotBody := send(memoryTransport{srv})
			assert.Equal(t, want, got)
			assert.Equal(t, wantBody, gotBody)
		})
	}
}

var trackingID = regexp.MustCompile(`[0-9a-f]{32}`)
