package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const repository = "../../.."

type tree = map[string]any

// publishedTree is the contract of the last look, to plant changes in.
func publishedTree(t *testing.T) tree {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repository, published))
	require.NoError(t, err)
	spec, err := parse(data)
	require.NoError(t, err)
	return spec
}

// at walks into a tree; a number walks into a list.
func at(node any, keys ...any) tree {
	for _, key := range keys {
		if i, ok := key.(int); ok {
			node = node.([]any)[i]
			continue
		}
		node = node.(tree)[key.(string)]
	}
	return node.(tree)
}

func schema(spec tree, name string) tree { return at(spec, "components", "schemas", name) }

func operation(spec tree, method, path string) tree {
	return at(spec, "paths", "/connector-customizers"+path, method)
}

// plants are changes as upstream may make them, each with what is to be told of it.
var plants = map[string]struct {
	plant func(spec tree)
	want  []string // class and rule
}{
	"nothing": {func(tree) {}, nil},
	"a text": {func(spec tree) {
		spec["info"].(tree)["description"] = "other words"
		operation(spec, "get", "")["summary"] = "other words"
		operation(spec, "get", "")["operationId"] = "listConnectorCustomizersV1"
		operation(spec, "get", "")["tags"] = []any{"Customizers"}
		at(schema(spec, "ConnectorCustomizersResponse"), "properties", "id")["example"] = "1234"
	}, nil},
	"an operation removed":     {func(spec tree) { delete(at(spec, "paths", "/connector-customizers/{id}"), "put") }, []string{"breaking api-removed-without-deprecation"}},
	"a path removed":           {func(spec tree) { delete(at(spec, "paths"), "/connector-customizers/{id}/versions") }, []string{"breaking api-path-removed-without-deprecation"}},
	"a path renamed":           {renamePath, []string{"added endpoint-added", "breaking api-path-removed-without-deprecation"}},
	"a path parameter renamed": {renameParameter, []string{"changed no-rule"}},
	"an operation added": {func(spec tree) {
		at(spec, "paths", "/connector-customizers/{id}")["patch"] = operation(spec, "put", "/{id}")
	}, []string{"added endpoint-added"}},
	"a path added": {func(spec tree) {
		at(spec, "paths")["/connector-customizers/{id}/logs"] = at(spec, "paths", "/connector-customizers/{id}")
	}, []string{"added endpoint-added"}},
	"an operation deprecated": {func(spec tree) { operation(spec, "get", "")["deprecated"] = true }, []string{"changed endpoint-deprecated"}},
	"another user level":      {func(spec tree) { operation(spec, "get", "")["x-sailpoint-userLevels"] = []any{"HELPDESK"} }, []string{"changed no-rule"}},
	"another scope":           {func(spec tree) { operation(spec, "get", "")["security"] = []any{tree{"userAuth": []any{"idn:other"}}} }, []string{"breaking api-security-scope-added", "changed api-security-scope-removed"}},
	"another kind of token": {func(spec tree) {
		schemes := at(spec, "components", "securitySchemes")
		schemes["applicationAuth"] = schemes["userAuth"]
		operation(spec, "get", "")["security"] = []any{tree{"userAuth": []any{"sp:connector:read"}}, tree{"applicationAuth": []any{"sp:connector:read"}}}
	}, []string{"added api-security-added", "added api-security-component-added"}},
	"a response property removed": {func(spec tree) {
		delete(at(schema(spec, "ConnectorCustomizersResponse"), "properties"), "imageID")
	}, []string{"breaking response-optional-property-removed"}},
	"a response property renamed": {func(spec tree) {
		properties := at(schema(spec, "ConnectorCustomizerVersionCreateResponse"), "properties")
		properties["imageId"] = properties["imageID"]
		delete(properties, "imageID")
	}, []string{"added response-optional-property-added", "breaking response-optional-property-removed"}},
	"a response property added": {func(spec tree) {
		at(schema(spec, "ConnectorCustomizersResponse"), "properties")["description"] = tree{"type": "string"}
	}, []string{"added response-optional-property-added"}},
	"a response property of another type": {func(spec tree) {
		at(schema(spec, "ConnectorCustomizersResponse"), "properties", "imageVersion")["type"] = "string"
	}, []string{"breaking response-property-type-changed"}},
	"a response property of another format": {func(spec tree) {
		at(schema(spec, "ConnectorCustomizersResponse"), "properties", "created")["format"] = "date"
	}, []string{"breaking response-property-type-changed"}},
	"a response property that may be null": {func(spec tree) {
		at(schema(spec, "ConnectorCustomizersResponse"), "properties", "name")["nullable"] = true
	}, []string{"breaking response-property-became-nullable"}},
	"an object instead of a list": {func(spec tree) {
		list := at(operation(spec, "get", ""), "responses", "200", "content", "application/json")
		list["schema"] = tree{"type": "object", "properties": tree{"items": list["schema"]}}
	}, []string{"added response-optional-property-added", "breaking response-body-type-changed"}},
	"an enum value added": {func(spec tree) {
		schema(spec, "LocaleOrigin")["enum"] = []any{"DEFAULT", "REQUEST", "USER", nil}
	}, []string{"breaking response-property-enum-value-added"}},
	"a request property added": {func(spec tree) {
		at(schema(spec, "ConnectorCustomizerCreateRequest"), "properties")["title"] = tree{"type": "string"}
	}, []string{"added new-optional-request-property"}},
	"a required request property added": {func(spec tree) {
		request := schema(spec, "ConnectorCustomizerCreateRequest")
		at(request, "properties")["type"] = tree{"type": "string"}
		request["required"] = []any{"type"}
	}, []string{"breaking new-required-request-property"}},
	"a request property required": {func(spec tree) {
		schema(spec, "ConnectorCustomizerCreateRequest")["required"] = []any{"name"}
	}, []string{"breaking request-property-became-required"}},
	"a request property removed": {func(spec tree) {
		delete(at(schema(spec, "ConnectorCustomizerCreateRequest"), "properties"), "name")
	}, []string{"breaking request-property-removed"}},
	"a request property bounded": {func(spec tree) {
		at(schema(spec, "ConnectorCustomizerCreateRequest"), "properties", "name")["maxLength"] = 64
	}, []string{"breaking request-property-max-length-set"}},
	"a request body required": {func(spec tree) {
		at(operation(spec, "put", "/{id}"), "requestBody")["required"] = true
	}, []string{"breaking request-body-became-required"}},
	"a request body of another media type": {func(spec tree) {
		content := at(operation(spec, "post", ""), "requestBody", "content")
		content["application/xml"] = content["application/json"]
		delete(content, "application/json")
	}, []string{"added request-body-media-type-added", "breaking request-body-media-type-removed"}},
	"a zip for a body": {func(spec tree) {
		operation(spec, "post", "/{id}/versions")["requestBody"] = tree{
			"content": tree{"application/zip": tree{"schema": tree{"type": "string", "format": "binary"}}},
		}
	}, []string{"added request-body-added-optional"}},
	"a zip required for a body": {func(spec tree) {
		operation(spec, "post", "/{id}/versions")["requestBody"] = tree{
			"required": true, "content": tree{"application/zip": tree{"schema": tree{"type": "string", "format": "binary"}}},
		}
	}, []string{"breaking request-body-added-required"}},
	"a success status renamed": {func(spec tree) {
		responses := at(operation(spec, "post", ""), "responses")
		responses["202"] = responses["201"]
		delete(responses, "201")
	}, []string{"added response-success-status-added", "breaking response-success-status-removed"}},
	"a failure status removed": {func(spec tree) {
		delete(at(operation(spec, "get", ""), "responses"), "429")
	}, []string{"changed response-non-success-status-removed"}},
	"a failure status added": {func(spec tree) {
		responses := at(operation(spec, "post", ""), "responses")
		responses["409"] = responses["400"]
	}, []string{"added response-non-success-status-added"}},
	"another shape of errors": {func(spec tree) {
		delete(at(schema(spec, "ErrorResponseDto"), "properties"), "trackingId")
	}, []string{"breaking response-optional-property-removed"}},
	"a parameter added": {func(spec tree) {
		list := operation(spec, "get", "")
		list["parameters"] = append(slices.Clone(list["parameters"].([]any)), tree{"name": "filters", "in": "query", "schema": tree{"type": "string"}})
	}, []string{"added new-optional-request-parameter"}},
	"a required header added": {func(spec tree) {
		list := operation(spec, "get", "")
		list["parameters"] = append(slices.Clone(list["parameters"].([]any)),
			tree{"name": "X-SailPoint-Experimental", "in": "header", "required": true, "schema": tree{"type": "string"}})
	}, []string{"breaking new-required-request-parameter"}},
	"a parameter removed": {func(spec tree) {
		list := operation(spec, "get", "")
		list["parameters"] = list["parameters"].([]any)[1:]
	}, []string{"breaking request-parameter-removed"}},
	"a lower limit": {func(spec tree) {
		at(spec, "components", "parameters", "limit", "schema")["maximum"] = 100
	}, []string{"breaking request-parameter-max-decreased"}},
	"another default": {func(spec tree) {
		at(spec, "components", "parameters", "limit", "schema")["default"] = 50
	}, []string{"changed request-parameter-default-value-changed"}},
	"another address for tokens": {func(spec tree) {
		at(spec, "components", "securitySchemes", "userAuth", "flows", "clientCredentials")["tokenUrl"] = "https://example.com/token"
	}, []string{"breaking api-security-component-oauth-token-url-changed"}},
}

