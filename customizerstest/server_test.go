package customizerstest_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

const (
	collection  = "/v2024/connector-customizers"
	recordType  = "application/json"
	archiveType = "application/zip"
)

func serve(t testing.TB, opts ...customizerstest.Option) *customizerstest.Server {
	t.Helper()
	srv := customizerstest.NewServer(opts...)
	t.Cleanup(srv.Close)
	return srv
}

// A peer sends plain HTTP requests to a tenant.
type peer struct {
	t             testing.TB
	srv           *customizerstest.Server
	authorization string // header; empty for none
}

// httpClient opens a connection for each request, so that net/http retries none.
var httpClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// newPeer returns a peer with a token.
func newPeer(t testing.TB, srv *customizerstest.Server) *peer {
	t.Helper()
	p := &peer{t: t, srv: srv}
	p.authorization = "Bearer " + decode[map[string]any](t, p.requestToken())["access_token"].(string)
	return p
}

type response struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. It sends an archive chunked, as the service's clients do.
func (p *peer) do(ctx context.Context, method, path, contentType, body string) (response, error) {
	p.t.Helper()
	r := io.Reader(strings.NewReader(body))
	if contentType == archiveType {
		r = io.MultiReader(r)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.srv.URL+path, r)
	require.NoError(p.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if p.authorization != "" {
		req.Header.Set("Authorization", p.authorization)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, data}, err
}

func (p *peer) send(method, path, contentType, body string) response {
	p.t.Helper()
	got, err := p.do(p.t.Context(), method, path, contentType, body)
	require.NoError(p.t, err)
	return got
}

func (p *peer) get(path string) response {
	p.t.Helper()
	return p.send(http.MethodGet, path, "", "")
}

func (p *peer) requestToken() response {
	p.t.Helper()
	anonymous := &peer{t: p.t, srv: p.srv}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {p.srv.ClientID}, "client_secret": {p.srv.ClientSecret}}
	return anonymous.send(http.MethodPost, "/oauth/token", formType, form.Encode())
}

func (p *peer) create(name string) string {
	p.t.Helper()
	got := p.send(http.MethodPost, collection, recordType, fmt.Sprintf(`{"name":%q}`, name))
	require.Equal(p.t, http.StatusCreated, got.status, string(got.body))
	return decode[customizers.Customizer](p.t, got).ID
}

func decode[T any](t testing.TB, r response) T {
	t.Helper()
	assert.Equal(t, recordType, r.header.Get("Content-Type"))
	var v T
	require.NoError(t, json.Unmarshal(r.body, &v), string(r.body))
	return v
}

// assertError checks that r is an error in the service's form.
func assertError(t testing.TB, r response, status int, text string) {
	t.Helper()
	assert.Equal(t, status, r.status, string(r.body))
	body := decode[struct {
		DetailCode string
		TrackingID string
		Messages   []struct{ Locale, LocaleOrigin, Text string }
	}](t, r)
	assert.True(t, strings.HasPrefix(body.DetailCode, strconv.Itoa(status)), body.DetailCode)
	assert.Regexp(t, `^[0-9a-f]{32}$`, body.TrackingID)
	require.Len(t, body.Messages, 1)
	assert.Equal(t, "en-US", body.Messages[0].Locale)
	assert.Equal(t, "DEFAULT", body.Messages[0].LocaleOrigin)
	assert.Contains(t, body.Messages[0].Text, text)
}

func zipArchive(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	_, err := z.Create("index.js")
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	given := customizers.Customizer{
		ID: "an-id", Name: "given", ImageVersion: 7, ImageID: "an-image", TenantID: "a-tenant",
		Created: customizers.Timestamp{Time: time.Date(2021, 5, 11, 22, 23, 16, 0, time.UTC)},
	}
	srv := serve(t, customizerstest.WithCustomizerCount(2), customizerstest.WithCustomizers(given, customizers.Customizer{Name: "bare"}),
		customizerstest.WithCustomizers(customizers.Customizer{Name: "last"}))
	added := srv.Add("x", "y")
	all := srv.Customizers()
	require.Len(t, all, 7)
	assert.Equal(t, given, all[0])
	assert.Equal(t, added, all[5:])
	names := []string{}
	for _, c := range all {
		names = append(names, c.Name)
		assert.NotEmpty(t, c.ID)
		assert.NotEmpty(t, c.TenantID)
		assert.False(t, c.Created.IsZero())
	}
	assert.Equal(t, []string{"given", "bare", "last", "customizer-000001", "customizer-000002", "x", "y"}, names)
	assert.JSONEq(t, `{"id":"an-id","name":"given","imageVersion":7,"imageID":"an-image","tenantID":"a-tenant","created":"2021-05-11T22:23:16Z"}`,
		string(newPeer(t, srv).get(collection+"/an-id").body))
	all[0].Name = "changed"
	assert.Equal(t, "given", srv.Customizers()[0].Name, "Customizers returns a copy")
	assert.Panics(t, func() { srv.Client(customizers.WithAPIVersion("v3")) })
}

