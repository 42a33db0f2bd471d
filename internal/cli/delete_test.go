package cli

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// A dry run names the linked instances. A tenant that does not list instances is no obstacle.
func TestDeleteLinked(t *testing.T) {
	for name, tt := range map[string]struct {
		fault customizerstest.Fault
		says  string
	}{
		"listed":      {says: "Would delete hr-feed (id-1), version 3, linked to HR production, id-b, from "},
		"no endpoint": {customizerstest.Fault{Operation: customizerstest.ListInstances, Status: http.StatusNotFound}, "Would delete hr-feed (id-1), version 3, from "},
		"no scope":    {customizerstest.Fault{Operation: customizerstest.ListInstances, Status: http.StatusForbidden}, "Would delete hr-feed (id-1), version 3, from "},
		"a page":      {customizerstest.Fault{Operation: customizerstest.ListInstances, Status: http.StatusOK, Body: "<html>"}, "Would delete hr-feed (id-1), version 3, from "},
		"a long wait": {customizerstest.Fault{Operation: customizerstest.ListInstances, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}}}, "Would delete hr-feed (id-1), version 3, from "},
	} {
		t.Run(name, func(t *testing.T) {
			srv := customizerstest.NewServer(
				customizerstest.WithCustomizers(customizers.Customizer{ID: "id-1", Name: "hr-feed", ImageVersion: 3}, customizers.Customizer{ID: "id-2", Name: "twin"}),
				customizerstest.WithInstances(
					customizerstest.Instance{ID: "id-a", Name: "HR production", CustomizerID: "id-1"}, customizerstest.Instance{ID: "id-b", CustomizerID: "id-1"},
					customizerstest.Instance{ID: "id-c", Name: "Badges"}, customizerstest.Instance{ID: "id-d", Name: "Other", CustomizerID: "id-2"}))
			t.Cleanup(srv.Close)
			setEnvironment(t, srv)
			if tt.fault.Operation != "" {
				srv.Inject(tt.fault)
			}
			start := time.Now()
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitOK, run(t.Context(), []string{"delete", "hr-feed", "--dry-run", "--yes"}, nil, &stdout, &stderr), stderr.String())
			assert.Contains(t, stderr.String(), tt.says)
			assert.Less(t, time.Since(start), 20*time.Second)
			assert.Len(t, srv.Customizers(), 2)
			require.Equal(t, exitOK, run(t.Context(), []string{"delete", "hr-feed", "--yes"}, nil, &stdout, &stderr), stderr.String())
			assert.Len(t, srv.Customizers(), 1)
			assert.Len(t, srv.Requests(customizerstest.ListInstances), 1, "--yes needs no list")
		})
	}
}
