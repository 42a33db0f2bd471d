package cli

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/connector-customizers/customizers"
	"github.com/connector-customizers/customizers/customizerstest"
)

// create and update warn of a second customizer with the name, if they can.
func TestNamesakes(t *testing.T) {
	for name, tt := range map[string]struct {
		args  []string
		fault customizerstest.Fault
		says  string
	}{
		"create, same name": {[]string{"create", "twin"}, customizerstest.Fault{}, "Warning: twin is also the name of id-1, id-2, so commands need their IDs.\n"},
		"create, NFD":       {[]string{"create", "Zu\u0308rich"}, customizerstest.Fault{}, "is also the name of id-3, so"},
		"create, NFC":       {[]string{"create", "M\u00fcnchen"}, customizerstest.Fault{}, "is also the name of id-5, so"},
		"create, new name":  {[]string{"create", "new"}, customizerstest.Fault{}, ""},
		"create, quiet":     {[]string{"create", "twin", "-q"}, customizerstest.Fault{}, ""},
		"create, JSON":      {[]string{"create", "twin", "-o", "json"}, customizerstest.Fault{}, ""},
		"create, no list":   {[]string{"create", "twin"}, customizerstest.Fault{Operation: customizerstest.List, Status: http.StatusForbidden}, ""},
		"update, same name": {[]string{"update", "other", "--name", "twin"}, customizerstest.Fault{}, "also the name of id-1, id-2, so"},
		"update, new name":  {[]string{"update", "other", "--name", "new"}, customizerstest.Fault{}, ""},
		"update, own name":  {[]string{"update", "Z\u00fcrich", "--name", "Z\u00fcrich"}, customizerstest.Fault{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := customizerstest.NewServer(customizerstest.WithCustomizers(customizers.Customizer{ID: "id-1", Name: "twin"}, customizers.Customizer{ID: "id-2", Name: "twin"},
				customizers.Customizer{ID: "id-3", Name: "Z\u00fcrich"}, customizers.Customizer{ID: "id-4", Name: "other"}, customizers.Customizer{ID: "id-5", Name: "Mu\u0308nchen"}))
			t.Cleanup(srv.Close)
			setEnvironment(t, srv)
			if tt.fault.Operation != "" {
				srv.Inject(tt.fault)
			}
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitOK, run(t.Context(), tt.args, nil, &stdout, &stderr), stderr.String())
			assert.NotEmpty(t, stdout.String())
			if strings.HasSuffix(name, "quiet") || strings.HasSuffix(name, "JSON") {
				assert.Empty(t, srv.Requests(customizerstest.List), "nobody reads the note")
			}
			if tt.says == "" {
				assert.Empty(t, stderr.String())
			} else {
				assert.Contains(t, stderr.String(), tt.says)
			}
		})
	}
}
