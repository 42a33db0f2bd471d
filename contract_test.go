package customizers

import (
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/internal/listing"
)

const (
	allPath      = "/connector-customizers"
	onePath      = allPath + "/{id}"
	versionsPath = onePath + "/versions"
)

// An assumption is what code written by hand takes from the contract without asking the
// generated code. When the contract moves, its name tells what to look at.
type assumption struct {
	name  string
	check func(assert.TestingT, contract)
}

var assumptions = []assumption{
	{"the base URL is the tenant's, with the version first", func(t assert.TestingT, c contract) {
		if assert.NotEmpty(t, c.doc.Servers) {
			assert.Equal(t, "https://{tenant}.api.identitynow.com/"+string(APIVersion2024), c.doc.Servers[0].URL)
		}
	}},
	{"a token is fetched from /oauth/token of the base URL", func(t assert.TestingT, c contract) {
		flow := c.doc.Components.SecuritySchemes["userAuth"].Value.Flows.ClientCredentials
		assert.Regexp(t, `^https://[a-z-]+\.api\.identitynow\.com/oauth/token$`, flow.TokenURL)
	}},
	{"there are six operations", func(t assert.TestingT, c contract) {
		assert.Equal(t, []string{
			"DELETE " + onePath, "GET " + allPath, "GET " + onePath, "POST " + allPath, "POST " + versionsPath, "PUT " + onePath,
		}, c.operations())
	}},
	{"reading needs sp:connector:read, the rest sp:connector:manage", func(t assert.TestingT, c contract) {
		for _, name := range c.operations() {
			scope := "sp:connector:manage"
			if strings.HasPrefix(name, http.MethodGet) {
				scope = "sp:connector:read"
			}
			method, path, _ := strings.Cut(name, " ")
			if s := c.operation(method, path).Security; assert.NotNil(t, s, name) {
				assert.Equal(t, openapi3.SecurityRequirements{{"userAuth": {scope}}}, *s, name)
			}
		}
	}},
	{"id is one part of the path, of any characters", func(t assert.TestingT, c contract) {
		for _, name := range c.operations() {
			method, path, _ := strings.Cut(name, " ")
			if strings.Contains(path, "{id}") {
				id := c.parameter(method, path, "id")
				assert.Equal(t, "path string ", id.In+" "+typeOf(id.Schema), name)
				assert.Empty(t, id.Schema.Value.Pattern, name)
				assert.Nil(t, id.Schema.Value.MaxLength, name)
			}
		}
	}},
	{"a list takes offset, limit and count, and needs none", func(t assert.TestingT, c contract) {
		var got []string
		for _, p := range c.operation(http.MethodGet, allPath).Parameters {
			got = append(got, p.Value.In+" "+p.Value.Name)
			assert.False(t, p.Value.Required, p.Value.Name)
		}
		assert.ElementsMatch(t, []string{"query offset", "query limit", "query count"}, got)
	}},
	{"a page has 250 records at most, which is the default", func(t assert.TestingT, c contract) {
		limit := c.parameter(http.MethodGet, allPath, "limit").Schema.Value
		if assert.NotNil(t, limit.Max) {
			assert.InDelta(t, listing.MaxLimit, *limit.Max, 0)
		}
		assert.EqualValues(t, listing.MaxLimit, limit.Default)
	}},
	{"a limit of 1 is allowed", func(t assert.TestingT, c contract) {
		limit := c.parameter(http.MethodGet, allPath, "limit").Schema.Value
		assert.True(t, limit.Min == nil || *limit.Min <= 1)
	}},
	{"an offset is of 32 bits, from 0, which is the default", func(t assert.TestingT, c contract) {
		offset := c.parameter(http.MethodGet, allPath, "offset").Schema
		assert.Equal(t, "integer int32", typeOf(offset))
		assert.True(t, offset.Value.Min == nil || *offset.Value.Min == 0)
		assert.Nil(t, offset.Value.Max)
		assert.EqualValues(t, 0, offset.Value.Default)
	}},
	{"count is a boolean, and off when absent", func(t assert.TestingT, c contract) {
		count := c.parameter(http.MethodGet, allPath, "count").Schema
		assert.Equal(t, "boolean ", typeOf(count))
		assert.Equal(t, false, count.Value.Default)
	}},
	{"a count comes in X-Total-Count", func(t assert.TestingT, c contract) {
		assert.Contains(t, c.description(http.MethodGet, allPath, 200), "X-Total-Count")
	}},
	{"a list answers 200 with an array of records", func(t assert.TestingT, c contract) {
		c.succeeds(t, http.MethodGet, allPath, 200)
		list := c.answer(http.MethodGet, allPath, 200)
		assert.Equal(t, "array ", typeOf(list))
		if assert.NotNil(t, list.Value.Items) {
			assert.Equal(t, "#/components/schemas/ConnectorCustomizersResponse", list.Value.Items.Ref)
		}
	}},
	{"a get answers 200 with a record", func(t assert.TestingT, c contract) {
		c.succeeds(t, http.MethodGet, onePath, 200)
		assert.Equal(t, "#/components/schemas/ConnectorCustomizersResponse", c.answer(http.MethodGet, onePath, 200).Ref)
	}},
	{"a create answers 201 or 200, alike", func(t assert.TestingT, c contract) {
		c.succeeds(t, http.MethodPost, allPath, 200, 201)
		assert.Equal(t, c.answer(http.MethodPost, allPath, 200), c.answer(http.MethodPost, allPath, 201))
	}},
	{"an update answers 200", func(t assert.TestingT, c contract) {
		c.succeeds(t, http.MethodPut, onePath, 200)
	}},
	{"a record has every field of the answers to create and update", func(t assert.TestingT, c contract) {
		record := fields(c.answer(http.MethodGet, onePath, 200))
		for _, answer := range []*openapi3.SchemaRef{c.answer(http.MethodPost, allPath, 201), c.answer(http.MethodPut, onePath, 200)} {
			assert.NotEmpty(t, fields(answer))
			for name, kind := range fields(answer) {
				assert.Equal(t, record[name], kind, name)
			}
		}
	}},
	{"a delete answers 204 without a body", func(t assert.TestingT, c contract) {
		c.succeeds(t, http.MethodDelete, onePath, 204)
		assert.Empty(t, c.response(http.MethodDelete, onePath, 204).Content)
	}},
	{"a version's creation answers 200", func(t assert.TestingT, c contract) {
		c.succeeds(t, http.MethodPost, versionsPath, 200)
	}},
	{"a create sends JSON with a name and nothing else", func(t assert.TestingT, c contract) {
		assert.Equal(t, map[string]string{"name": "string "}, fields(c.body(t, http.MethodPost, allPath, "application/json")))
	}},
	{"an update sends JSON with a name and nothing else", func(t assert.TestingT, c contract) {
		assert.Equal(t, map[string]string{"name": "string "}, fields(c.body(t, http.MethodPut, onePath, "application/json")))
	}},
	{"a version's creation sends a zip archive, or nothing", func(t assert.TestingT, c contract) {
		assert.Equal(t, "string binary", typeOf(c.body(t, http.MethodPost, versionsPath, zipType)))
		if body := c.operation(http.MethodPost, versionsPath).RequestBody; assert.NotNil(t, body) {
			assert.False(t, body.Value.Required)
		}
	}},
	{"a record's id and name are strings", func(t assert.TestingT, c contract) {
		record := fields(c.answer(http.MethodGet, onePath, 200))
		assert.Equal(t, "string ", record["id"])
		assert.Equal(t, "string ", record["name"])
	}},
	{"a record's imageVersion is an integer of 64 bits, its imageID a string", func(t assert.TestingT, c contract) {
		record := fields(c.answer(http.MethodGet, onePath, 200))
		assert.Equal(t, "integer int64", record["imageVersion"])
		assert.Equal(t, "string ", record["imageID"])
	}},
	{"a record's tenantID is a string", func(t assert.TestingT, c contract) {
		assert.Equal(t, "string ", fields(c.answer(http.MethodGet, onePath, 200))["tenantID"])
	}},
	{"created is a date-time", func(t assert.TestingT, c contract) {
		assert.Equal(t, "string date-time", fields(c.answer(http.MethodGet, onePath, 200))["created"])
		assert.Equal(t, "string date-time", fields(c.answer(http.MethodPost, versionsPath, 200))["created"])
	}},
	{"a version has customizerID, imageID and version", func(t assert.TestingT, c contract) {
		version := fields(c.answer(http.MethodPost, versionsPath, 200))
		assert.Equal(t, "string ", version["customizerID"])
		assert.Equal(t, "string ", version["imageID"])
		assert.Equal(t, "integer int64", version["version"])
	}},
	{"a version's other names are connectorCustomizerId and imageId", func(t assert.TestingT, c contract) {
		var hidden []string // from the public type
		for name := range fields(c.answer(http.MethodPost, versionsPath, 200)) {
			if !slices.Contains(names(reflect.TypeFor[Version]()), name) {
				hidden = append(hidden, name)
			}
		}
		assert.ElementsMatch(t, []string{"connectorCustomizerId", "imageId"}, hidden)
	}},
	{"a version may be null", func(t assert.TestingT, c contract) {
		assert.True(t, c.answer(http.MethodPost, versionsPath, 200).Value.Nullable)
	}},
	{"the public types have the contract's fields", func(t assert.TestingT, c contract) {
		assert.ElementsMatch(t, names(reflect.TypeFor[Customizer]()),
			slices.Collect(maps.Keys(fields(c.answer(http.MethodGet, onePath, 200)))))
		for _, name := range names(reflect.TypeFor[Version]()) {
			assert.Contains(t, fields(c.answer(http.MethodPost, versionsPath, 200)), name)
		}
	}},
	{"400, 403, 404 and 500 are answered with detailCode, trackingId, messages and causes", func(t assert.TestingT, c contract) {
		c.eachFailure(func(name string, status int, answer *openapi3.SchemaRef) {
			if status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
				assert.Equal(t, map[string]string{
					"detailCode": "string ", "trackingId": "string ", "messages": "array ", "causes": "array ",
				}, fields(answer), "%s %d", name, status)
			}
		})
	}},
	{"a message has locale, localeOrigin and text", func(t assert.TestingT, c contract) {
		for _, list := range []string{"messages", "causes"} {
			if p := c.schema("ErrorResponseDto").Properties[list]; assert.NotNil(t, p, list) {
				assert.Equal(t, map[string]string{"locale": "string ", "localeOrigin": "string ", "text": "string "}, fields(p.Value.Items))
			}
		}
	}},
	{"401 is answered with error", func(t assert.TestingT, c contract) {
		c.eachFailure(func(name string, status int, answer *openapi3.SchemaRef) {
			if status == http.StatusUnauthorized {
				assert.Equal(t, map[string]string{"error": " "}, fields(answer), name)
			}
		})
	}},
	{"429 is answered with message, and a Retry-After", func(t assert.TestingT, c contract) {
		c.eachFailure(func(name string, status int, answer *openapi3.SchemaRef) {
			if status == http.StatusTooManyRequests {
				assert.Equal(t, map[string]string{"message": " "}, fields(answer), name)
				method, path, _ := strings.Cut(name, " ")
				assert.Contains(t, c.description(method, path, status), "Retry-After", name)
			}
		})
	}},
	{"failures are 400, 401, 403, 404 for an id, 429 and 500", func(t assert.TestingT, c contract) {
		got := map[string][]int{}
		c.eachFailure(func(name string, status int, _ *openapi3.SchemaRef) { got[name] = append(got[name], status) })
		for _, name := range c.operations() {
			want := []int{400, 401, 403, 429, 500}
			if strings.Contains(name, "{id}") {
				want = append(want, 404)
			}
			assert.ElementsMatch(t, want, got[name], name)
		}
	}},
	{"no response header is declared, as the generated client would read it", func(t assert.TestingT, c contract) {
		for _, name := range c.operations() {
			method, path, _ := strings.Cut(name, " ")
			for status, r := range c.operation(method, path).Responses.Map() {
				assert.Empty(t, r.Value.Headers, "%s %s", name, status)
			}
		}
	}},
}