func renamePath(spec tree) {
	paths := at(spec, "paths")
	paths["/connector-customizers/{id}/releases"] = paths["/connector-customizers/{id}/versions"]
	delete(paths, "/connector-customizers/{id}/versions")
}

func renameParameter(spec tree) {
	paths := at(spec, "paths")
	for _, suffix := range []string{"", "/versions"} {
		item := at(paths, "/connector-customizers/{id}"+suffix)
		for _, method := range slices.Collect(maps.Keys(item)) {
			at(item, method, "parameters", 0)["name"] = "customizerId"
		}
		paths["/connector-customizers/{customizerId}"+suffix] = item
		delete(paths, "/connector-customizers/{id}"+suffix)
	}
}

// forms are the ways in which a specification is published. Each writes one and names it.
var forms = map[string]func(t *testing.T, spec tree) string{
	"JSON": writeJSON,
	"YAML": func(t *testing.T, spec tree) string {
		// Statuses are numbers, as people write them.
		for _, item := range at(spec, "paths") {
			for _, operation := range item.(tree) {
				responses := map[any]any{}
				for status, response := range at(operation, "responses") {
					var number int
					_, err := fmt.Sscan(status, &number)
					require.NoError(t, err)
					responses[number] = response
				}
				operation.(tree)["responses"] = responses
			}
		}
		data, err := yaml.Marshal(spec)
		require.NoError(t, err)
		return write(t, t.TempDir(), "spec.yaml", data)
	},
	"dereferenced": func(t *testing.T, spec tree) string {
		inlined := inline(spec, spec).(tree)
		schemes := at(inlined, "components", "securitySchemes")
		inlined["components"] = tree{"securitySchemes": schemes}
		return writeJSON(t, inlined)
	},
	"whole": func(t *testing.T, spec tree) string {
		for i := range 300 {
			name := fmt.Sprintf("Other%d", i)
			at(spec, "paths")[fmt.Sprintf("/others-%d/connector-customizers/{id}", i)] = tree{"get": tree{
				"operationId": "get" + name, "responses": tree{"200": tree{"description": strings.Repeat("words ", 100), "content": tree{
					"application/json": tree{"schema": tree{"$ref": "#/components/schemas/" + name}},
				}}},
			}}
			// Others may be what no reader of OpenAPI takes.
			at(spec, "components", "schemas")[name] = tree{"type": "object", "maximum": "high", "properties": tree{"next": tree{"$ref": "#/components/schemas/Nowhere"}}}
		}
		return writeJSON(t, spec)
	},
	"OpenAPI 3.1": func(t *testing.T, spec tree) string {
		spec["openapi"] = "3.1.0"
		nullTypes(spec)
		return writeJSON(t, spec)
	},
	"of the service": func(t *testing.T, spec tree) string {
		spec["servers"] = []any{tree{"url": "https://{tenant}.api.identitynow.com"}}
		renamePaths(spec, "/connector-customizers", "/connector-customizers/v1")
		return writeJSON(t, spec)
	},
	"with the year in the paths": func(t *testing.T, spec tree) string {
		spec["servers"] = []any{tree{"url": "https://{tenant}.api.identitynow.com"}}
		renamePaths(spec, "/connector-customizers", "/v2026/connector-customizers")
		return writeJSON(t, spec)
	},
	"in many files": func(t *testing.T, spec tree) string {
		dir := t.TempDir()
		paths := at(spec, "paths")
		for i, path := range slices.Sorted(maps.Keys(paths)) {
			name := fmt.Sprintf("paths/%d.yaml", i)
			data, err := yaml.Marshal(elsewhere(paths[path]))
			require.NoError(t, err)
			write(t, dir, name, data)
			paths[path] = tree{"$ref": "./" + name}
		}
		data, err := yaml.Marshal(elsewhere(at(spec, "components")))
		require.NoError(t, err)
		write(t, dir, "components/all.yaml", data)
		spec["components"] = tree{"securitySchemes": at(spec, "components", "securitySchemes")}
		data, err = json.Marshal(spec)
		require.NoError(t, err)
		return write(t, dir, "spec.json", data)
	},
	"with common parameters and security by default": func(t *testing.T, spec tree) string {
		for _, item := range at(spec, "paths") {
			if post, ok := item.(tree)["post"].(tree); ok && post["parameters"] != nil {
				item.(tree)["parameters"] = post["parameters"]
				spec["security"] = post["security"]
				delete(post, "parameters")
				delete(post, "security")
			}
		}
		return writeJSON(t, spec)
	},
}

