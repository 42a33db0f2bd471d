package customizerstest_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	authorization string // header; none when empty
}

// plain opens a connection for each request, so that net/http retries nothing.
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// newPeer returns a peer with a token.
func newPeer(t testing.TB, srv *customizerstest.Server) *peer {
	t.Helper()
	p := &peer{t: t, srv: srv}
	p.authorization = "Bearer " + decode[map[string]any](t, p.askToken())["access_token"].(string)
	return p
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (p *peer) try(ctx context.Context, method, path, contentType, body string) (reply, error) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, p.srv.URL+path, strings.NewReader(body))
	require.NoError(p.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if p.authorization != "" {
		req.Header.Set("Authorization", p.authorization)
	}
	resp, err := plain.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, data}, err
}

func (p *peer) send(method, path, contentType, body string) reply {
	p.t.Helper()
	got, err := p.try(p.t.Context(), method, path, contentType, body)
	require.NoError(p.t, err)
	return got
}

func (p *peer) get(path string) reply {
	p.t.Helper()
	return p.send(http.MethodGet, path, "", "")
}

func (p *peer) askToken() reply {
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

func decode[T any](t testing.TB, r reply) T {
	t.Helper()
	assert.Equal(t, recordType, r.header.Get("Content-Type"))
	var v T
	require.NoError(t, json.Unmarshal(r.body, &v), string(r.body))
	return v
}

// assertError holds an answer to the service's error shape.
func assertError(t testing.TB, r reply, status int, text string) {
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

func zipped(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("index.js")
	require.NoError(t, err)
	_, err = io.WriteString(f, "// nothing yet\n")
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

func TestInfo(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t))
	p.authorization = "" // it needs none
	got := p.get("/oauth/info")
	require.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, map[string]string{
		"authorizeEndpoint": p.srv.URL + "/oauth/authorize",
		"tokenEndpoint":     p.srv.URL + "/oauth/token",
	}, decode[map[string]string](t, got))
}

func TestScopes(t *testing.T) {
	t.Parallel()
	operations := []struct {
		method, path, contentType, body string
		manage                          bool
		status                          int
	}{
		{http.MethodGet, "", "", "", false, http.StatusOK},
		{http.MethodGet, "/an-id", "", "", false, http.StatusOK},
		{http.MethodPost, "", recordType, `{"name":"a"}`, true, http.StatusCreated},
		{http.MethodPut, "/an-id", recordType, `{"name":"b"}`, true, http.StatusOK},
		{http.MethodPost, "/an-id/versions", "", "", true, http.StatusOK},
		{http.MethodDelete, "/an-id", "", "", true, http.StatusNoContent},
	}
	for _, scopes := range [][]string{{"sp:connector:read"}, {"sp:connector:manage"}, {}} {
		t.Run(strings.Join(scopes, " "), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, serve(t, customizerstest.WithScopes(scopes...),
				customizerstest.WithCustomizers(customizers.Customizer{ID: "an-id", Name: "one"})))
			for _, op := range operations {
				got := p.send(op.method, collection+op.path, op.contentType, op.body)
				allowed := len(scopes) > 0 && op.manage == (scopes[0] == "sp:connector:manage")
				if allowed {
					assert.Equal(t, op.status, got.status, op)
				} else {
					assertError(t, got, http.StatusForbidden, "refuses to authorize")
				}
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t, customizerstest.WithSeed(1)))
	tests := map[string]struct{ method, path, contentType, body, says string }{
		"get":            {http.MethodGet, collection + "/gone", "", "", "gone"},
		"update":         {http.MethodPut, collection + "/gone", recordType, `{"name":"a"}`, "gone"},
		"delete":         {http.MethodDelete, collection + "/gone", "", "", "gone"},
		"version":        {http.MethodPost, collection + "/gone/versions", "", "", "gone"},
		"version, zip":   {http.MethodPost, collection + "/gone/versions", archiveType, zipped(t), "gone"},
		"another path":   {http.MethodGet, "/v2024/sources", "", "", "target resource"},
		"root":           {http.MethodGet, "/", "", "", "target resource"},
		"final slash":    {http.MethodGet, collection + "/", "", "", "target resource"},
		"empty id":       {http.MethodPost, collection + "//versions", "", "", "target resource"},
		"deeper":         {http.MethodGet, collection + "/a/versions/1", "", "", "target resource"},
		"no version":     {http.MethodGet, "/connector-customizers", "", "", "target resource"},
		"version v2023":  {http.MethodGet, "/v2023/connector-customizers", "", "", "target resource"},
		"version v2":     {http.MethodGet, "/connector-customizers/v2", "", "", "target resource"},
		"both schemes":   {http.MethodGet, "/v2024/connector-customizers/v1/versions/x", "", "", "target resource"},
		"v1 in front":    {http.MethodGet, "/v1/connector-customizers", "", "", "target resource"},
		"other's oauth":  {http.MethodPost, "/oauth/info", "", "", "target resource"},
		"oauth/nonsense": {http.MethodGet, "/oauth/nonsense", "", "", "target resource"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertError(t, p.send(tt.method, tt.path, tt.contentType, tt.body), http.StatusNotFound, tt.says)
		})
	}
	t.Run("tracking IDs differ", func(t *testing.T) {
		t.Parallel()
		id := func() any { return decode[map[string]any](t, p.get(collection+"/gone"))["trackingId"] }
		first, second := id(), id()
		assert.NotEqual(t, first, second)
	})
	t.Run("another method", func(t *testing.T) {
		t.Parallel()
		assertError(t, p.send(http.MethodPatch, collection+"/gone", recordType, `{}`), http.StatusMethodNotAllowed, "not supported")
		assertError(t, p.send(http.MethodDelete, collection, "", ""), http.StatusMethodNotAllowed, "not supported")
	})
}