func TestContractIsAsAssumed(t *testing.T) {
	t.Parallel()
	c := contractOf(t, specOf(t))
	for _, a := range assumptions {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.check(t, c)
		})
	}
}

// A contract that moves is noticed, by the names of the assumptions that it breaks.
func TestContractThatMoves(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ old, new, broken string }{
		"limit":            {"maximum: 250", "maximum: 500", "a page has 250 records at most, which is the default"},
		"a field's type":   {"format: int64\n          description: Number of the newest", "format: int32\n          description: Number of the newest", "a record's imageVersion is an integer of 64 bits, its imageID a string"},
		"a field's name":   {"        trackingId:", "        traceId:", "400, 403, 404 and 500 are answered with detailCode, trackingId, messages and causes"},
		"a path":           {"/connector-customizers/{id}/versions:", "/connector-customizers/{id}/releases:", "there are six operations"},
		"a status":         {"        '204':", "        '202':", "a delete answers 204 without a body"},
		"the total":        {"X-Total-Count carries", "X-Total carries", "a count comes in X-Total-Count"},
		"dates":            {"format: date-time", "format: date", "created is a date-time"},
		"an archive":       {"application/zip:", "application/gzip:", "a version's creation sends a zip archive, or nothing"},
		"a version's name": {"        connectorCustomizerId:", "        connectorId:", "a version's other names are connectorCustomizerId and imageId"},
		"a scope":          {"['sp:connector:read']", "['sp:connector:view']", "reading needs sp:connector:read, the rest sp:connector:manage"},
		"null":             {"type: object\n      nullable: true", "type: object", "a version may be null"},
		"a new field":      {"        imageVersion: &imageVersion", "        state: {type: string}\n        imageVersion: &imageVersion", "the public types have the contract's fields"},
		"a new request":    {"    ConnectorCustomizerCreateRequest:\n      title: Connector Customizer Create Request\n      type: object\n      properties:\n", "    ConnectorCustomizerCreateRequest:\n      title: Connector Customizer Create Request\n      type: object\n      properties:\n        type: {type: string}\n", "a create sends JSON with a name and nothing else"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := specOf(t)
			require.Contains(t, spec, tt.old)
			c := contractOf(t, strings.ReplaceAll(spec, tt.old, tt.new))
			var broken []string
			for _, a := range assumptions {
				var r recorder
				a.check(&r, c)
				if r.failed {
					broken = append(broken, a.name)
				}
			}
			assert.Contains(t, broken, tt.broken)
		})
	}
}

