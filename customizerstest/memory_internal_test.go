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
func TestResponseIsAsOverASocket(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method string // GET when empty
		path   string // behind the collection
		body   string
		fault  Fault
	}{
		"a list":              {},
		"an empty page":       {path: "?offset=9&count=true"},
		"a head":              {method: http.MethodHead},
		"not found":           {path: "/gone"},
		"no content":          {method: http.MethodDelete, path: "/an-id", fault: Fault{Status: http.StatusNoContent}},
		"no content with one": {fault: Fault{Status: http.StatusNoContent, Body: "{}"}},
		"a redirect":          {fault: Fault{Status: http.StatusFound, Header: http.Header{"Location": {"/elsewhere"}}}},
		"a page of a proxy":   {fault: Fault{Status: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<p>"}},
		"a status of no name": {fault: Fault{Status: 599, Body: "{}"}},
		"names of any case":   {fault: Fault{Status: http.StatusTooManyRequests, Header: http.Header{"retry-after": {" 50 "}, "x-ODD": {"a", "b"}}}},
		"a date of its own":   {fault: Fault{Status: http.StatusBadGateway, Header: http.Header{"Date": {"Tue, 11 May 2021 22:23:16 GMT"}}}},
		"a part":              {fault: Fault{TruncateAt: 5}},
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
			ask := func(transport http.RoundTripper) (*http.Response, string) {
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
			want, wantBody := ask(srv.client.Transport)
			got, gotBody := ask(memory{srv})
			assert.Equal(t, want, got)
			assert.Equal(t, wantBody, gotBody)
		})
	}
}

var trackingID = regexp.MustCompile(`[0-9a-f]{32}`)