func TestBadRequest(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "an-id", Name: "one"}))
	p := newPeer(t, srv)
	const one = collection + "/an-id"
	tests := map[string]struct{ method, path, contentType, body, says string }{
		"limit over the most":    {http.MethodGet, collection + "?limit=251", "", "", "between 0 and 250"},
		"negative limit":         {http.MethodGet, collection + "?limit=-1", "", "", "between 0 and 250"},
		"query not escaped":      {http.MethodGet, collection + "?limit=%zz", "", "", "query"},
		"update, blank name":     {http.MethodPut, one, "application/json", `{"name":"  "}`, "blank"},
		"limit not a number":     {http.MethodGet, collection + "?limit=x", "", "", "limit"},
		"limit not an integer":   {http.MethodGet, collection + "?limit=1.5", "", "", "limit"},
		"limit over 32 bits":     {http.MethodGet, collection + "?limit=4294967297", "", "", "limit"},
		"negative offset":        {http.MethodGet, collection + "?offset=-1", "", "", "Specified offset is invalid."},
		"offset not a number":    {http.MethodGet, collection + "?offset=x", "", "", "offset"},
		"count not a bool":       {http.MethodGet, collection + "?count=perhaps", "", "", "count"},
		"create, text":           {http.MethodPost, collection, "text/plain", `{"name":"a"}`, "Content-Type"},
		"create, form":           {http.MethodPost, collection, "application/x-www-form-urlencoded", `name=a`, "Content-Type"},
		"create, no type":        {http.MethodPost, collection, "", `{"name":"a"}`, "Content-Type"},
		"create, bad type":       {http.MethodPost, collection, "application/json;;", `{"name":"a"}`, "Content-Type"},
		"create, no body":        {http.MethodPost, collection, recordType, "", "JSON"},
		"create, not JSON":       {http.MethodPost, collection, recordType, `name`, "JSON"},
		"create, cut":            {http.MethodPost, collection, recordType, `{"name":"a"`, "JSON"},
		"create, trailing JSON":  {http.MethodPost, collection, recordType, `{"name":"a"}{"name":"b"}`, "JSON"},
		"create, trailing text":  {http.MethodPost, collection, recordType, `{"name":"a"} x`, "JSON"},
		"create, array":          {http.MethodPost, collection, recordType, `[{"name":"a"}]`, "object"},
		"create, string":         {http.MethodPost, collection, recordType, `"a"`, "object"},
		"create, null":           {http.MethodPost, collection, recordType, `null`, "object"},
		"create, no name":        {http.MethodPost, collection, recordType, `{}`, "name"},
		"create, empty name":     {http.MethodPost, collection, recordType, `{"name":""}`, "name"},
		"create, blank name":     {http.MethodPost, collection, recordType, `{"name":" \t"}`, "name"},
		"create, number as name": {http.MethodPost, collection, recordType, `{"name":5}`, "name"},
		"create, too large": {
			http.MethodPost, collection, recordType, `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "1 MiB",
		},
		"update, text":          {http.MethodPut, one, "text/plain", `{"name":"a"}`, "Content-Type"},
		"update, trailing JSON": {http.MethodPut, one, recordType, `{"name":"a"}{}`, "JSON"},
		"update, array":         {http.MethodPut, one, recordType, `[]`, "object"},
		"version, not a zip":    {http.MethodPost, one + "/versions", archiveType, "PK, but no zip", "zip"},
		"version, cut zip":      {http.MethodPost, one + "/versions", archiveType, zipped(t)[:60], "zip"},
		"version, empty zip":    {http.MethodPost, one + "/versions", archiveType, "", "zip"},
		"version, wrong type":   {http.MethodPost, one + "/versions", "application/octet-stream", zipped(t), "Content-Type"},
		"version, JSON":         {http.MethodPost, one + "/versions", recordType, `{}`, "Content-Type"},
		"version, no type":      {http.MethodPost, one + "/versions", "", zipped(t), "Content-Type"},
	}
	t.Run("all", func(t *testing.T) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				assertError(t, p.send(tt.method, tt.path, tt.contentType, tt.body), http.StatusBadRequest, tt.says)
			})
		}
	})
	all := srv.Customizers()
	require.Len(t, all, 1, "nothing was done")
	assert.Equal(t, "one", all[0].Name)
	assert.Empty(t, srv.Versions("an-id"))
	assert.Zero(t, all[0].ImageVersion)
}

func TestSixOperations(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	p := newPeer(t, srv)
	start := time.Now().Add(-time.Second)

	got := p.send(http.MethodPost, collection, "application/json; charset=utf-8", `{"name":"one","later":true}`)
	require.Equal(t, http.StatusCreated, got.status)
	made := decode[map[string]any](t, got)
	id, _ := made["id"].(string)
	require.NotEmpty(t, id)
	assert.Equal(t, "one", made["name"])
	assert.NotEmpty(t, made["tenantID"])
	created, err := time.Parse(time.RFC3339, made["created"].(string))
	require.NoError(t, err)
	assert.WithinRange(t, created, start, time.Now())
	assert.Len(t, made, 4, "no version yet, so nothing of an image")

	got = p.get(collection + "/" + id)
	require.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, made, decode[map[string]any](t, got))

	got = p.send(http.MethodPut, collection+"/"+id, recordType, `{"name":"two"}`)
	require.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, "two", decode[map[string]any](t, got)["name"])
	got = p.send(http.MethodPut, collection+"/"+id, "", "")
	require.Equal(t, http.StatusOK, got.status, "the contract does not require a body")
	assert.Equal(t, "two", decode[map[string]any](t, got)["name"])

	got = p.send(http.MethodPost, collection+"/"+id+"/versions", "", "")
	require.Equal(t, http.StatusOK, got.status)
	version := decode[map[string]any](t, got)
	assert.Equal(t, id, version["customizerID"])
	assert.InDelta(t, 1, version["version"], 0)
	assert.NotEmpty(t, version["imageID"])

	got = p.get(collection)
	require.Equal(t, http.StatusOK, got.status)
	list := decode[[]map[string]any](t, got)
	require.Len(t, list, 1)
	assert.Equal(t, id, list[0]["id"])
	assert.InDelta(t, 1, list[0]["imageVersion"], 0)
	assert.Equal(t, version["imageID"], list[0]["imageID"])

	got = p.send(http.MethodDelete, collection+"/"+id, "", "")
	assert.Equal(t, http.StatusNoContent, got.status)
	assert.Empty(t, got.body)
	assertError(t, p.get(collection+"/"+id), http.StatusNotFound, id)
	assert.Empty(t, srv.Customizers())
	assert.Empty(t, srv.Versions(id))
	assert.JSONEq(t, `[]`, string(p.get(collection).body))
}

func TestListBounds(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t, customizerstest.WithSeed(253)))
	tests := []struct {
		query string
		first string // name of the first record
		n     int
		total string
	}{
		{"", "customizer-000001", 250, ""},
		{"?limit=250", "customizer-000001", 250, ""},
		{"?limit=2", "customizer-000001", 2, ""},
		{"?limit=0", "", 0, ""},
		{"?offset=0", "customizer-000001", 250, ""},
		{"?offset=250", "customizer-000251", 3, ""},
		{"?offset=100&limit=1", "customizer-000101", 1, ""},
		{"?offset=253", "", 0, ""},
		{"?offset=2147483647", "", 0, ""},
		{"?count=false&limit=1", "customizer-000001", 1, ""},
		{"?count=true&limit=1", "customizer-000001", 1, "253"},
		{"?count=true&limit=0", "", 0, "253"},
		{"?count=true&offset=300", "", 0, "253"},
		{"?later=x&limit=1", "customizer-000001", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			got := p.get(collection + tt.query)
			require.Equal(t, http.StatusOK, got.status, string(got.body))
			list := decode[[]customizers.Customizer](t, got)
			require.NotNil(t, list, "an empty list is [] and not null")
			require.Len(t, list, tt.n)
			if tt.n > 0 {
				assert.Equal(t, tt.first, list[0].Name)
			}
			assert.Equal(t, tt.total, got.header.Get("X-Total-Count"))
			_, sent := got.header["X-Total-Count"]
			assert.Equal(t, tt.total != "", sent)
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	p := newPeer(t, srv)
	one, other := p.create("one"), p.create("other")
	post := func(id, contentType, body string) customizers.Version {
		got := p.send(http.MethodPost, collection+"/"+id+"/versions", contentType, body)
		require.Equal(t, http.StatusOK, got.status, string(got.body))
		return decode[customizers.Version](t, got)
	}
	archive := zipped(t)
	sum := sha256.Sum256([]byte(archive))
	first := post(one, archiveType, archive)
	second := post(one, "", "")
	third := post(one, "application/zip; version=2", archive)
	elsewhere := post(other, archiveType, archive)

	assert.EqualValues(t, 1, first.Version)
	assert.EqualValues(t, 2, second.Version)
	assert.EqualValues(t, 3, third.Version)
	assert.EqualValues(t, 1, elsewhere.Version)
	assert.NotEqual(t, first.ImageID, second.ImageID)

	kept := srv.Versions(one)
	require.Len(t, kept, 3)
	assert.Equal(t, []customizers.Version{first, second, third},
		[]customizers.Version{kept[0].Version, kept[1].Version, kept[2].Version})
	for _, i := range []int{0, 2} {
		assert.EqualValues(t, len(archive), kept[i].ArchiveSize)
		assert.Equal(t, hex.EncodeToString(sum[:]), kept[i].ArchiveSHA256)
	}
	assert.Zero(t, kept[1].ArchiveSize)
	assert.Empty(t, kept[1].ArchiveSHA256)
	require.Len(t, srv.Versions(other), 1)
	assert.Empty(t, srv.Versions("gone"))

	c := decode[customizers.Customizer](t, p.get(collection+"/"+one))
	assert.EqualValues(t, 3, c.ImageVersion)
	assert.Equal(t, third.ImageID, c.ImageID)
}

func TestURLSchemes(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"/v2024/connector-customizers", "/v2025/connector-customizers", "/v2026/connector-customizers",
		"/connector-customizers/v1", "/beta/connector-customizers",
	} {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			srv := serve(t)
			p := newPeer(t, srv)
			beta, created := strings.HasPrefix(base, "/beta"), http.StatusCreated
			if beta {
				created = http.StatusOK
			}
			steps := []struct {
				operation                       customizerstest.Operation
				method, path, contentType, body string
				status                          int
			}{
				{customizerstest.Create, http.MethodPost, "", recordType, `{"name":"one"}`, created},
				{customizerstest.List, http.MethodGet, "?limit=1", "", "", http.StatusOK},
				{customizerstest.Get, http.MethodGet, "/{id}", "", "", http.StatusOK},
				{customizerstest.Update, http.MethodPut, "/{id}", recordType, `{"name":"two"}`, http.StatusOK},
				{customizerstest.CreateVersion, http.MethodPost, "/{id}/versions", archiveType, zipped(t), http.StatusOK},
				{customizerstest.Delete, http.MethodDelete, "/{id}", "", "", http.StatusNoContent},
			}
			id := ""
			for _, s := range steps {
				got := p.send(s.method, base+strings.ReplaceAll(s.path, "{id}", id), s.contentType, s.body)
				require.Equal(t, s.status, got.status, "%s: %s", s.operation, got.body)
				if s.operation == customizerstest.Create {
					id = decode[customizers.Customizer](t, got).ID
				}
				if s.operation == customizerstest.CreateVersion {
					want := []string{"created", "customizerID", "imageID", "version"}
					if beta {
						want = []string{"connectorCustomizerId", "imageId", "version"}
					}
					assert.Equal(t, want, slices.Sorted(maps.Keys(decode[map[string]any](t, got))))
				}
				deprecated := ""
				if beta {
					deprecated = "true"
				}
				assert.Equal(t, deprecated, got.header.Get("X-Deprecated"), s.operation)
				assert.Len(t, srv.Requests(s.operation), 1, s.operation)
			}
			assert.Empty(t, srv.Customizers())
		})
	}
}

// An id may hold anything that an address can carry.
func TestOddIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a b", "a/b", "a?b", "a#b", "100%", "é", "connector-customizers", "v1"} {
		p := newPeer(t, serve(t, customizerstest.WithCustomizers(customizers.Customizer{ID: id, Name: "odd"})))
		for _, base := range []string{collection, "/connector-customizers/v1"} {
			got := p.get(base + "/" + url.PathEscape(id))
			require.Equal(t, http.StatusOK, got.status, id)
			assert.Equal(t, id, decode[customizers.Customizer](t, got).ID)
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t, customizerstest.WithRateLimit(3, time.Hour)))
	for range 3 {
		require.Equal(t, http.StatusOK, p.get(collection).status)
	}
	for range 2 {
		got := p.get(collection)
		require.Equal(t, http.StatusTooManyRequests, got.status)
		assert.JSONEq(t, `{"message": " Rate Limit Exceeded "}`, string(got.body))
		after, err := strconv.Atoi(got.header.Get("Retry-After"))
		require.NoError(t, err)
		assert.Greater(t, after, 3500)
		assert.LessOrEqual(t, after, 3600)
	}
	p = newPeer(t, p.srv)
	assert.Equal(t, http.StatusTooManyRequests, p.get(collection).status, "another token, the same client ID")
	assert.Equal(t, http.StatusTooManyRequests, p.send(http.MethodPost, collection, recordType, `{"name":"a"}`).status)
	assert.Equal(t, http.StatusOK, p.get("/v2025/connector-customizers").status, "another API version")
	assert.Equal(t, http.StatusOK, p.get("/connector-customizers/v1").status, "another API version")
	assert.Equal(t, http.StatusOK, p.get("/oauth/info").status)
	assert.Empty(t, p.srv.Customizers())
}

func TestRateLimitFreesSlots(t *testing.T) {
	t.Parallel()
	p := newPeer(t, serve(t, customizerstest.WithRateLimit(1, time.Second)))
	require.Equal(t, http.StatusOK, p.get(collection).status)
	got := p.get(collection)
	require.Equal(t, http.StatusTooManyRequests, got.status)
	assert.Equal(t, "1", got.header.Get("Retry-After"), "whole seconds, rounded up")
	require.Eventually(t, func() bool { return p.get(collection).status == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
}

func TestNoRateLimitByDefault(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	client := srv.Client()
	for range 150 {
		_, err := client.List(t.Context(), customizers.ListOptions{Limit: 1})
		require.NoError(t, err)
	}
	assert.Len(t, srv.Requests(customizerstest.List), 150)
}

func TestCreateStatus(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithCreateStatus(http.StatusOK))
	got := newPeer(t, srv).send(http.MethodPost, collection, recordType, `{"name":"a"}`)
	assert.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, "a", decode[customizers.Customizer](t, got).Name)
	made, err := srv.Client().Create(t.Context(), customizers.CreateRequest{Name: "b"})
	require.NoError(t, err)
	assert.Equal(t, "b", made.Name)
	specified := newPeer(t, serve(t, customizerstest.WithCreateStatus(http.StatusCreated)))
	assert.Equal(t, http.StatusCreated, specified.send(http.MethodPost, "/beta/connector-customizers", recordType, `{"name":"a"}`).status)
	assert.Len(t, srv.Customizers(), 2)
}

// A Server is a handler too, for tests that use no socket.
func TestServeHTTPWithoutASocket(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	p := newPeer(t, srv)
	request := func() *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, collection, strings.NewReader(`{"name":"one"}`))
		r.Header.Set("Content-Type", recordType)
		r.Header.Set("Authorization", p.authorization)
		return r
	}
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, request())
	assert.Equal(t, http.StatusCreated, rec.Code)
	srv.Inject(customizerstest.Fault{Acted: true, Cut: true})
	assert.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { srv.ServeHTTP(httptest.NewRecorder(), request()) })
	assert.Len(t, srv.Customizers(), 2)
}

func TestRequests(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	assert.Empty(t, srv.Requests())
	p := newPeer(t, srv)
	start := time.Now()
	id := p.create("a b")
	p.get(collection + "?limit=2&count=true")
	p.get(collection + "/a%20b")
	p.get("/nowhere")
	archive := zipped(t)
	p.send(http.MethodPost, collection+"/"+id+"/versions", archiveType, archive)
	p.get("/oauth/info")

	all := srv.Requests()
	require.Len(t, all, 7)
	type line struct {
		operation           customizerstest.Operation
		method, path, query string
		size                int64
		status              int
	}
	var got []line
	for i, r := range all {
		got = append(got, line{r.Operation, r.Method, r.Path, r.Query, r.BodySize, r.Status})
		if i > 0 {
			assert.WithinRange(t, r.Time, start, time.Now())
			assert.False(t, r.Time.Before(all[i-1].Time))
			assert.Equal(t, p.authorization, r.Header.Get("Authorization"))
		}
	}
	assert.Equal(t, []line{
		{customizerstest.Token, "POST", "/oauth/token", "", all[0].BodySize, 200},
		{customizerstest.Create, "POST", collection, "", int64(len(`{"name":"a b"}`)), 201},
		{customizerstest.List, "GET", collection, "limit=2&count=true", 0, 200},
		{customizerstest.Get, "GET", collection + "/a%20b", "", 0, 404},
		{"", "GET", "/nowhere", "", 0, 404},
		{customizerstest.CreateVersion, "POST", collection + "/" + id + "/versions", "", int64(len(archive)), 200},
		{customizerstest.Info, "GET", "/oauth/info", "", 0, 200},
	}, got)

	some := srv.Requests(customizerstest.Get, customizerstest.List)
	require.Len(t, some, 2)
	assert.Equal(t, customizerstest.List, some[0].Operation)
	assert.Equal(t, customizerstest.Get, some[1].Operation)
	assert.Empty(t, srv.Requests(customizerstest.Delete))
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	at := time.Date(2021, 5, 11, 22, 23, 16, 0, time.UTC)
	given := customizers.Customizer{ID: "an-id", Name: "given", ImageVersion: 7, ImageID: "an-image", TenantID: "a-tenant", Created: customizers.Timestamp{Time: at}}
	srv := serve(t, customizerstest.WithSeed(2),
		customizerstest.WithCustomizers(given, customizers.Customizer{Name: "bare"}), customizerstest.WithCustomizers(customizers.Customizer{Name: "last"}))
	all := srv.Customizers()
	require.Len(t, all, 5)
	assert.Equal(t, given, all[0])
	names := []string{}
	for _, c := range all {
		names = append(names, c.Name)
		assert.NotEmpty(t, c.ID)
		assert.NotEmpty(t, c.TenantID)
		assert.False(t, c.Created.IsZero())
	}
	assert.Equal(t, []string{"given", "bare", "last", "customizer-000001", "customizer-000002"}, names)

	p := newPeer(t, srv)
	assert.JSONEq(t, `{"id":"an-id","name":"given","imageVersion":7,"imageID":"an-image","tenantID":"a-tenant","created":"2021-05-11T22:23:16Z"}`,
		string(p.get(collection+"/an-id").body))
	added := srv.Add("x", "y")
	require.Len(t, added, 2)
	assert.Equal(t, "y", decode[customizers.Customizer](t, p.get(collection+"/"+added[1].ID)).Name)

	all[0].Name = "changed"
	assert.Equal(t, "given", srv.Customizers()[0].Name, "what is returned is a copy")
}

func TestServersAreApart(t *testing.T) {
	t.Parallel()
	one, two := serve(t), serve(t)
	assert.NotEqual(t, one.URL, two.URL)
	assert.NotEqual(t, one.ClientID, two.ClientID)
	assert.NotEqual(t, one.ClientSecret, two.ClientSecret)
	one.Inject(customizerstest.Fault{Operation: customizerstest.Delete, Status: http.StatusServiceUnavailable, Times: -1})
	var wg sync.WaitGroup
	for _, srv := range []*customizerstest.Server{one, two} {
		for i := range 20 {
			wg.Go(func() {
				client := srv.Client()
				_, err := client.Create(context.Background(), customizers.CreateRequest{Name: fmt.Sprint(i)})
				assert.NoError(t, err)
				_, err = client.List(context.Background(), customizers.ListOptions{})
				assert.NoError(t, err)
				_, _, _ = srv.Requests(), srv.Customizers(), srv.Versions("gone")
			})
		}
	}
	wg.Wait()
	for _, srv := range []*customizerstest.Server{one, two} {
		assert.Len(t, srv.Customizers(), 20)
		assert.Len(t, srv.Requests(customizerstest.Create), 20)
		assert.Len(t, srv.Requests(customizerstest.List), 20)
		assert.Len(t, srv.Requests(customizerstest.Token), 20, "every client fetched a token of its own")
	}
	require.NoError(t, two.Client().Delete(t.Context(), two.Customizers()[0].ID))
	assert.Len(t, one.Customizers(), 20)
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

func TestClientPanicsOnABadOption(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	assert.Panics(t, func() { srv.Client(customizers.WithAPIVersion("v3")) })
}

func TestCloseStops(t *testing.T) {
	t.Parallel()
	srv := customizerstest.NewServer()
	p := newPeer(t, srv)
	srv.Close()
	srv.Close() // has no effect
	_, err := p.try(t.Context(), http.MethodGet, collection, "", "")
	require.Error(t, err)
	assert.Len(t, srv.Requests(), 1, "what was noted can still be read")
}
