package customizerstest_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// The requests of the clients in use, with their paths, bodies and content types.
func TestClients(t *testing.T) {
	t.Parallel()
	const (
		credentials = "&client_id=an-id&client_secret=s%2Bcret"
		beta, v1    = "/beta/connector-customizers", "/connector-customizers/v1"
		token       = "access_token expires_in scope token_type"
	)
	type step struct {
		method, path, contentType, body string
		status                          int
		want                            string // keys of the response
	}
	multipart := step{http.MethodPost, "/oauth/token", "multipart/form-data; boundary=b", multipartForm("", goodPairs...), 200, token}
	tests := map[string][]step{
		"SailPoint's CLI": {
			{http.MethodPost, "/oauth/token?grant_type=client_credentials", formType, credentials[1:], 200, token},
			{http.MethodPost, beta, recordType, `{"id":"","name":"one"}`, 200, "created id name tenantID"},
			{http.MethodGet, beta, "", "", 200, ""},
			{http.MethodGet, beta + "/{id}", "", "", 200, "created id name tenantID"},
			{http.MethodPut, beta + "/{id}", recordType, `{"id":"","name":"two"}`, 200, "created id name tenantID"},
			{http.MethodPost, beta + "/{id}/versions", archiveType, zipArchive(t), 200, "connectorCustomizerId imageId version"},
			{http.MethodGet, instances, "", "", 200, ""},
			{http.MethodPatch, instances + "/{instance}", "", link("replace", "{id}"), 200, "connectorCustomizerId id name"},
			{http.MethodPatch, instances + "/{instance}", "", unlink, 200, "id name"},
			{http.MethodPost, logs, recordType, `{"filter":{"startTime":"2026-01-01T00:00:00.5+01:00"},"nextToken":""}`, 200, "logs nextToken"},
			{http.MethodDelete, beta + "/{id}", "", "", 204, ""},
		},
		"SailPoint's CLI, older": {
			{http.MethodPost, "/oauth/token?grant_type=client_credentials" + credentials, "", "", 200, token},
			{http.MethodPost, beta, recordType, `{"id":"","name":"one"}`, 200, "created id name tenantID"},
		},
		"VS Code extension": {
			multipart,
			{http.MethodPost, beta, recordType, `{"name":"one"}`, 200, "created id name tenantID"},
			{http.MethodPost, beta + "/{id}/versions", archiveType, zipArchive(t), 200, "connectorCustomizerId imageId version"},
			{http.MethodPatch, instances + "/{instance}", recordType, link("replace", "{id}"), 200, "connectorCustomizerId id name"},
			{http.MethodPatch, instances + "/{instance}", recordType, unlink, 200, "id name"},
			{http.MethodPost, logs, recordType, `{"filter":{"startTime":"2026-01-01T00:00:00Z","logLevels":["ERROR"],"targetName":"x"}}`, 200, "logs nextToken"},
		},
		"TypeScript SDK": { // its axios adds a type to a version's empty body
			multipart,
			{http.MethodPost, v1, recordType, `{"name":"one"}`, 201, "created id name tenantID"},
			{http.MethodGet, v1 + "?offset=0&limit=250", "", "", 200, ""},
			{http.MethodPut, v1 + "/{id}", recordType, `{"name":"two"}`, 200, "created id name tenantID"},
			{http.MethodPost, v1 + "/{id}/versions", formType, "", 200, "created customizerID imageID version"},
			{http.MethodGet, v1 + "/{id}", "", "", 200, "created id imageID imageVersion name tenantID"},
			{http.MethodDelete, v1 + "/{id}", "", "", 204, ""},
		},
		"TypeScript SDK, older": {
			{http.MethodPost, "/oauth/token?grant_type=client_credentials" + credentials, formType, "", 200, token},
			{http.MethodPost, collection, recordType, `{"name":"one"}`, 201, "created id name tenantID"},
			{http.MethodPost, collection + "/{id}/versions", formType, "", 200, "created customizerID imageID version"},
		},
	}
	for _, base := range []string{"/v2024/connector-customizers", "/v2025/connector-customizers", "/v2026/connector-customizers", v1} {
		tests["this SDK, "+base] = []step{
			{http.MethodPost, "/oauth/token", formType, goodQuery, 200, token},
			{http.MethodPost, base, "application/json; charset=utf-8", `{"name":"one","later":true}`, 201, "created id name tenantID"},
			{http.MethodGet, base + "?offset=0&limit=1", "", "", 200, ""},
			{http.MethodGet, base + "/{id}", "", "", 200, "created id name tenantID"},
			{http.MethodPut, base + "/{id}", recordType, `{"name":"two"}`, 200, "created id name tenantID"},
			{http.MethodPost, base + "/{id}/versions", archiveType, zipArchive(t), 200, "created customizerID imageID version"},
			{http.MethodPost, base + "/{id}/versions", "", "", 200, "created customizerID imageID version"},
			{http.MethodDelete, base + "/{id}", "", "", 204, ""},
		}
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &peer{t: t, srv: serve(t, customizerstest.WithCredentials("an-id", "s+cret"), customizerstest.WithInstanceCount(1))}
			ids := []string{"{instance}", p.srv.Instances()[0].ID}
			for _, s := range steps {
				fill := strings.NewReplacer(ids...)
				got := p.send(s.method, fill.Replace(s.path), s.contentType, fill.Replace(s.body))
				require.Equal(t, s.status, got.status, "%s %s: %s", s.method, s.path, got.body)
				assert.Equal(t, strings.HasPrefix(s.path, beta), got.header.Get("X-Deprecated") == "true")
				if s.want == "" {
					continue
				}
				body := decode[map[string]any](t, got)
				assert.Equal(t, s.want, strings.Join(slices.Sorted(maps.Keys(body)), " "), s.path)
				if token, ok := body["access_token"].(string); ok {
					p.authorization = "Bearer " + token
				}
				if len(ids) == 2 && body["id"] != nil {
					ids = append(ids, "{id}", body["id"].(string))
				}
			}
		})
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	p := &peer{t: t, srv: serve(t)}
	assert.Equal(t, map[string]string{
		"authorizeEndpoint": p.srv.URL + "/oauth/authorize",
		"tokenEndpoint":     p.srv.URL + "/oauth/token",
	}, decode[map[string]string](t, p.get("/oauth/info")))
}

