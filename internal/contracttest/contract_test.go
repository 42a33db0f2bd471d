package contracttest

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// The facts of openapi.yaml that are repeated in handwritten code, where the generator does
// not update them.
func TestContract(t *testing.T) {
	t.Parallel()
	doc := contract(t)
	const collection, one, versions = "/connector-customizers", "/connector-customizers/{id}", "/connector-customizers/{id}/versions"
	successes := map[string][]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			for status, response := range op.Responses.Map() {
				if status < "300" {
					successes[name] = append(successes[name], status)
				}
				assert.Empty(t, response.Value.Headers, "%s %s: the generated code would read them", name, status)
			}
			slices.Sort(successes[name])
			scope := "sp:connector:manage"
			if method == http.MethodGet {
				scope = "sp:connector:read"
			}
			for _, parameters := range []openapi3.Parameters{item.Parameters, op.Parameters} {
				for _, p := range parameters {
					assert.True(t, p.Value.In != "path" || p.Value.Example != nil, "%s: no example of %s", name, p.Value.Name)
				}
			}
			require.NotNil(t, op.Security, name)
			assert.Equal(t, openapi3.SecurityRequirements{{"userAuth": {scope}}}, *op.Security, name)
		}
	}
	assert.Equal(t, map[string][]string{
		"GET " + collection: {"200"}, "POST " + collection: {"200", "201"}, "GET " + one: {"200"}, "PUT " + one: {"200"},
		"DELETE " + one: {"204"}, "POST " + versions: {"200"},
	}, successes)

	assert.Equal(t, "https://{tenant}.api.identitynow.com/"+string(customizers.APIVersion2024), doc.Servers[0].URL)
	assert.Len(t, doc.Components.SecuritySchemes, 1)
	assert.True(t, strings.HasSuffix(doc.Components.SecuritySchemes["userAuth"].Value.Flows.ClientCredentials.TokenURL, ".api.identitynow.com/oauth/token"))

	list := doc.Paths.Value(collection).Get
	limit := list.Parameters.GetByInAndName("query", "limit").Schema.Value
	require.NotNil(t, limit.Max)
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	_, err := srv.Client().List(t.Context(), customizers.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint("limit=", *limit.Max), srv.Requests(customizerstest.List)[0].Query)
	assert.InDelta(t, *limit.Max, limit.Default, 0)
	offset := list.Parameters.GetByInAndName("query", "offset").Schema.Value
	assert.Equal(t, "int32", offset.Format)
	assert.Nil(t, offset.Max)
	assert.EqualValues(t, 0, offset.Default)
	count := list.Parameters.GetByInAndName("query", "count").Schema.Value
	assert.Equal(t, false, count.Default)
	assert.Contains(t, *list.Responses.Status(200).Value.Description, "X-Total-Count")

	upload := doc.Paths.Value(versions).Post.RequestBody.Value
	assert.Equal(t, []string{"application/zip"}, slices.Collect(maps.Keys(upload.Content)))
	assert.False(t, upload.Required)
	for _, op := range []*openapi3.Operation{doc.Paths.Value(collection).Post, doc.Paths.Value(one).Put} {
		body := op.RequestBody.Value.Content["application/json"].Schema.Value
		assert.Equal(t, []string{"name"}, slices.Collect(maps.Keys(properties(body))), "CreateRequest and UpdateRequest have no other field")
	}
	// Customizer is the response of four operations.
	record := properties(doc.Paths.Value(one).Get.Responses.Status(200).Value.Content["application/json"].Schema.Value)
	for _, response := range []*openapi3.Response{
		doc.Paths.Value(collection).Post.Responses.Status(200).Value, doc.Paths.Value(collection).Post.Responses.Status(201).Value,
		doc.Paths.Value(one).Put.Responses.Status(200).Value,
	} {
		for name, p := range properties(response.Content["application/json"].Schema.Value) {
			assert.Equal(t, record[name].Value.Type, p.Value.Type, name)
		}
	}
	// The gateway's errors have no type in the contract; these are their fields.
	for status, field := range map[int]string{401: "error", 429: "message"} {
		assert.Contains(t, list.Responses.Status(status).Value.Content["application/json"].Schema.Value.Properties, field)
	}
}

// Every generator can read the contract. That of OpenAPI Generator can't read YAML's aliases, and
// makes one name of two that differ in case.
func TestPortable(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../openapi.yaml")
	require.NoError(t, err)
	var root yaml.Node
	require.NoError(t, yaml.Unmarshal(data, &root))
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		assert.Empty(t, n.Anchor, "line %d has an anchor", n.Line)
		keys := map[string]bool{}
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				key := strings.ToLower(child.Value)
				assert.False(t, keys[key], "line %d: %s is there in another case", child.Line, child.Value)
				keys[key] = true
			}
			visit(child)
		}
	}
	visit(&root)
}

// contract reads openapi.yaml.
func contract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../openapi.yaml")
	require.NoError(t, err)
	return doc
}

// properties returns the properties of an object, including those of its AllOf.
func properties(s *openapi3.Schema) openapi3.Schemas {
	out := maps.Clone(s.Properties)
	for _, part := range s.AllOf {
		if out == nil {
			out = openapi3.Schemas{}
		}
		maps.Copy(out, properties(part.Value))
	}
	return out
}
