package cli

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/connector-customizers/customizers/customizerstest"
)

// A token that may not list is told before the list is tried, with what to ask for.
func TestDoctorTellsMissingScopes(t *testing.T) {
	for name, tt := range map[string]struct {
		scopes []string
		code   int
		says   []string
	}{
		"none that helps": {[]string{"idn:other:read"}, exitDenied, []string{"FAILED  scopes", "the token has idn:other:read", "sp:connector:read for list and get"}},
		"reading only":    {[]string{"sp:connector:read"}, exitOK, []string{"without sp:connector:manage only list and get are permitted"}},
		"all":             {[]string{"sp:scopes:all"}, exitOK, []string{"ok      scopes         sp:scopes:all"}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := customizerstest.NewServer(customizerstest.WithScopes(tt.scopes...))
			defer srv.Close()
			inEnvironment(t, srv)
			var stdout, stderr bytes.Buffer
			assert.Equal(t, tt.code, run(t.Context(), []string{"doctor"}, nil, &stdout, &stderr), stderr.String())
			for _, s := range tt.says {
				assert.Contains(t, stdout.String(), s)
			}
		})
	}
}

// One that is interrupted has found nothing out, and advises nothing.
func TestDoctorInterrupted(t *testing.T) {
	srv := customizerstest.NewServer()
	t.Cleanup(srv.Close)
	inEnvironment(t, srv)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFailure, run(ctx, []string{"doctor"}, nil, &stdout, &stderr))
	assert.NotContains(t, stdout.String(), "FAILED")
	assert.NotContains(t, stdout.String(), "HTTPS_PROXY")
	assert.Contains(t, stderr.String(), "interrupted")
}
