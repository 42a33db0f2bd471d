package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
	"github.com/connector-customizers/customizers/instances"
)

// ask sends a request to a sandbox and returns the status and body of the response. header
// has pairs of name and value.
func ask(t *testing.T, s *testSandbox, method, path, body string, header ...string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.env["SAIL_BASE_URL"]+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

func stateOf(t *testing.T, s *testSandbox) (st pageState) {
	t.Helper()
	status, data := ask(t, s, http.MethodGet, "/_sandbox/state", "")
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, json.Unmarshal([]byte(data), &st))
	return st
}

func idOf(t *testing.T, s *testSandbox) string {
	t.Helper()
	p, err := s.client(t).List(t.Context(), customizers.ListOptions{Limit: 1})
	require.NoError(t, err)
	return p.Items[0].ID
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := serve(t, "--quiet")
	resp, err := http.Get(s.env["SAIL_BASE_URL"])
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")

	_, page := ask(t, s, http.MethodGet, "/", "")
	assert.NotContains(t, page, "{{")
	_, again := ask(t, s, http.MethodGet, "/", "")
	assert.NotEqual(t, page, again, "each page has a new nonce")
	for _, elsewhere := range []string{"http://", "https://", "//cdn", "@import"} {
		assert.NotContains(t, page, elsewhere)
	}
	for _, operation := range faultOperations {
		assert.Contains(t, page, "<option>"+operation+"</option>")
	}
	assert.Contains(t, page, "retry-after=7    add a Retry-After header", "the effects")
}

func TestPageState(t *testing.T) {
	t.Parallel()
	s := serve(t, "--customizers", "250", "--instances", "3", "--fault", "get:reset,skip=3")
	id := idOf(t, s)
	_, err := s.client(t).CreateVersion(t.Context(), id, nil)
	require.NoError(t, err)
	st := stateOf(t, s)
	assert.Equal(t, 250, st.Total)
	assert.Len(t, st.Customizers, 200)
	assert.Equal(t, []string{"get:reset,skip=3,times=1"}, st.Faults)
	assert.Equal(t, s.env["SAIL_CLIENT_SECRET"], st.ClientSecret)
	assert.Equal(t, "POST", st.Requests[0].Method)
	for i, r := range st.Requests {
		assert.Equal(t, len(st.Requests)-1-i, r.Number)
	}

	// An instance has the name of its customizer, even if the page omits that customizer.
	require.Len(t, st.Instances, 3)
	assert.Equal(t, customizerstest.Instance{ID: st.Instances[2].ID, Name: "instance-000003"}, st.Instances[2].Instance)
	_, err = instances.Link(t.Context(), s.client(t), id, st.Instances[2].ID)
	require.NoError(t, err)
	st = stateOf(t, s)
	assert.Equal(t, id, st.Instances[2].CustomizerID)
	assert.Equal(t, "customizer-000001", st.Instances[2].Customizer)
	assert.Empty(t, st.Instances[1].Customizer)
}

func TestPageFaults(t *testing.T) {
	t.Parallel()
	s := serve(t, "--quiet")
	remove := func(rule string) (int, string) {
		return ask(t, s, http.MethodDelete, "/_sandbox/faults?rule="+url.QueryEscape(rule), "")
	}
	for _, rule := range []string{"info:status=418,times=2", "list:reset", "list:reset", "update:status=429,retry-after=7,body=a&b, c"} {
		status, text := ask(t, s, http.MethodPost, "/_sandbox/faults", rule)
		assert.Equal(t, http.StatusNoContent, status, text)
	}
	list, update := "list:reset,times=1", "update:retry-after=7,status=429,times=1,body=a&b, c"
	assert.Equal(t, []string{"info:status=418,times=2", list, list, update}, stateOf(t, s).Faults)

	status, _ := ask(t, s, http.MethodGet, "/oauth/info", "")
	assert.Equal(t, http.StatusTeapot, status)
	status, text := remove("info:status=418,times=2")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, "no such fault; a request may have used it\n", text)
	for _, rule := range []string{"info:status=418,times=1", list, update} {
		status, text = remove(rule)
		assert.Equal(t, http.StatusNoContent, status, text)
	}
	assert.Equal(t, []string{list}, stateOf(t, s).Faults, "one of two equal faults is left")
	status, _ = ask(t, s, http.MethodGet, "/oauth/info", "")
	assert.Equal(t, http.StatusOK, status)

	for rule, says := range map[string]string{
		"":             `unknown operation ""`,
		"list:":        "no effect",
		"list:explode": `unknown effect "explode"`,
		"list:status=503,body=" + strings.Repeat("x", 1<<20): "larger than 1 MiB",
	} {
		status, text = ask(t, s, http.MethodPost, "/_sandbox/faults", rule)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, text, says)
	}
	assert.Equal(t, []string{list}, stateOf(t, s).Faults)
}

