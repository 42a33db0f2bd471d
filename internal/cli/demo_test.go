package cli

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers/customizerstest"
)

// demo stops at the first operation that is not as expected.
func TestDemoFailures(t *testing.T) {
	t.Parallel()
	for says, fault := range map[string]customizerstest.Fault{
		"create: customizers: POST /v2024/connector-customizers: 400": {Operation: customizerstest.Create, Status: http.StatusBadRequest},
		"list: the HTTP statuses are 200, 503, 200, 200 (want 200":    {Operation: customizerstest.List, Skip: 1, Status: http.StatusServiceUnavailable},
	} {
		srv := customizerstest.NewServer(customizerstest.WithCustomizerCount(600), customizerstest.WithInstanceCount(1))
		t.Cleanup(srv.Close)
		srv.Inject(fault)
		var out bytes.Buffer
		require.ErrorContains(t, demo(t.Context(), &out, srv), says)
		assert.NotContains(t, out.String(), "as expected")
	}
}

func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitInterrupted, run(ctx, []string{"demo"}, nil, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "interrupted")
	assert.NotContains(t, stdout.String(), "as expected")
}
