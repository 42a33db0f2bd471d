package customizers

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of the documentation is made from the function that decides.
func TestPolicyTable(t *testing.T) {
	sent := func(op string) error {
		return &url.Error{Op: "Post", URL: "https://acme", Err: &net.OpError{Op: op, Err: errors.New("failed")}}
	}
	var b strings.Builder
	b.WriteString("| what came | list, get, update, delete | create, create version |\n|---|---|---|\n")
	for _, row := range []struct {
		name   string
		status int
		err    error
	}{
		{"no address or no connection", 0, sent("dial")},
		{"a connection that broke, a timeout", 0, sent("read")},
		{statusName(408), 408, nil},
		{statusName(429), 429, nil},
		{statusName(500), 500, nil},
		{statusName(501), 501, nil},
		{statusName(502), 502, nil},
		{statusName(503), 503, nil},
		{statusName(504), 504, nil},
		{"a redirect", 302, nil},
		{"400, 403, 404 and other statuses", 400, nil},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.name,
			whatFollows(judge(true, row.status, row.err), true), whatFollows(judge(false, row.status, row.err), false))
	}

	const path, begin, end = "docs/errors.md", "<!-- made by UPDATE_DOCS=1 go test -run TestPolicyTable . -->\n", "<!-- end -->"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(data), begin)
	require.True(t, found)
	table, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o600))
		return
	}
	assert.Equal(t, b.String(), table, "run UPDATE_DOCS=1 go test -run TestPolicyTable .")
}

func statusName(status int) string { return fmt.Sprintf("%d %s", status, http.StatusText(status)) }

func whatFollows(v verdict, repeatable bool) string {
	switch {
	case v.retry && !v.charged:
		return "sent again after its Retry-After"
	case v.retry:
		return "sent again"
	case v.mayHaveActed && !repeatable:
		return "not sent again: `ErrOutcomeUnknown`"
	}
	return "not sent again"
}
