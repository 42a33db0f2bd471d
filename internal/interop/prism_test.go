package interop_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/oauth2"

	"github.com/connector-customizers/customizers"
)

// contracts has the contracts: the published one of a year, as the yearly versions differ only in
// their paths, the published one of the service, and this project's.
var contracts = map[string]struct {
	version customizers.APIVersion
	file    string
}{
	"v2024":        {customizers.APIVersion2024, "../../testdata/published.v2024.json"},
	"v1":           {customizers.APIVersionV1, "../../testdata/published.v1.json"},
	"openapi.yaml": {customizers.APIVersion2024, "../../openapi.yaml"},
}

// contractFile returns a file with a contract. It removes the examples, so that a mock makes up
// values, and adds a yearly version to the paths, as Prism ignores servers.
func contractFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(contracts[name].file)
	require.NoError(t, err)
	var spec map[string]any
	require.NoError(t, yaml.Unmarshal(data, &spec)) // JSON is YAML
	if version := contracts[name].version; version != customizers.APIVersionV1 {
		paths := map[string]any{}
		for path, item := range spec["paths"].(map[string]any) {
			paths["/"+string(version)+path] = item
		}
		spec["paths"] = paths
	}
	removeExamples(spec)
	data, err = json.Marshal(spec)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "contract.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

func removeExamples(value any) {
	switch value := value.(type) {
	case map[string]any:
		delete(value, "example")
		for _, v := range value {
			removeExamples(v)
		}
	case []any:
		for _, v := range value {
			removeExamples(v)
		}
	}
}

// The client reads the responses of a mock of each contract, for each operation and each status.
func TestPrismMock(t *testing.T) {
	t.Parallel()
	for name := range contracts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testMock(t, name)
		})
	}
}

func testMock(t *testing.T, contract string) {
	url := startPrism(t, "mock", contractFile(t, contract))
	violations := &violations{}
	client := func(header http.Header) *customizers.Client {
		c, err := customizers.New(url,
			customizers.TokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "token"})),
			customizers.WithHTTPClient(&http.Client{Transport: &recorder{header: header, to: violations}}),
			customizers.WithAPIVersion(contracts[contract].version), customizers.WithRetry(customizers.RetryPolicy{MaxAttempts: 1}))
		require.NoError(t, err)
		return c
	}
	const id = "7f1f0f0e"
	created := time.Date(2019, 8, 24, 14, 15, 22, 0, time.UTC) // Prism's value of a date-time
	const number = -(1<<53 - 1)                                // Prism's value of an int64
	customizer := customizers.Customizer{ID: "string", Name: "string", ImageVersion: number, ImageID: "string", TenantID: "string", Created: customizers.Timestamp{Time: created}}
	operations := map[string]struct {
		do     func(c *customizers.Client) (any, error)
		want   any
		errors []int // statuses
	}{
		"List": {func(c *customizers.Client) (any, error) {
			page, err := c.List(t.Context(), customizers.ListOptions{Offset: 5, Limit: 10, Count: true})
			if err != nil {
				return nil, err
			}
			return page.Items, nil
		}, []customizers.Customizer{customizer}, []int{400, 401, 403, 429, 500}},
		"Create": {func(c *customizers.Client) (any, error) {
			return c.Create(t.Context(), customizers.CreateRequest{Name: "a"})
		}, &customizers.Customizer{ID: "string", Name: "string", TenantID: "string", Created: customizers.Timestamp{Time: created}}, []int{400, 401, 403, 429, 500}},
		"Get": {func(c *customizers.Client) (any, error) {
			return c.Get(t.Context(), id)
		}, &customizer, []int{400, 401, 403, 404, 429, 500}},
		"Update": {func(c *customizers.Client) (any, error) {
			return c.Update(t.Context(), id, customizers.UpdateRequest{Name: "b"})
		}, &customizer, []int{400, 401, 403, 404, 429, 500}},
		"Delete": {func(c *customizers.Client) (any, error) {
			return nil, c.Delete(t.Context(), id)
		}, nil, []int{400, 401, 403, 404, 429, 500}},
		"CreateVersion": {func(c *customizers.Client) (any, error) {
			return c.CreateVersion(t.Context(), id, nil)
		}, &customizers.Version{CustomizerID: "string", ImageID: "string", Version: number, Created: customizers.Timestamp{Time: created}}, []int{400, 401, 403, 404, 429, 500}},
	}
	sentinels := map[int]error{
		400: customizers.ErrBadRequest, 401: customizers.ErrUnauthorized, 403: customizers.ErrForbidden,
		404: customizers.ErrNotFound, 429: customizers.ErrRateLimited, 500: customizers.ErrServer,
	}
	for name, operation := range operations {
		got, err := operation.do(client(nil))
		require.NoError(t, err, name)
		assert.Equal(t, operation.want, got, name)
		for _, status := range operation.errors {
			_, err := operation.do(client(http.Header{"Prefer": {"code=" + strconv.Itoa(status)}}))
			require.ErrorIs(t, err, sentinels[status], "%s %d", name, status)
			var apiError *customizers.Error
			require.ErrorAs(t, err, &apiError)
			assert.Equal(t, status, apiError.StatusCode)
			if status != 401 && status != 429 {
				assert.Equal(t, "string", apiError.DetailCode)
				assert.Equal(t, "string", apiError.TrackingID)
				require.Len(t, apiError.Messages, 1)
				assert.Equal(t, "string", apiError.Messages[0].Text)
			}
		}
	}
	assert.Empty(t, violations.all(), "requests that break the contract")
}

// A violation is Prism's finding about a request or its response.
type violation struct {
	Request  string   `json:"-"`
	Location []string `json:"location"`
	Severity string   `json:"severity"`
	Code     any      `json:"code"` // a number or a word
	Message  string   `json:"message"`
}

type violations struct {
	mu   sync.Mutex
	list []violation
}

func (v *violations) all() []violation {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.list
}

// A recorder adds header to requests and collects the violations that Prism reports.
type recorder struct {
	header http.Header
	to     *violations
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	for key, values := range r.header {
		req.Header[key] = values
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	report := resp.Header.Get("Sl-Violations")
	if report == "" {
		return resp, nil
	}
	var list []violation
	if err := json.Unmarshal([]byte(report), &list); err != nil {
		return nil, errors.Join(errors.New("Prism's violations can't be read: "+report), err, resp.Body.Close())
	}
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	for _, violation := range list {
		violation.Request = req.Method + " " + req.URL.Path
		r.to.list = append(r.to.list, violation)
	}
	return resp, nil
}
