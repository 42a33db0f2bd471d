package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// project makes a directory with what a comparison reads of this repository.
func project(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{published, contract} {
		data, err := os.ReadFile(filepath.Join(repository, name))
		require.NoError(t, err)
		write(t, root, name, data)
	}
	return root
}

func tool(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestNothingMoved(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := tool(t, "-root", repository, published)
	assert.Equal(t, 0, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "nothing moved since "+published+"\n", stderr)
}

// What moved is told until it is accepted, and what openapi.yaml then lacks until it says so.
func TestReportAndAccept(t *testing.T) {
	t.Parallel()
	root := project(t)
	spec := publishedTree(t)
	request := schema(spec, "ConnectorCustomizerCreateRequest")
	at(request, "properties")["type"] = tree{"type": "string"}
	request["required"] = []any{"type"}
	delete(at(schema(spec, "ConnectorCustomizersResponse"), "properties"), "imageID")
	at(schema(spec, "ConnectorCustomizerCreateResponse"), "properties")["type"] = tree{"type": "string"}
	operation(spec, "get", "")["deprecated"] = true
	file := writeJSON(t, spec)

	const (
		moved = `breaking: 3
  added the new required request property 'type' [new-required-request-property]
    POST /connector-customizers
    PUT /connector-customizers/{id}
  removed the optional property 'imageID' from the response with the '200' status [response-optional-property-removed]
    GET /connector-customizers/{id}
  removed the optional property 'items/imageID' from the response with the '200' status [response-optional-property-removed]
    GET /connector-customizers
changed: 1
  endpoint deprecated [endpoint-deprecated]
    GET /connector-customizers
added: 2
  added the optional property 'type' to the response with the '200' status [response-optional-property-added]
    PUT /connector-customizers/{id}
  added the optional property 'type' to the response with the '201' status [response-optional-property-added]
    POST /connector-customizers
`
		lags = `published, and not in openapi.yaml: 3
  removed the optional property 'type' from the response with the '200' status [response-optional-property-removed]
    PUT /connector-customizers/{id}
  removed the optional property 'type' from the response with the '201' status [response-optional-property-removed]
    POST /connector-customizers
  removed the request property 'type' [request-property-removed]
    POST /connector-customizers
    PUT /connector-customizers/{id}
`
	)
	unquoted := strings.NewReplacer("`", "'")
	code, stdout, stderr := tool(t, "-root", root, file)
	assert.Equal(t, 1, code)
	assert.Equal(t, moved+lags, unquoted.Replace(stdout))
	assert.Empty(t, stderr)

	code, stdout, stderr = tool(t, "-root", root, "-accept", file)
	assert.Equal(t, 0, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "wrote "+published)

	code, stdout, _ = tool(t, "-root", root, file)
	assert.Equal(t, 0, code)
	assert.Equal(t, lags, unquoted.Replace(stdout))
}

// Texts of the specification don't come into the repository.
func TestCutHasNoTexts(t *testing.T) {
	t.Parallel()
	spec := publishedTree(t)
	spec["info"].(tree)["description"] = "some words"
	list := operation(spec, "get", "")
	for _, key := range []string{"summary", "description", "x-words"} {
		list[key] = "some words"
	}
	at(list, "responses", "200")["description"] = "some words"
	properties := at(schema(spec, "ConnectorCustomizersResponse"), "properties")
	at(properties, "id")["example"] = "some words"
	at(properties, "id")["title"] = "some words"
	properties["description"] = tree{"type": "string", "description": "some words"}
	at(spec, "components", "securitySchemes", "userAuth", "flows", "clientCredentials", "scopes")["sp:scopes:all"] = "some words"

	cut, err := cutOf(t.Context(), writeJSON(t, spec))
	require.NoError(t, err)
	assert.NotContains(t, string(cut), "some words")
	kept, err := parse(cut)
	require.NoError(t, err)
	assert.Equal(t, tree{"type": "string"}, at(schema(kept, "ConnectorCustomizersResponse"), "properties", "description"))
}

func TestErrors(t *testing.T) {
	t.Parallel()
	const head = `{"openapi": "3.0.1", "info": {"version": "v1"}, "paths": `
	for name, tc := range map[string]struct{ spec, want string }{
		"empty":              {"", "it is empty"},
		"a page":             {"\n<!DOCTYPE html><html><body>Sign in</body></html>", "it is HTML or XML, not YAML or JSON"},
		"broken JSON":        {`{"openapi": `, "it is not JSON: unexpected end of JSON input"},
		"broken YAML":        {"openapi: 3.0.1\n\tpaths:", "it is not YAML"},
		"text":               {"404: Not Found page", "there is no openapi: 3.x"},
		"a list":             {"- a\n- b", "it is not an object"},
		"another object":     {`{"name": "customizers"}`, "it is not an OpenAPI 3 specification"},
		"Swagger 2":          {"swagger: '2.0'\npaths: {}", "it is Swagger 2.0: OpenAPI 3 is needed"},
		"no paths":           {`{"openapi": "3.0.1"}`, "none of its 0 paths is one of connector customizers"},
		"other paths":        {head + `{"/sources": {}, "/connector-customizers-other": {}}}`, "none of its 2 paths"},
		"two versions":       {head + `{"/connector-customizers/v1": {}, "/connector-customizers/v2": {}}}`, "both /connector-customizers/v1 and /connector-customizers/v2"},
		"a loose reference":  {head + `{"/connector-customizers": {"get": {"parameters": [{"$ref": "#/components/parameters/limit"}]}}}}`, "/connector-customizers: there is no /components/parameters/limit"},
		"a missing file":     {head + `{"/connector-customizers": {"$ref": "./nowhere.yaml"}}}`, "./nowhere.yaml: open "},
		"an endless circle":  {head + `{"/connector-customizers": {"$ref": "#/paths/~1connector-customizers"}}}`, "refers to itself"},
		"no security scheme": {head + `{"/connector-customizers": {"get": {"security": [{"userAuth": []}]}}}}`, "there is no /components/securitySchemes/userAuth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := write(t, t.TempDir(), "spec", []byte(tc.spec))
			code, stdout, stderr := tool(t, "-root", repository, file)
			assert.Equal(t, 2, code)
			assert.Empty(t, stdout)
			assert.True(t, strings.HasPrefix(stderr, "upstream: "+file+": "), stderr)
			assert.Contains(t, stderr, tc.want)
		})
	}
	t.Run("no argument", func(t *testing.T) {
		t.Parallel()
		code, _, stderr := tool(t)
		assert.Equal(t, 2, code)
		assert.Contains(t, stderr, "SPEC=<file or URL>")
	})
	t.Run("no file", func(t *testing.T) {
		t.Parallel()
		code, _, stderr := tool(t, "-root", repository, "nowhere.json")
		assert.Equal(t, 2, code)
		assert.Contains(t, stderr, "nowhere.json: no such file or directory")
	})
}

func TestURL(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(filepath.Join(repository, "testdata"))))
	mux.HandleFunc("/in/paths.yaml", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("get: {responses: {200: {description: found}}}"))
	})
	mux.HandleFunc("/in/spec.yaml", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("openapi: 3.0.1\ninfo: {version: v1}\npaths: {/connector-customizers: {$ref: paths.yaml}}"))
	})
	mux.HandleFunc("/stalled", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)

	code, stdout, stderr := tool(t, "-root", repository, srv.URL+"/"+filepath.Base(published))
	assert.Equal(t, 0, code, stderr)
	assert.Empty(t, stdout)

	cut, err := cutOf(t.Context(), srv.URL+"/in/spec.yaml")
	require.NoError(t, err)
	assert.Contains(t, string(cut), `"200"`)

	code, _, stderr = tool(t, "-root", repository, srv.URL+"/nowhere.json")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "/nowhere.json answered 404 Not Found")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = cutOf(ctx, srv.URL+"/stalled")
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	gone := httptest.NewServer(nil)
	gone.Close()
	code, _, stderr = tool(t, "-root", repository, gone.URL)
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr, "connection refused")
}