func TestListener(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := serve(t, customizerstest.WithListener(l))
	assert.Equal(t, "http://"+l.Addr().String(), srv.URL)
	assert.Equal(t, http.StatusOK, newPeer(t, srv).get(collection).status)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithTLS())
	require.Regexp(t, `^https://127\.0\.0\.1:\d+$`, srv.URL)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	client := func(rt *http.Transport) *customizers.Client {
		t.Cleanup(rt.CloseIdleConnections)
		return srv.Client(customizers.WithHTTPClient(&http.Client{Transport: rt}), customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
	}
	for protocol, c := range map[string]*customizers.Client{
		"HTTP/1.1": srv.Client(customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1})),
		"HTTP/2.0": client(&http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}),
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequestWithContext(t.Context(), method, "/beta/connector-instances", nil)
			require.NoError(t, err)
			resp, err := c.Do(req)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Equal(t, protocol, resp.Proto)
		}
		for _, f := range []customizerstest.Fault{{Reset: true}, {TruncateAt: 1}} {
			srv.Inject(f)
			_, err := c.Create(t.Context(), customizers.CreateRequest{Name: "a"}) // net/http may repeat a GET
			require.ErrorIs(t, err, customizers.ErrConnection)
			require.NotErrorIs(t, err, io.EOF)
		}
	}
	require.ErrorIs(t, client(&http.Transport{}).Delete(t.Context(), "one"), customizers.ErrConnection, "an unknown certificate")
	assert.Nil(t, serve(t).Certificate())
	assert.Nil(t, serve(t, customizerstest.WithTLS(), customizerstest.WithoutSocket()).Certificate())
}

func TestRequests(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	assert.Empty(t, srv.Requests())
	start := time.Now()
	p := newPeer(t, srv)
	id := p.create("a b")
	p.get(collection + "?limit=2&count=true")
	p.get(collection + "/a%20b")
	p.get("/nowhere")
	archive := zipArchive(t)
	p.send(http.MethodPost, collection+"/"+id+"/versions", archiveType, archive)
	srv.Inject(customizerstest.Fault{Operation: customizerstest.Info, Status: http.StatusGone})
	p.get("/oauth/info")

	type line struct {
		operation           customizerstest.Operation
		method, path, query string
		size                int64
		status              int
		injected            bool
	}
	all := srv.Requests()
	var got []line
	for _, r := range all {
		got = append(got, line{r.Operation, r.Method, r.Path, r.Query, r.BodySize, r.Status, r.Injected})
		assert.WithinRange(t, r.Time, start, time.Now())
		assert.Positive(t, r.Duration)
	}
	assert.Equal(t, []line{
		{customizerstest.Token, "POST", "/oauth/token", "", all[0].BodySize, 200, false},
		{customizerstest.Create, "POST", collection, "", int64(len(`{"name":"a b"}`)), 201, false},
		{customizerstest.List, "GET", collection, "limit=2&count=true", 0, 200, false},
		{customizerstest.Get, "GET", collection + "/a%20b", "", 0, 404, false},
		{"", "GET", "/nowhere", "", 0, 404, false},
		{customizerstest.CreateVersion, "POST", collection + "/" + id + "/versions", "", int64(len(archive)), 200, false},
		{customizerstest.Info, "GET", "/oauth/info", "", 0, 410, true},
	}, got)
	assert.Equal(t, p.authorization, all[1].Header.Get("Authorization"))
	assert.JSONEq(t, `{"name":"a b"}`, all[1].Body)
	assert.Equal(t, archive, all[5].Body)
	assert.Equal(t, all[2:4], srv.Requests(customizerstest.Get, customizerstest.List))

	p.create(strings.Repeat("long", 1000))
	long := srv.Requests()[len(all)]
	assert.EqualValues(t, len(`{"name":""}`)+4000, long.BodySize)
	assert.Equal(t, (`{"name":"` + strings.Repeat("long", 1000))[:1024], long.Body)
}