// Every change that is planted is found, whatever the form, and told as what it is.
func TestPlantedChanges(t *testing.T) {
	t.Parallel()
	before, err := cutOf(t.Context(), filepath.Join(repository, published))
	require.NoError(t, err)
	for form, published := range forms {
		for name, plant := range plants {
			t.Run(form+"/"+name, func(t *testing.T) {
				t.Parallel()
				spec := publishedTree(t)
				plant.plant(spec)
				spec = clone(t, spec)
				now, err := cutOf(t.Context(), published(t, spec))
				require.NoError(t, err)
				moved, err := compare(before, now)
				require.NoError(t, err)
				got := map[string]bool{}
				for _, c := range moved {
					got[string(c.Class)+" "+c.ID] = true
				}
				assert.Equal(t, plant.want, slices.Sorted(maps.Keys(got)), "%v", moved)
			})
		}
	}
}

// clone makes a tree of which no two parts are one.
func clone(t *testing.T, spec tree) tree {
	t.Helper()
	data, err := json.Marshal(spec)
	require.NoError(t, err)
	spec, err = parse(data)
	require.NoError(t, err)
	return spec
}

func renamePaths(spec tree, from, to string) {
	paths := at(spec, "paths")
	for _, path := range slices.Collect(maps.Keys(paths)) {
		if rest, ok := strings.CutPrefix(path, from); ok {
			paths[to+rest] = paths[path]
			delete(paths, path)
		}
	}
}

