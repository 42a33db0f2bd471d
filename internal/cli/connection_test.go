package cli

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// A Retry-After is waited for as long as --max-wait allows.
func TestMaxWait(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	inEnvironment(t, srv)
	limited := customizerstest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"90"}}}

	srv.Inject(limited)
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitRateLimited, run(t.Context(), []string{"list"}, nil, &stdout, &stderr), "a minute by default: %s", &stderr)

	srv.Inject(limited)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log, code := &locked{}, make(chan int, 1)
	go func() { code <- run(ctx, []string{"list", "--max-wait", "2m", "--verbose"}, nil, &bytes.Buffer{}, log) }()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "wait=1m30s") },
		10*time.Second, 5*time.Millisecond, "%s", log)
	cancel()
	assert.Equal(t, exitFailure, <-code)
	assert.Contains(t, log.String(), "interrupted", "it was waiting")
	assert.NotContains(t, log.String(), "doctor", "there is nothing to find out")

	stderr.Reset()
	assert.Equal(t, exitUsage, run(t.Context(), []string{"list", "--max-wait", "0s"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "--max-wait")
}

// inEnvironment has the command find a tenant.
func inEnvironment(t *testing.T, srv *customizerstest.Server) {
	t.Helper()
	t.Setenv("SAIL_BASE_URL", srv.URL)
	t.Setenv("SAIL_CLIENT_ID", srv.ClientID)
	t.Setenv("SAIL_CLIENT_SECRET", srv.ClientSecret)
	t.Setenv("SAIL_ACCESS_TOKEN", "")
}