type recorder struct{ failed bool }

func (r *recorder) Errorf(string, ...any) { r.failed = true }

// A contract is openapi.yaml. What it has not is empty, not nil.
type contract struct{ doc *openapi3.T }

func specOf(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	return string(data)
}

func contractOf(t *testing.T, spec string) contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(spec))
	require.NoError(t, err)
	return contract{doc}
}

// operations are methods and paths.
func (c contract) operations() []string {
	var out []string
	for path, p := range c.doc.Paths.Map() {
		for method := range p.Operations() {
			out = append(out, method+" "+path)
		}
	}
	slices.Sort(out)
	return out
}

func (c contract) operation(method, path string) *openapi3.Operation {
	if p := c.doc.Paths.Value(path); p != nil && p.GetOperation(method) != nil {
		return p.GetOperation(method)
	}
	return &openapi3.Operation{Responses: openapi3.NewResponses()}
}

func (c contract) parameter(method, path, name string) *openapi3.Parameter {
	for _, p := range c.operation(method, path).Parameters {
		if p.Value.Name == name {
			return p.Value
		}
	}
	return &openapi3.Parameter{Schema: openapi3.NewSchemaRef("", &openapi3.Schema{})}
}

func (c contract) response(method, path string, status int) *openapi3.Response {
	if r := c.operation(method, path).Responses.Status(status); r != nil {
		return r.Value
	}
	return &openapi3.Response{}
}