// Other sites can neither read the page nor change the sandbox.
func TestPageRejectsOtherSites(t *testing.T) {
	t.Parallel()
	s := serve(t, "--quiet", "--fault", "list:reset")
	const rule = "list:reset,times=1"
	paths := map[string]string{
		"/": http.MethodGet, "/_sandbox/state": http.MethodGet,
		"/_sandbox/faults": http.MethodPost, "/_sandbox/faults?rule=" + url.QueryEscape(rule): http.MethodDelete,
	}
	tests := map[string]struct {
		header []string
		reads  int // status of a GET
	}{
		"a name that points here": {[]string{"Host", "evil.example:8787"}, http.StatusForbidden},
		"a page elsewhere":        {[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusOK}, // the browser withholds it
		"a page on another port":  {[]string{"Sec-Fetch-Site", "same-site"}, http.StatusOK},
		"an older browser":        {[]string{"Origin", "http://evil.example"}, http.StatusOK},
		"a document of no origin": {[]string{"Origin", "null"}, http.StatusOK},
	}
	for name, tt := range tests {
		for path, method := range paths {
			status, text := ask(t, s, method, path, "any:reset", tt.header...)
			want := http.StatusForbidden
			if method == http.MethodGet {
				want = tt.reads
			}
			assert.Equal(t, want, status, "%s, %s %s", name, method, path)
			if status == http.StatusForbidden {
				assert.NotContains(t, text, s.env["SAIL_CLIENT_SECRET"])
			}
		}
	}
	assert.Equal(t, []string{rule}, stateOf(t, s).Faults)

	status, _ := ask(t, s, http.MethodGet, "/", "", "Host", "localhost:8787")
	assert.Equal(t, http.StatusOK, status)
	status, text := ask(t, s, http.MethodPost, "/_sandbox/faults", "any:reset", "Sec-Fetch-Site", "same-origin", "Origin", s.env["SAIL_BASE_URL"])
	assert.Equal(t, http.StatusNoContent, status, text)
	status, _ = ask(t, s, http.MethodGet, "/oauth/info", "", "Sec-Fetch-Site", "cross-site")
	assert.Equal(t, http.StatusOK, status, "the tenant itself serves any client")
}

// The page has all of a request, and at most the first bytes of its body.
func TestPageRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, "--quiet", "--fault", "any:status=418")
	ask(t, s, http.MethodPost, "/v2024/connector-customizers?a=b", `{"name":"a"}`, "X-Request-Id", "4711")
	st := stateOf(t, s)
	require.Len(t, st.Requests, 1)
	r := st.Requests[0]
	assert.Equal(t, customizerstest.Create, r.Operation)
	assert.Equal(t, "a=b", r.Query)
	assert.Equal(t, "4711", r.Header.Get("X-Request-Id"))
	assert.True(t, r.Injected)
	assert.Equal(t, http.StatusTeapot, r.Status)
	assert.JSONEq(t, `{"name":"a"}`, r.Body, "although the fault did not read it")

	ask(t, s, http.MethodPost, "/oauth/token", strings.Repeat("long", 1000), "Content-Type", "application/x-www-form-urlencoded")
	r = stateOf(t, s).Requests[0]
	assert.EqualValues(t, 4000, r.BodySize)
	assert.Equal(t, strings.Repeat("long", 256), r.Body)
}
