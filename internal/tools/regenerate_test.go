package tools_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A property that is added to the contract is there for users, in the types, from the
// client, the sandbox and the command, once the code has been generated anew.
func TestRegenerate(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	const record = `
        name:
          type: string
          description: Name of the customizer.
          example: hr-feed-customizer
          x-order: 2
`
	const version = `
        version:
          type: integer
          format: int64
          description: Number of the version, counted from 1.
`
	contract := string(r.read("openapi.yaml"))
	require.Equal(t, 2, strings.Count(contract, record), "of a list or get, and of a create or update")
	require.Equal(t, 1, strings.Count(contract, version))
	contract = strings.ReplaceAll(contract, record, record+`        description:
          type: string
          description: What the customizer is for.
        reviewed: {type: string, format: date-time, nullable: true}
        priority: {type: integer, format: int64}
        tags: {$ref: '#/components/schemas/Tags'}
`)
	contract = strings.ReplaceAll(contract, version, "\n        checksum: {type: string}"+version)
	contract = strings.Replace(contract, "\n  schemas:\n", "\n  schemas:\n    Tags: {type: array, items: {type: string}}\n", 1)
	r.write("openapi.yaml", []byte(contract), 0o600)
	r.run("make", "generate")

	changed := strings.Fields(r.run("git", "diff", "--name-only"))
	assert.ElementsMatch(t, []string{"openapi.yaml", typesFile, apiFile, serverFile}, changed)
	assert.Contains(t, string(r.read(typesFile)), "// What the customizer is for.\n")

	r.write("cmd/added/main.go", []byte(useAdded), 0o600)
	var got struct {
		Wire    []json.RawMessage // what the sandbox answered: to a get, an update and a list
		Client  []map[string]any  // what the client made of it, as JSON
		Command map[string]any    // what customizers get -o json printed
	}
	require.NoError(t, json.Unmarshal([]byte(r.run("go", "run", "./cmd/added")), &got))
	require.Len(t, got.Wire, 3)
	require.Len(t, got.Client, 3)
	records := []map[string]any{got.Command}
	for _, answer := range got.Wire {
		var c map[string]any
		require.NoError(t, json.Unmarshal(bytes.Trim(answer, "[]"), &c), "a record, or a list of one: %s", answer)
		records = append(records, c)
	}
	for _, c := range append(records, got.Client...) {
		assert.Equal(t, "Maps cost centres.", c["description"])
		assert.Equal(t, "2009-11-10T23:00:00Z", c["reviewed"])
		assert.InDelta(t, 7, c["priority"], 0)
		assert.Equal(t, []any{"hr", "nightly"}, c["tags"])
	}
}

// run runs a command at the top of the copy and returns what it printed.
func (r *repo) run(name string, args ...string) string {
	r.t.Helper()
	var stdout, stderr strings.Builder
	cmd := command(r.t, r.dir, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(r.t, cmd.Run(), "%s %v: %s", name, args, &stderr)
	return stdout.String()
}

// useAdded uses fields that only the changed contract has.
const useAdded = `package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"time"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

func main() {
	srv := customizerstest.NewServer(customizerstest.WithCustomizers(customizers.Customizer{
		Name:        "hr-feed",
		Description: "Maps cost centres.",
		Reviewed:    time.Date(2009, 11, 10, 23, 0, 0, 0, time.UTC),
		Priority:    7,
		Tags:        customizers.Tags{"hr", "nightly"},
	}))
	defer srv.Close()
	var out struct {
		Wire    []json.RawMessage
		Client  []any
		Command json.RawMessage
	}
	c := srv.Client(customizers.WithHTTPClient(&http.Client{Transport: tap(func(body []byte) {
		out.Wire = append(out.Wire, body)
	})}))
	ctx, id := context.Background(), srv.Customizers()[0].ID
	got, err := c.Get(ctx, id)
	check(err)
	updated, err := c.Update(ctx, id, customizers.UpdateRequest{Name: "hr-feed-2"})
	check(err)
	page, err := c.List(ctx, customizers.ListOptions{})
	check(err)
	if got.Description == "" || !reflect.DeepEqual(*updated, page.Items[0]) {
		log.Fatalf("%+v, %+v, %+v", got, updated, page)
	}
	version, err := c.CreateVersion(ctx, id, nil)
	check(err)
	_ = version.Checksum
	out.Wire, out.Client = out.Wire[:3], []any{got, updated, page.Items[0]}

	get := exec.Command("go", "run", "./cmd/customizers", "get", id, "-o", "json")
	get.Env = append(os.Environ(), "SAIL_BASE_URL="+srv.URL, "SAIL_CLIENT_ID="+srv.ClientID, "SAIL_CLIENT_SECRET="+srv.ClientSecret)
	get.Stderr = os.Stderr
	out.Command, err = get.Output()
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A tap is told the bodies of the operations' answers.
type tap func(body []byte)

func (t tap) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || !strings.Contains(req.URL.Path, "connector-customizers") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	t(bytes.TrimSpace(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}
`