func (c contract) description(method, path string, status int) string {
	if d := c.response(method, path, status).Description; d != nil {
		return *d
	}
	return ""
}

// answer is the schema of a response's JSON.
func (c contract) answer(method, path string, status int) *openapi3.SchemaRef {
	if m := c.response(method, path, status).Content["application/json"]; m != nil {
		return m.Schema
	}
	return openapi3.NewSchemaRef("", &openapi3.Schema{})
}

func (c contract) schema(name string) *openapi3.Schema {
	if s := c.doc.Components.Schemas[name]; s != nil {
		return s.Value
	}
	return &openapi3.Schema{}
}

// succeeds checks which responses of an operation are successes.
func (c contract) succeeds(t assert.TestingT, method, path string, want ...int) {
	var got []int
	for status := 200; status < 300; status++ {
		if c.operation(method, path).Responses.Status(status) != nil {
			got = append(got, status)
		}
	}
	assert.Equal(t, want, got)
}

// body is the schema of a request's body, which must have the type kind and no other.
func (c contract) body(t assert.TestingT, method, path, kind string) *openapi3.SchemaRef {
	body := c.operation(method, path).RequestBody
	if !assert.NotNil(t, body) || !assert.Equal(t, []string{kind}, slices.Collect(maps.Keys(body.Value.Content))) {
		return openapi3.NewSchemaRef("", &openapi3.Schema{})
	}
	return body.Value.Content[kind].Schema
}

// eachFailure goes over the responses that are no success.
func (c contract) eachFailure(f func(operation string, status int, answer *openapi3.SchemaRef)) {
	for _, name := range c.operations() {
		method, path, _ := strings.Cut(name, " ")
		for status := 300; status < 600; status++ {
			if c.operation(method, path).Responses.Status(status) != nil {
				f(name, status, c.answer(method, path, status))
			}
		}
	}
}

// fields are the properties of an object, and their types.
func fields(s *openapi3.SchemaRef) map[string]string {
	out := map[string]string{}
	for name, p := range s.Value.Properties {
		out[name] = typeOf(p)
	}
	for _, part := range s.Value.AllOf {
		maps.Copy(out, fields(part))
	}
	return out
}

// typeOf is a type and its format.
func typeOf(s *openapi3.SchemaRef) string {
	return strings.Join(s.Value.Type.Slice(), "|") + " " + s.Value.Format
}

// names are the JSON names of a struct's fields.
func names(t reflect.Type) []string {
	var out []string
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}