func TestScopes(t *testing.T) {
	t.Parallel()
	operations := []struct {
		method, path, contentType, body string
		scope                           string
		status                          int
	}{
		{http.MethodGet, collection, "", "", "read", http.StatusOK},
		{http.MethodGet, collection + "/an-id", "", "", "read", http.StatusOK},
		{http.MethodGet, instances, "", "", "read", http.StatusOK},
		{http.MethodPost, logs, recordType, "{}", "read", http.StatusOK},
		{http.MethodPost, collection, recordType, `{"name":"a"}`, "manage", http.StatusCreated},
		{http.MethodPut, collection + "/an-id", recordType, `{"name":"b"}`, "manage", http.StatusOK},
		{http.MethodPost, collection + "/an-id/versions", "", "", "manage", http.StatusOK},
		{http.MethodPatch, instances + "/{instance}", "", link("add", "an-id"), "manage", http.StatusOK},
		{http.MethodDelete, collection + "/an-id", "", "", "manage", http.StatusNoContent},
	}
	for _, scope := range []string{"sp:connector:read", "sp:connector:manage", "sp:scopes:all", "other"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, serve(t, customizerstest.WithScopes(scope), customizerstest.WithInstanceCount(1),
				customizerstest.WithCustomizers(customizers.Customizer{ID: "an-id", Name: "one"})))
			for _, op := range operations {
				got := p.send(op.method, strings.Replace(op.path, "{instance}", p.srv.Instances()[0].ID, 1), op.contentType, op.body)
				if scope == "sp:scopes:all" || scope == "sp:connector:"+op.scope {
					assert.Equal(t, op.status, got.status, op)
				} else {
					assertError(t, got, http.StatusForbidden, "refuses to authorize")
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	srv := serve(t, customizerstest.WithCustomizers(customizers.Customizer{ID: "an-id", Name: "one"}))
	p := newPeer(t, srv)
	const gone, one = collection + "/gone", collection + "/an-id"
	const get, post, put = http.MethodGet, http.MethodPost, http.MethodPut
	tests := []struct {
		status                          int
		method, path, contentType, body string
		text                            string
	}{
		{404, get, gone, "", "", "id gone"},
		{404, put, gone, recordType, `{"name":"a"}`, "id gone"},
		{404, http.MethodDelete, gone, "", "", "id gone"},
		{404, post, gone + "/versions", "", "", "id gone"},
		{404, post, gone + "/versions", archiveType, zipArchive(t), "id gone"},
		{404, get, "/v2024/sources", "", "", "target resource"},
		{404, post, collection + "//versions", "", "", "target resource"},
		{404, get, "/connector-customizers", "", "", "target resource"},
		{404, get, "/v2023/connector-customizers", "", "", "target resource"},
		{404, get, "/v1/connector-customizers", "", "", "target resource"},
		{404, post, "/beta/platform-logs", recordType, "{}", "target resource"},
		{404, post, "/oauth/info", "", "", "target resource"},
		{404, get, "/oauth/token", "", "", "target resource"},
		{405, http.MethodPatch, gone, recordType, `{}`, "not supported"},
		{405, http.MethodDelete, collection, "", "", "not supported"},
		{405, get, logs, "", "", "not supported"},

		{400, post, logs, recordType, "", "can't be read"},
		{400, post, logs, recordType, `{"filter":{"startTime":"yesterday"}}`, "can't be read"},
		{400, post, logs, recordType, `{"nextToken":"x"}`, "can't be read"},
		{400, post, logs, recordType, `{"nextToken":"-1"}`, "can't be read"},
		{400, post, logs, recordType, `{"nextToken":"1"}`, "can't be read"},

		{400, get, collection + "?limit=251", "", "", "between 0 and 250"},
		{400, get, collection + "?limit=-1", "", "", "between 0 and 250"},
		{400, get, collection + "?limit=%zz", "", "", "query"},
		{400, get, collection + "?limit=x", "", "", "limit"},
		{400, get, collection + "?limit=4294967297", "", "", "limit"},
		{400, get, collection + "?offset=-1", "", "", "Specified offset is invalid."},
		{400, get, collection + "?count=perhaps", "", "", "count"},
		{400, post, collection, "text/plain", `{"name":"a"}`, "Content-Type"},
		{400, post, collection, "", `{"name":"a"}`, "Content-Type"},
		{400, post, collection, recordType, "", "JSON"},
		{400, post, collection, recordType, `{"name":"a"`, "JSON"},
		{400, post, collection, recordType, `{"name":"a"}{"name":"b"}`, "JSON"},
		{400, post, collection, recordType, `[{"name":"a"}]`, "object"},
		{400, post, collection, recordType, `null`, "object"},
		{400, post, collection, recordType, `{}`, "name"},
		{400, post, collection, recordType, `{"name":""}`, "name"},
		{400, post, collection, recordType, `{"name":5}`, "name"},
		{400, post, collection, recordType, `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "1 MiB"},
		{400, put, one, "text/plain", `{"name":"a"}`, "Content-Type"},
		{400, put, one, recordType, `{"name":"a"}{}`, "JSON"},
		{400, put, one, recordType, `[]`, "object"},
		{400, put, one, recordType, `{"name":""}`, "blank"},
		{400, put, one, recordType, `{"id":"","name":"\u00a0"}`, "blank"},
		{400, post, one + "/versions", archiveType, "PK, but no zip", "zip"},
		{400, post, one + "/versions", archiveType, zipArchive(t)[:60], "zip"},
		{400, post, one + "/versions", "application/octet-stream", zipArchive(t), "Content-Type"},
		{400, post, one + "/versions", "", zipArchive(t), "Content-Type"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s %.30s", tt.method, tt.path, tt.body), func(t *testing.T) {
			assertError(t, p.send(tt.method, tt.path, tt.contentType, tt.body), tt.status, tt.text)
		})
	}
	all := srv.Customizers()
	require.Len(t, all, 1)
	assert.Equal(t, "one", all[0].Name)
	assert.Zero(t, all[0].ImageVersion)
}

// An ID may contain any character that a URL path can encode.
func TestIDsWithSpecialCharacters(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a b", "a/b", "a?b", "a#b", "100%", "é", "connector-customizers", "v1"} {
		p := newPeer(t, serve(t, customizerstest.WithCustomizers(customizers.Customizer{ID: id, Name: "odd"})))
		for _, base := range []string{collection, "/connector-customizers/v1"} {
			assert.Equal(t, id, decode[customizers.Customizer](t, p.get(base+"/"+url.PathEscape(id))).ID)
		}
	}
}

func TestServeHTTP(t *testing.T) {
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
	srv.Inject(customizerstest.Fault{Apply: true, Reset: true})
	assert.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { srv.ServeHTTP(httptest.NewRecorder(), request()) })
	assert.Len(t, srv.Customizers(), 2)
}