// nullTypes says nullable as OpenAPI 3.1 does.
func nullTypes(node any) {
	switch node := node.(type) {
	case tree:
		if node["nullable"] == true {
			node["type"] = []any{node["type"], "null"}
			delete(node, "nullable")
		}
		for _, value := range node {
			nullTypes(value)
		}
	case []any:
		for _, value := range node {
			nullTypes(value)
		}
	}
}

// inline puts what a reference is to in its place.
func inline(spec tree, node any) any {
	switch node := node.(type) {
	case tree:
		if ref, ok := node["$ref"].(string); ok {
			target, err := lookUp(spec, strings.TrimPrefix(ref, "#"))
			if err != nil {
				return node
			}
			return inline(spec, target)
		}
		object := tree{}
		for key, value := range node {
			object[key] = inline(spec, value)
		}
		return object
	case []any:
		list := make([]any, len(node))
		for i, value := range node {
			list[i] = inline(spec, value)
		}
		return list
	}
	return node
}

// elsewhere makes references to components lead to another file.
func elsewhere(node any) any {
	switch node := node.(type) {
	case tree:
		object := tree{}
		for key, value := range node {
			if ref, ok := value.(string); ok && key == "$ref" {
				value = strings.Replace(ref, "#/components", "../components/all.yaml#", 1)
			}
			object[key] = elsewhere(value)
		}
		return object
	case []any:
		list := make([]any, len(node))
		for i, value := range node {
			list[i] = elsewhere(value)
		}
		return list
	}
	return node
}

func writeJSON(t *testing.T, spec tree) string {
	t.Helper()
	data, err := json.Marshal(spec)
	require.NoError(t, err)
	return write(t, t.TempDir(), "spec.json", data)
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}
